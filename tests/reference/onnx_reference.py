"""Tiny ONNX models and what ONNX Runtime computes with them, for tests/engine/test_onnx*.c.

    python3 tests/reference/onnx_reference.py           (numpy, onnx, onnxruntime)

Writes into tests/reference/onnx: <case>.onnx, <case>-x.npy (the inputs' rows; of several inputs side
by side, flattened) and <case>-y.npy (the first output, float32), and cases.txt with the cases.
refused/<case>.onnx are files that must not be imported; refused.txt has one line each:
    case invalid|unsupported a part of the message
"""
import os

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

here = os.path.dirname(os.path.abspath(__file__))
out = os.path.join(here, "onnx")
os.makedirs(os.path.join(out, "refused"), exist_ok=True)
draw = np.random.default_rng(13)
cases, refused = [], []


def f32(*shape):
    return np.round(draw.normal(size=shape), 2).astype(np.float32)


def node(kind, inputs, outputs, name="", **attributes):
    return helper.make_node(kind, inputs.split(), outputs.split(), name=name, **attributes)


def model(nodes, inputs, constants, opset, outputs=("y",), ir=8, listed=False, types=None):
    """inputs: {name: shape}; a shape's first entry may be a letter (open) or a number."""
    infos = [helper.make_tensor_value_info(n, (types or {}).get(n, TensorProto.FLOAT), list(s))
             for n, s in inputs.items()]
    tensors = [t if isinstance(t, TensorProto) else numpy_helper.from_array(t, n)
               for n, t in constants.items()]
    if listed:
        infos += [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in tensors]
    graph = helper.make_graph(nodes, "g", infos, [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir,
                             producer_name="reference")


def case(name, nodes, inputs, constants, opset, rows=5, x=None, **more):
    """rows: of the inputs, where their first axis is open; else that axis says it."""
    m = model(nodes, inputs, constants, opset, **more)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(m.SerializeToString(), options, ["CPUExecutionProvider"])
    feed = {}
    for n, s in inputs.items():
        first = s[0] if isinstance(s[0], int) else rows
        feed[n] = x if x is not None else f32(first, *s[1:])
    y = session.run([m.graph.output[0].name], feed)[0]
    save(name, m, np.concatenate([v.reshape(len(v), -1) for v in feed.values()], 1), y)


def save(name, m, x, y):
    data = m.SerializeToString()
    assert len(data) < 2048, (name, len(data))
    with open(os.path.join(out, name + ".onnx"), "wb") as f:
        f.write(data)
    np.save(os.path.join(out, name + "-x.npy"), x.astype(np.float32))
    np.save(os.path.join(out, name + "-y.npy"), y.astype(np.float32))
    cases.append(name)


def refuse(name, m, status, part):
    data = m if isinstance(m, bytes) else m.SerializeToString()
    with open(os.path.join(out, "refused", name + ".onnx"), "wb") as f:
        f.write(data)
    refused.append("%s %s %s" % (name, status, part))


N4 = {"x": ("N", 4)}

# Gemm
W, B = f32(3, 4), f32(3)
case("gemm_7", [node("Gemm", "x w b", "y", transB=1)], N4, {"w": W, "b": B}, 7)
case("gemm_scaled", [node("Gemm", "x w b", "y", alpha=0.5, beta=-2.0)], N4, {"w": f32(4, 3), "b": f32(1, 3)}, 9)
case("gemm_no_bias", [node("Gemm", "x w", "y")], N4, {"w": f32(4, 2)}, 11)
case("gemm_scalar_bias", [node("Gemm", "x w b", "y")], N4, {"w": f32(4, 2), "b": f32()}, 13)
case("gemm_beta_0", [node("Gemm", "x w b", "y", beta=0.0)], N4, {"w": f32(4, 2), "b": f32(2)}, 13)
case("gemm_live_bias", [node("Gemm", "x w z", "y", "g", transB=1), ], {"x": ("N", 4), "z": ("N", 3)}, {"w": W}, 13)
case("gemm_shared", [node("Gemm", "x w b", "h", "first", transB=1), node("Relu", "h", "r"),
                     node("Gemm", "r w b", "y", "second", transB=1, alpha=2.0)],
     {"x": ("N", 3)}, {"w": f32(3, 3), "b": B}, 13)

# MatMul, Add
case("matmul_add", [node("MatMul", "x w", "product", "mm"), node("Add", "product b", "y", "plus")], N4,
     {"w": f32(4, 3), "b": f32(3)}, 9)
case("add_matmul", [node("MatMul", "x w", "product"), node("Add", "b product", "y")], N4,
     {"w": f32(4, 3), "b": f32(1, 3)}, 14)
case("matmul_3d", [node("MatMul", "x w", "y")], {"x": ("N", 2, 3)}, {"w": f32(3, 4)}, 13)
case("matmul_vector", [node("MatMul", "x w", "y")], {"x": ("N", 2, 3)}, {"w": f32(3)}, 13)
case("matmul_stacked", [node("MatMul", "x w", "y")], {"x": ("N", 2, 3)}, {"w": f32(1, 3, 2)}, 13)
case("add_live", [node("Add", "x z", "y")], {"x": ("N", 3), "z": ("N", 3)}, {}, 7)
case("add_twice", [node("Add", "x x", "y")], N4, {}, 13)
case("add_scalar", [node("Add", "x c", "y")], N4, {"c": f32()}, 13)
case("add_channels", [node("Add", "x c", "y")], {"x": ("N", 2, 3)}, {"c": f32(2, 1)}, 13)
case("add_fixed_batch", [node("Add", "c x", "y")], {"x": (1, 2, 3)}, {"c": f32(1, 2, 3)}, 13)

# Activations
extremes = np.array([[0, -0.0, 1, -1], [0.5, -0.5, 3, -3], [20, -20, 21, -21], [88, -88, 100, -100],
                     [1e-7, -1e-7, 1e-3, -1e-3]], np.float32)
for kind, opsets in (("Relu", (7, 14)), ("Sigmoid", (7, 13)), ("Tanh", (7, 13)), ("Softplus", (7, 21)),
                     ("Elu", (7, 21)), ("LeakyRelu", (7, 16)), ("Identity", (7, 21))):
    for opset in opsets:
        case("%s_%d" % (kind.lower(), opset), [node(kind, "x", "y")], N4, {}, opset, x=extremes)
case("elu_alpha", [node("Elu", "x", "y", alpha=0.3)], N4, {}, 13, x=extremes)
case("leakyrelu_alpha", [node("LeakyRelu", "x", "y", alpha=0.25)], N4, {}, 13, x=extremes)
case("leakyrelu_zero", [node("LeakyRelu", "x", "y", alpha=0.0)], N4, {}, 13, x=extremes)

# Softmax
for opset in (7, 11, 13, 21):
    case("softmax_%d" % opset, [node("Softmax", "x", "y")], N4, {}, opset, x=extremes)
case("softmax_coerced", [node("Softmax", "x", "y")], {"x": ("N", 2, 3)}, {}, 11)
case("softmax_coerced_2", [node("Softmax", "x", "y", axis=2)], {"x": ("N", 2, 2, 3)}, {}, 11)
case("softmax_last", [node("Softmax", "x", "y")], {"x": ("N", 2, 3)}, {}, 13)
case("softmax_axis", [node("Softmax", "x", "y", axis=1)], {"x": ("N", 2, 3)}, {}, 13)
case("softmax_negative", [node("Softmax", "x", "y", axis=-2)], {"x": ("N", 2, 3)}, {}, 13)

# Shapes
case("flatten_9", [node("Flatten", "x", "y")], {"x": ("N", 2, 3)}, {}, 9)
case("flatten_21", [node("Flatten", "x", "y", axis=-2)], {"x": ("N", 2, 3)}, {}, 21)
case("flatten_axis_2", [node("Flatten", "x", "y", axis=2)], {"x": ("N", 1, 3)}, {}, 13)
case("reshape_0_minus1", [node("Reshape", "x s", "y")], {"x": ("N", 2, 3)}, {"s": np.array([0, -1])}, 7)
case("reshape_minus1", [node("Reshape", "x s", "y")], {"x": ("N", 2, 3)}, {"s": np.array([-1, 6])}, 13)
case("reshape_copy", [node("Reshape", "x s", "y", allowzero=0)], {"x": ("N", 2, 6)},
     {"s": np.array([-1, 0, 3, 2])}, 14)
case("reshape_fixed", [node("Reshape", "x s", "y")], {"x": (2, 6)}, {"s": np.array([2, 3, -1])}, 19)
case("concat_4", [node("Concat", "x z", "y", axis=1)], {"x": ("N", 2), "z": ("N", 3)}, {}, 7)
case("concat_negative", [node("Concat", "x z x", "y", axis=-1)], {"x": ("N", 2, 2), "z": ("N", 2, 3)}, {}, 13)
case("concat_middle", [node("Concat", "x z", "y", axis=1)], {"x": ("N", 1, 3), "z": ("N", 2, 3)}, {}, 13)

# Constants
case("constant_shape", [node("Constant", "", "s", value=numpy_helper.from_array(np.array([0, -1]), "")),
                        node("Reshape", "x s", "y")], {"x": ("N", 2, 3)}, {}, 9)
case("constant_ints", [node("Constant", "", "s", value_ints=[-1, 6]), node("Reshape", "x s", "y")],
     {"x": ("N", 2, 3)}, {}, 13)
case("constant_floats", [node("Constant", "", "c", value_floats=[0.5, -1.0, 2.0, 3.0]),
                         node("Add", "x c", "y")], N4, {}, 13)
case("constant_float", [node("Constant", "", "c", value_float=0.75), node("Add", "c x", "y")], N4, {}, 13)
case("identity_constant", [node("Identity", "w0", "w"), node("MatMul", "x w", "y")], N4, {"w0": f32(4, 2)}, 16)
case("listed_initializers", [node("Gemm", "x w b", "y", transB=1)], N4, {"w": W, "b": B}, 8, ir=3, listed=True)
w = f32(4, 2)
for kind, name in ((TensorProto.FLOAT, "float"), (TensorProto.DOUBLE, "double"),
                   (TensorProto.FLOAT16, "float16"), (TensorProto.BFLOAT16, "bfloat16")):
    for raw in (False, True):
        # ONNX Runtime would need a Cast: it gets the rounded numbers as float32.
        if raw:
            array = helper.make_tensor("w", kind, [4, 2], w.flatten().tolist())
            array = numpy_helper.to_array(array)
            tensor = numpy_helper.from_array(array, "w")
            tensor.data_type = kind
        else:
            tensor = helper.make_tensor("w", kind, [4, 2], w.flatten().tolist())
        value = numpy_helper.to_array(tensor).astype(np.float32)
        m = model([node("MatMul", "x w", "y")], N4, {"w": tensor}, 13)
        x = f32(5, 4)
        save("data_%s_%s" % (name, "raw" if raw else "typed"), m, x,
             (x.astype(np.float64) @ value.astype(np.float64)).astype(np.float32))
half = np.array([[0, -0.0, 6e-8, -6.1e-5], [65504, 1 / 3, 1024.5, -2048]], np.float16)
m = model([node("Add", "x c", "y")], {"x": ("N", 2, 4)}, {"c": half}, 13)
x = np.zeros((2, 2, 4), np.float32)
save("data_float16_values", m, x.reshape(2, 8), x + half.astype(np.float32))

# Dropout
case("dropout_7", [node("Dropout", "x", "y", ratio=0.9)], N4, {}, 7)
case("dropout_mask", [node("Dropout", "x", "y mask")], N4, {}, 10)
case("dropout_12", [node("Dropout", "x r t", "y")], N4, {"r": np.array(0.9, np.float32), "t": np.array(False)}, 12)
case("dropout_22", [node("Dropout", "x r", "y", seed=3)], N4, {"r": np.array(0.9, np.float32)}, 22)

# Whole graphs
case("branches", [node("Relu", "x", "a"), node("Tanh", "x", "b"), node("Concat", "a b", "c", axis=1),
                  node("Gemm", "c w", "d", transB=1), node("Add", "d x", "e"), node("Softmax", "e", "y", axis=1)],
     {"x": ("N", 3)}, {"w": f32(3, 6)}, 13)
case("two_outputs", [node("Relu", "x", "y"), node("Tanh", "x", "z")], N4, {}, 13, outputs=("y", "z"))
case("fixed_batch", [node("Flatten", "x", "f"), node("Gemm", "f w b", "y", transB=1)], {"x": (1, 2, 2)},
     {"w": W, "b": B}, 11)
x = f32(5, 4)  # ONNX Runtime refuses two nodes of one name, though ONNX allows them
save("same_names", model([node("Relu", "x", "h", "n"), node("Tanh", "h", "y", "n")], N4, {}, 13), x,
     np.tanh(np.maximum(x, 0)))

# ---------------------------------------------------------------- refused
U, I = "unsupported", "invalid"
w = f32(4, 4)
relu = node("Relu", "x", "y", "r")
refuse("conv", model([node("Conv", "x w", "y", "conv1")], {"x": ("N", 1, 4, 4)}, {"w": f32(1, 1, 3, 3)}, 13), U,
       "operator 'Conv' (node 'conv1', opset 13) is not supported")
refuse("nameless", model([node("Sin", "x", "y")], N4, {}, 13), U, "operator 'Sin' (node 0, opset 13) is not supported")
m = model([relu], N4, {}, 13)
m.graph.node[0].domain = "com.example"
refuse("domain", m, U, "operator 'Relu' (node 'r', domain 'com.example', opset 13) is not supported")
refuse("opset_6", model([relu], N4, {}, 6), U, "its operator set is 6; 7 to 28 are read")
refuse("opset_99", model([relu], N4, {}, 99), U, "its operator set is 99")
m = model([relu], N4, {}, 13)
del m.opset_import[:]
refuse("no_opset", m, I, "it states no operator set")
m = model([relu], N4, {}, 13)
m.ClearField("graph")
refuse("no_graph", m, I, "it holds no graph")
refuse("empty", b"", I, "it holds no graph")
refuse("two_graphs", model([relu], N4, {}, 13).SerializeToString() * 2, I, "it holds two graphs")
refuse("no_input", model([node("Relu", "c", "y")], {}, {"c": w}, 13), U, "the graph has no input")
refuse("no_output", model([relu], N4, {}, 13, outputs=()), I, "the graph has no output")
refuse("unmade_output", model([relu], N4, {}, 13, outputs=("q",)), I, "the output 'q' is made by nothing")
refuse("constant_output", model([relu], N4, {"c": w}, 13, outputs=("c",)), U, "the output 'c' does not depend")
refuse("unmade_input", model([node("Add", "x q", "y", "a")], N4, {}, 13), I,
       "operator 'Add' (node 'a', opset 13) reads 'q', which nothing in the file makes")
refuse("order", model([node("Relu", "h", "y", "late"), node("Relu", "x", "h")], N4, {}, 13), I,
       "reads 'h' before node 1 makes it")
refuse("cycle", model([node("Add", "x y", "y", "loop")], N4, {}, 13), I, "reads 'y' before node 0 makes it")
refuse("twice", model([relu, node("Tanh", "x", "y")], N4, {}, 13), I, "the value 'y' is made twice")
refuse("input_made", model([node("Tanh", "x", "x")], N4, {}, 13), I, "the value 'x' is made twice")
refuse("no_output_name", model([node("Relu", "x", "")], N4, {}, 13), I, "has no output")
refuse("no_operator", model([node("", "x", "y", "n")], N4, {}, 13), I, "node 0 ('n') has no operator")
refuse("attribute", model([node("Relu", "x", "y", "r", slope=2)], N4, {}, 13), U,
       "has the attribute 'slope', which is not known")
refuse("attribute_type", model([node("Elu", "x", "y", "e", alpha=2)], N4, {}, 13), I,
       "has an attribute 'alpha' that is no number")
refuse("arity", model([node("Relu", "x x", "y", "r")], N4, {}, 13), I, "has 2 inputs; it takes 1 at most")
refuse("left_out", model([node("MatMul", "x", "y", "m")], N4, {}, 13), I, "has 1 inputs; it takes 2 or more")
refuse("open_axis", model([relu], {"x": ("N", "seq", 4)}, {}, 13), U,
       "axis 1 of the input 'x' has no fixed size ('seq')")
refuse("one_axis", model([relu], {"x": (4,)}, {}, 13), U, "there is none for the rows")
refuse("no_axes", model([relu], {"x": ()}, {}, 13), U, "the input 'x' has no axes")
refuse("whole_numbers", model([relu], N4, {}, 13, types={"x": TensorProto.INT64}), U, "is of type int64")
m = model([relu], N4, {}, 13)
m.graph.input[0].type.tensor_type.ClearField("shape")
refuse("no_shape", m, U, "the input 'x' has no shape")
m.graph.input[0].ClearField("type")
refuse("no_type", m, U, "the input 'x' is no tensor")
refuse("wide", model([relu], {"x": ("N", 2**30, 2**30, 2**30)}, {}, 13), U, "a row of the input 'x' has more than")
refuse("nine_axes", model([relu], {"x": ("N", 1, 1, 1, 1, 1, 1, 1, 1)}, {}, 13), U, "has 9 axes; up to 8 are read")
refuse("trans_a", model([node("Gemm", "x w", "y", "g", transA=1)], N4, {"w": w}, 13), U, "mixes the rows of a batch")
refuse("gemm_matrix_bias", model([node("Gemm", "x w b", "y", "g")], {"x": (4, 4)}, {"w": w, "b": w}, 13), U,
       "adds a matrix with a value for every row")
refuse("gemm_bias_size", model([node("Gemm", "x w b", "y", "g")], N4, {"w": w, "b": f32(3)}, 13), I,
       "adds 3 numbers to 4 units")
refuse("gemm_weight", model([node("Gemm", "x w", "y", "g")], N4, {"w": f32(2, 2, 2)}, 13), I,
       "has a weight with 3 axes, not 2")
refuse("gemm_sizes", model([node("Gemm", "x w", "y", "g")], N4, {"w": f32(3, 3)}, 13), I, "")
refuse("matmul_live", model([node("MatMul", "x x", "y", "m")], {"x": (4, 4)}, {}, 13), U, "takes 'x' as a constant")
refuse("matmul_left", model([node("MatMul", "w x", "y", "m")], {"x": (4, 4)}, {"w": w}, 13), U, "'w' is a constant")
refuse("matmul_stack", model([node("MatMul", "x w", "y", "m")], {"x": ("N", 2, 4)}, {"w": f32(2, 4, 4)}, 13), U,
       "multiplies by a stack of matrices ('w')")
refuse("matmul_type", model([node("MatMul", "x w", "y", "m")], N4, {"w": np.ones((4, 4), np.int64)}, 13), U,
       "takes 'w' as f32, but it is i64")
refuse("add_rows", model([node("Add", "x w", "y", "a")], {"x": (4, 4)}, {"w": w}, 13), U, "has values for more than a row")
refuse("add_axes", model([node("Add", "x w", "y", "a")], N4, {"w": f32(2, 1, 4)}, 13), U, "has more axes than a row")
refuse("add_ranks", model([node("Add", "x z", "y", "a")], {"x": ("N", 4), "z": ("N", 4, 4)}, {}, 13), U,
       "adds values with 2 and 3 axes")
refuse("add_constants", model([node("Add", "w w", "y", "a")], N4, {"w": w}, 13), U, "'w' is a constant")
refuse("softmax_rows", model([node("Softmax", "x", "y", "s", axis=0)], N4, {}, 13), U, "works along axis 0")
refuse("softmax_axis", model([node("Softmax", "x", "y", "s", axis=2)], N4, {}, 13), I, "has the axis 2, but its input has 2")
refuse("concat_rows", model([node("Concat", "x x", "y", "c", axis=0)], N4, {}, 13), U, "works along axis 0")
refuse("concat_axis", model([node("Concat", "x x", "y", "c")], N4, {}, 13), I, "has no axis")
refuse("concat_shapes", model([node("Concat", "x z", "y", "c", axis=1)], {"x": ("N", 2, 2), "z": ("N", 2, 3)}, {}, 13), I, "")
refuse("flatten_rows", model([node("Flatten", "x", "y", "f", axis=0)], N4, {}, 13), U, "flattens at axis 0")
refuse("flatten_axis_2", model([node("Flatten", "x", "y", "f", axis=2)], {"x": ("N", 2, 3)}, {}, 13), U, "flattens at axis 2")


def reshape(name, shape, sizes, status, part, **attributes):
    refuse(name, model([node("Reshape", "x s", "y", "r", **attributes)], {"x": shape}, {"s": np.array(sizes)}, 14),
           status, part)


reshape("reshape_rows", ("N", 2, 3), [-1, 3], U, "reshapes (N, 2, 3) to (N, 3), which does not keep the rows")
reshape("reshape_flat", (1, 6), [-1], U, "does not keep the rows")
reshape("reshape_two_open", ("N", 6), [-1, -1], I, "has two open axes (-1)")
reshape("reshape_far", ("N", 6), [-1, 6, 0], I, "has the size 0 at axis 2")
reshape("reshape_negative", ("N", 6), [-1, -3], I, "has the size -3 at axis 1")
reshape("reshape_allowzero", ("N", 6), [0, 6], U, "allowzero", allowzero=1)
reshape("reshape_overflow", ("N", 6), [-1, 2**62, 2**62], U, "does not keep the rows")
refuse("reshape_live", model([node("Reshape", "x x", "y", "r")], N4, {}, 13), U, "takes 'x' as a constant")
refuse("training", model([node("Dropout", "x r t", "y", "d")], N4,
                         {"r": np.array(0.5, np.float32), "t": np.array(True)}, 13), U, "drops at random")
refuse("mask", model([node("Dropout", "x", "h m", "d"), node("Add", "x m", "y", "a")], N4, {}, 10), U,
       "reads 'm', an additional output of node 0")
refuse("mask_output", model([node("Dropout", "x", "y m", "d")], N4, {}, 10, outputs=("y", "m")), U,
       "the output 'm' is an additional output of node 0")
refuse("constant_text", model([node("Constant", "", "c", "k", value_string=b"a"), relu], N4, {}, 13), U,
       "has the attribute 'value_string'")


def constant(name, tensor, status, part):
    refuse(name, model([node("Add", "x c", "y", "a")], N4, {"c": tensor}, 13), status, part)


tensor = numpy_helper.from_array(f32(4), "c")
tensor.data_location = TensorProto.EXTERNAL
constant("external", tensor, U, "the constant 'c': its data are in another file")
tensor = numpy_helper.from_array(f32(4), "c")
tensor.dims[0] = 5
constant("short_data", tensor, I, "the constant 'c': its shape has 5 elements, but its data hold 4")
tensor = numpy_helper.from_array(f32(4), "c")
tensor.raw_data += b"\0"
constant("odd_data", tensor, I, "but its data hold 4 and a part")
tensor = numpy_helper.from_array(f32(4), "c")
del tensor.dims[:]
tensor.dims.extend([2**33, 2**33])
constant("huge_shape", tensor, I, "its shape is no shape")
tensor = numpy_helper.from_array(f32(4), "c")
tensor.dims[0] = -4
constant("negative_shape", tensor, I, "axis 0 has size -4")
constant("strings", helper.make_tensor("c", TensorProto.STRING, [1], [b"a"]), U, "its elements are of type string")
constant("too_large", numpy_helper.from_array(np.array([1e300, 0, 0, 0]), "c"), I, "does not fit float32")
constant("ten_axes", numpy_helper.from_array(np.zeros([1] * 10, np.float32), "c"), U, "it has 10 dimensions")
m = model([relu], N4, {}, 13)
m.graph.sparse_initializer.add().dims.extend([4])
refuse("sparse", m, U, "it holds sparse constants")
m = model([relu], N4, {}, 13)
m.functions.add().name = "f"
refuse("functions", m, U, "it defines functions of its own")
m = model([node("Relu", "x", "a\0b", "r")], N4, {}, 13)
refuse("zero_byte", m, I, "a name holds a zero byte")

with open(os.path.join(out, "cases.txt"), "w") as f:
    f.write("\n".join(cases) + "\n")
with open(os.path.join(out, "refused.txt"), "w") as f:
    f.write("\n".join(refused) + "\n")
print(len(cases), "cases,", len(refused), "refused")
