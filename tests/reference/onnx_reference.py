"""Tiny ONNX models and what ONNX Runtime computes with them, for tests/engine/test_onnx*.c.

    python3 tests/reference/onnx_reference.py           (numpy, onnx, onnxruntime)

Writes into tests/reference/onnx: <case>.onnx, <case>-x.npy (the inputs' rows; of several inputs side
by side, flattened) and <case>-y.npy (the first output, float32), and cases.txt with the cases.
refused/<case>.onnx are files that must not be imported; refused.txt has one line each:
    case invalid|unsupported|file a part of the message
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
LONGEST = 2048  # bytes of a case


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


def case(name, nodes, inputs, constants, opset, rows=5, x=None, stored=None, **more):
    """rows: of the inputs, where their first axis is open; else that axis says it. stored: the output as
    it is kept, rows first."""
    m = model(nodes, inputs, constants, opset, **more)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(m.SerializeToString(), options, ["CPUExecutionProvider"])
    feed = {}
    for n, s in inputs.items():
        first = s[0] if isinstance(s[0], int) else rows
        sizes = [rows if a == "N" else a for a in s] if "N" in s[1:] else [first, *s[1:]]
        feed[n] = x if x is not None else f32(*sizes)
    y = session.run([m.graph.output[0].name], feed)[0]
    sides = [np.moveaxis(v, list(s).index("N") if "N" in s else 0, 0) for v, s in zip(feed.values(), inputs.values())]
    save(name, m, np.concatenate([v.reshape(len(v), -1) for v in sides], 1), stored(y) if stored else y)


def save(name, m, x, y):
    data = m.SerializeToString()
    assert len(data) < LONGEST, (name, len(data))
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

# Rows that are not the first axis, or share one
draw = np.random.default_rng(14)
first = lambda axis: lambda y: np.moveaxis(y, axis, 0)
ints = lambda *v: np.array(v, np.int64)
x23 = {"x": ("N", 2, 3)}
case("transpose_rows", [node("Transpose", "x", "t", perm=[1, 0, 2]), node("MatMul", "t w", "y")], x23, {"w": f32(3, 4)}, 13,
     stored=first(1))
case("transpose_all", [node("Transpose", "x", "y")], x23, {}, 13, stored=first(2))
case("transpose_row", [node("Transpose", "x", "y", perm=[0, 2, 1])], x23, {}, 13)
case("time_first", [node("Transpose", "x", "t", perm=[1, 0, 2]), node("Relu", "t", "r"), node("Reshape", "r s", "f"),
                    node("Gemm", "f w", "g"), node("Reshape", "g s2", "h"), node("Transpose", "h", "y", perm=[1, 0, 2])],
     x23, {"s": ints(-1, 3), "w": f32(3, 4), "s2": ints(2, -1, 4)}, 13)
case("heads", [node("Transpose", "x", "t", perm=[1, 0, 2]), node("Reshape", "t s", "h"),
               node("Transpose", "h", "b", perm=[1, 0, 2]), node("Softmax", "b", "p", axis=-1),
               node("Transpose", "p", "u", perm=[1, 0, 2]), node("Reshape", "u s2", "v"),
               node("Transpose", "v", "y", perm=[1, 0, 2])],
     {"x": ("N", 3, 4)}, {"s": ints(3, -1, 2), "s2": ints(3, -1, 4)}, 13)
case("merged_result", [node("Reshape", "x s", "y")], x23, {"s": ints(-1, 3)}, 13, stored=lambda y: y.reshape(5, 2, 3))
case("merged_flat", [node("Flatten", "x", "y", axis=2)], x23, {}, 13, stored=lambda y: y.reshape(5, 2, 3))
case("merged_softmax", [node("Reshape", "x s", "f"), node("Softmax", "f", "y", axis=1), ], x23, {"s": ints(-1, 3)}, 13,
     stored=lambda y: y.reshape(5, 2, 3))
case("merged_one_row", [node("Reshape", "x s", "f"), node("Softmax", "f", "y", axis=0)], {"x": (1, 6)}, {"s": ints(-1)}, 13,
     stored=lambda y: y[None])
case("one_row_along_rows", [node("Softmax", "x", "s", axis=0), node("Concat", "x s", "c", axis=0),
                            node("Softmax", "c", "y", axis=0)], {"x": (1, 3)}, {}, 13, stored=lambda y: y[None])
case("one_row_squeezed", [node("Squeeze", "x a", "s"), node("Softmax", "s", "p", axis=0), node("Add", "x p", "y")],
     {"x": (1, 4)}, {"a": ints(0)}, 13)
case("written_for_one", [node("Reshape", "x s", "y")], {"x": ("N", 2, 3)}, {"s": ints(1, 6)}, 13, rows=1)
case("add_in_front", [node("Add", "x w", "y")], N4, {"w": f32(2, 1, 4)}, 13, stored=first(1))
case("add_equal_rows", [node("Add", "x w", "y")], {"x": (3, 4)}, {"w": np.tile(f32(1, 4), (3, 1))}, 13)
case("add_wider", [node("Transpose", "x", "t", perm=[1, 0, 2]), node("Add", "t z", "y")], {"x": ("N", 2, 3), "z": ("N", 3)}, {},
     13, stored=first(1))
case("rows_by_name", [node("Transpose", "z", "t", perm=[1, 0, 2]), node("Add", "x t", "y")],
     {"x": ("N", 2, 3), "z": (2, "N", 3)}, {}, 13)

# Before operator set 7: where the second operand lies is said
def old_add(name, other, axis, **inputs):
    """ONNX Runtime no longer has it: NumPy says what it is."""
    x, side = f32(5, 3, 4), f32(*other)
    live = "z" in inputs
    nodes = [node("Add", "x z" if live else "x c", "y", broadcast=1, axis=axis)]
    m = model(nodes, {"x": ("N", 3, 4), **inputs}, {} if live else {"c": side}, 6)
    at = axis % 3
    y = x + side.reshape(side.shape + (1,) * (3 - at - side.ndim))
    save(name, m, np.concatenate([x.reshape(5, -1)] + ([side.reshape(5, -1)] if live else []), 1), y)


old_add("old_axis", (3,), 1)
old_add("old_axis_negative", (4,), -1)
old_add("old_live", (5, 3), 0, z=("N", 3))

# Shapes as numbers, folding, other operators
case("squeeze_11", [node("Squeeze", "x", "y", axes=[1, -1])], {"x": ("N", 1, 3, 1)}, {}, 11)
case("squeeze_13", [node("Squeeze", "x a", "y")], {"x": ("N", 1, 3, 1)}, {"a": ints(1, -1)}, 13)
case("squeeze_all", [node("Squeeze", "x", "y")], {"x": ("N", 1, 3, 1)}, {}, 13)
case("unsqueeze_11", [node("Unsqueeze", "x", "y", axes=[1, -1])], N4, {}, 11)
case("unsqueeze_13", [node("Unsqueeze", "x a", "u"), node("Squeeze", "u b", "y")], N4, {"a": ints(0, 3), "b": ints(0)}, 13)
case("expand", [node("Expand", "x s", "y")], {"x": ("N", 1, 3)}, {"s": ints(2, 1)}, 13)
case("expand_rows", [node("Shape", "x", "n", end=1), node("Concat", "n r", "s", axis=0), node("Expand", "w s", "e"),
                     node("Concat", "x e", "y", axis=1)], {"x": ("N", 2, 3)}, {"r": ints(1, 3), "w": f32(1, 1, 3)}, 15)
case("shape_rest", [node("Shape", "x", "r", start=1), node("Shape", "x", "n", end=-2), node("Concat", "n o", "s", axis=0),
                    node("Reshape", "x s", "f"), node("Relu", "f", "h"), node("Concat", "n r", "t", axis=0),
                    node("Reshape", "h t", "y")], x23, {"o": ints(-1)}, 15)
case("zeros_like", [node("Shape", "x", "s"), node("ConstantOfShape", "s", "c", value=numpy_helper.from_array(
    np.array([0.5], np.float32))), node("Add", "x c", "y")], x23, {}, 13)
case("size_as_number", [node("Size", "w", "n"), node("Cast", "n", "f", to=TensorProto.FLOAT), node("Add", "x f", "y")], N4,
     {"w": f32(3, 2)}, 13)
case("cast_and_back", [node("Cast", "x", "i", to=TensorProto.INT64), node("Cast", "i", "b", to=TensorProto.BOOL),
                       node("Cast", "b", "y", to=TensorProto.FLOAT)], N4, {}, 13, x=extremes)
case("cast_half", [node("Cast", "x", "h", to=TensorProto.FLOAT16), node("Cast", "h", "y", to=TensorProto.FLOAT)], N4, {}, 13,
     x=f32(6, 4) * np.array([1e-6, 1e-4, 1, 1e4], np.float32))
case("cast_like", [node("CastLike", "x l", "i"), node("CastLike", "i x", "y")], N4, {"l": ints(1)}, 15, x=f32(6, 4) * 10)
case("cast_like_live", [node("CastLike", "c x", "f"), node("Mul", "x f", "m"), node("CastLike", "r m", "g"),
                        node("Add", "m g", "y")], N4, {"c": np.array([3, -2, 0, 7], np.int64), "r": np.array([0.5], np.float32)}, 18,
     x=np.linspace(-2, 3, 20, dtype=np.float32).reshape(5, 4))
case("gather_nd_places", [node("Transpose", "x", "t", perm=[1, 0]), node("GatherND", "t i", "g"), node("Transpose", "g", "y",
     perm=[1, 0])], N4, {"i": np.array([[3], [1], [1], [-4]], np.int64)}, 18, x=np.arange(20, dtype=np.float32).reshape(5, 4))
case("folded_weight", [node("Transpose", "w", "t", perm=[1, 0]), node("Softmax", "t", "p", axis=0), node("MatMul", "x p", "y")],
     N4, {"w": f32(3, 4)}, 13)
case("folded_gemm", [node("Gemm", "w w2 b", "v", transB=1), node("MatMul", "x v", "y")], N4,
     {"w": f32(4, 3), "w2": f32(2, 3), "b": f32(2)}, 13)
case("row_beside_rows", [node("Concat", "c x c2", "y", axis=1)], x23, {"c": f32(1, 2, 3),
     "c2": f32(1, 1, 3)}, 13, rows=1)
w8 = np.array([[-128, 127, 3], [0, -5, 9], [1, 2, -3], [77, -77, 4]], np.int8)
case("quantised_weight", [node("DequantizeLinear", "w s z", "d", axis=1), node("MatMul", "x d", "y")], N4,
     {"w": w8, "s": np.array([0.5, 0.25, 0.125], np.float32), "z": np.array([1, 0, -2], np.int8)}, 13)
case("quantised_scalar", [node("DequantizeLinear", "w s", "d"), node("MatMul", "x d", "y")], N4,
     {"w": w8.view(np.uint8), "s": np.array(0.1, np.float32)}, 13)


# Functions of the model's own: calls in calls, attributes given, left to their default and left out, an input left out
def reference(kind, inputs, outputs, own, of):
    n = node(kind, inputs, outputs, kind.lower())
    a = n.attribute.add()
    a.name, a.ref_attr_name, a.type = own, of, onnx.AttributeProto.FLOAT
    return n


inner = helper.make_function("own", "inner", ["a", "w"], ["b"], [
    node("MatMul", "a w", "m"), reference("Elu", "m", "e", "alpha", "alpha"), reference("LeakyRelu", "e", "b", "alpha", "slope")],
    [helper.make_opsetid("", 13)], attributes=["alpha"], attribute_protos=[helper.make_attribute("slope", 0.5)])
outer = helper.make_function("own", "outer", ["x", "w"], ["y", "unused"], [
    helper.make_node("inner", ["x", "w"], ["m"], domain="own", alpha=0.25), node("Dropout", "m", "d"),
    helper.make_node("inner", ["d", "w"], ["y"], domain="own", slope=0.125), node("Relu", "y", "unused")],
    [helper.make_opsetid("", 13), helper.make_opsetid("own", 1)])
m = model([helper.make_node("outer", ["x", "w"], ["h", "h2"], domain="own"), node("Add", "x h", "m"),
           helper.make_node("outer", ["m", "w"], ["y", "y2"], domain="own")], N4, {"w": f32(4, 4)}, 13)
m.opset_import.append(helper.make_opsetid("own", 1))
m.functions.extend([outer, inner])
session = onnxruntime.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"])
x = f32(5, 4)
save("functions", m, x, session.run(None, {"x": x})[0])

# ---------------------------------------------------------------- refused
draw = np.random.default_rng(15)
U, I = "unsupported", "invalid"
w = f32(4, 4)
relu = node("Relu", "x", "y", "r")
refuse("unknown", model([node("Convolve", "x w", "y", "conv1")], {"x": ("N", 1, 4, 4)}, {"w": f32(1, 1, 3, 3)}, 13), U,
       "operator 'Convolve' (node 'conv1', opset 13) is not supported")
refuse("nameless", model([node("Bernoulli", "x", "y")], N4, {}, 15), U, "operator 'Bernoulli' (node 0, opset 15) is not supported")
m = model([relu], N4, {}, 13)
m.graph.node[0].domain = "com.example"
refuse("domain", m, U, "operator 'Relu' (node 'r', domain 'com.example', opset 13) is not supported")
refuse("opset_99", model([relu], N4, {}, 99), U, "its operator set is 99; 1 to 28 are read")
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
refuse("whole_numbers", model([node("Sigmoid", "x", "y", "s")], N4, {}, 13, types={"x": TensorProto.INT64}), U,
       "Sigmoid 's': its input 'x' holds i64 numbers")
refuse("text", model([relu], N4, {}, 13, types={"x": TensorProto.STRING}), U, "is of type string")
m = model([relu], N4, {}, 13)
m.graph.input[0].type.tensor_type.ClearField("shape")
refuse("no_shape", m, U, "the input 'x' has no shape")
m.graph.input[0].ClearField("type")
refuse("no_type", m, U, "the input 'x' is no tensor")
refuse("wide", model([relu], {"x": ("N", 2**30, 2**30, 2**30)}, {}, 13), U, "a row of the input 'x' has more than")
refuse("nine_axes", model([relu], {"x": ("N", 1, 1, 1, 1, 1, 1, 1, 1)}, {}, 13), U, "has 9 axes; up to 8 are read")
refuse("trans_a", model([node("Gemm", "x w", "y", "g", transA=1)], N4, {"w": w}, 13), U,
       "has the rows of a batch as axis 1 of its input")
refuse("gemm_matrix_bias", model([node("Gemm", "x w b", "y", "g")], {"x": (4, 4)}, {"w": w, "b": w}, 13), U,
       "takes the constant 'b', which has values for single rows")
refuse("gemm_bias_size", model([node("Gemm", "x w b", "y", "g")], N4, {"w": w, "b": f32(3)}, 13), I,
       "adds 3 numbers to 4 units")
refuse("gemm_weight", model([node("Gemm", "x w", "y", "g")], N4, {"w": f32(2, 2, 2)}, 13), I,
       "has a weight with 3 axes, not 2")
refuse("gemm_sizes", model([node("Gemm", "x w", "y", "g")], N4, {"w": f32(3, 3)}, 13), I, "")
refuse("matmul_live", model([node("MatMul", "x x", "y", "m")], {"x": (4, 4)}, {}, 13), U, "and so mixes them")
refuse("matmul_left", model([node("MatMul", "w x", "y", "m")], {"x": (4, 4)}, {"w": w}, 13), U,
       "multiplies matrices that hold the rows of a batch and so mixes them")
refuse("matmul_stack", model([node("MatMul", "x w", "y", "m")], {"x": ("N", 2, 4)}, {"w": f32(2, 4, 4)}, 13), U,
       "has values for single rows")
refuse("matmul_type", model([node("MatMul", "x w", "y", "m")], N4, {"w": np.ones((4, 4), np.int64)}, 13), U,
       "takes 'w' as f32, but it is i64")
refuse("add_rows", model([node("Add", "x w", "y", "a")], {"x": (4, 4)}, {"w": w}, 13), U, "has values for single rows")
refuse("add_ranks", model([node("Add", "x z", "y", "a")], {"x": ("N", 4), "z": ("N", 4, 4)}, {}, 13), U,
       "joins values whose rows are not the same axis")
refuse("add_constants", model([node("Add", "w w", "y", "a")], N4, {"w": w}, 13), U, "the output 'y' does not depend")
refuse("softmax_rows", model([node("Softmax", "x", "y", "s", axis=0)], N4, {}, 13), U, "works along axis 0")
refuse("softmax_axis", model([node("Softmax", "x", "y", "s", axis=2)], N4, {}, 13), I, "has the axis 2, but its input has 2")
refuse("concat_rows", model([node("Concat", "x x", "y", "c", axis=0)], N4, {}, 13), U, "works along axis 0")
refuse("concat_axis", model([node("Concat", "x x", "y", "c")], N4, {}, 13), I, "has no axis")
refuse("concat_shapes", model([node("Concat", "x z", "y", "c", axis=1)], {"x": ("N", 2, 2), "z": ("N", 2, 3)}, {}, 13), I, "")


def reshape(name, shape, sizes, status, part, **attributes):
    refuse(name, model([node("Reshape", "x s", "y", "r", **attributes)], {"x": shape}, {"s": np.array(sizes)}, 14),
           status, part)


reshape("reshape_apart", ("N", 2, 3), [3, 4], U, "reshapes (N, 2, 3) to (3, 4), which does not keep the rows")
reshape("reshape_sizes", ("N", 2, 3), [-1, 4], U, "reshapes (N, 2, 3) to (N, 4), which does not keep the rows")
reshape("reshape_two_open", ("N", 6), [-1, -1], I, "has two open axes (-1)")
reshape("reshape_far", ("N", 6), [-1, 6, 0], I, "has the size 0 at axis 2")
reshape("reshape_negative", ("N", 6), [-1, -3], I, "has the size -3 at axis 1")
reshape("reshape_allowzero", ("N", 6), [0, 6], U, "allowzero", allowzero=1)
reshape("reshape_overflow", ("N", 6), [-1, 2**62, 2**62], U, "does not keep the rows")
refuse("reshape_live", model([node("Reshape", "x x", "y", "r")], N4, {}, 13), U, "takes 'x' as a constant")
refuse("training", model([node("Dropout", "x r t", "y", "d")], N4,
                         {"r": np.array(0.5, np.float32), "t": np.array(True)}, 13), U, "drops at random")
refuse("mask", model([node("Dropout", "x", "h m", "d"), node("Add", "x m", "y", "a")], N4, {}, 10), I,
       "its inputs hold f32 and bool numbers")
refuse("unmade_second", model([node("Relu", "x", "h m", "d"), node("Add", "x m", "y", "a")], N4, {}, 10), U,
       "reads 'm', an additional output of node 0 that is not made")
refuse("unmade_second_output", model([node("Relu", "x", "y m", "d")], N4, {}, 10, outputs=("y", "m")), U,
       "the output 'm' is an additional output of node 0 that is not made")
refuse("constant_text", model([node("Constant", "", "c", "k", value_string=b"a"), node("Add", "x c", "y")], N4, {}, 13), U,
       "has the attribute 'value_string'")


def constant(name, tensor, status, part):
    refuse(name, model([node("Add", "x c", "y", "a")], N4, {"c": tensor}, 13), status, part)


tensor = numpy_helper.from_array(f32(4), "c")
tensor.data_location = TensorProto.EXTERNAL
constant("external", tensor, I, "the constant 'c': its external data have no location")


def external(name, location, status, part, **more):
    t = numpy_helper.from_array(f32(4), "c")
    t.ClearField("raw_data")
    t.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        entry = t.external_data.add()
        entry.key, entry.value = key, value
    constant(name, t, status, part)


external("external_up", "../secret", I, "lie outside of the model's folder")
external("external_up_later", "a/../../secret", "file", "'a'")
external("external_absolute", "/etc/passwd", I, "it must be relative to the model's folder")
external("external_missing", "none.bin", "file", "'none.bin': No such file")
external("external_folder", ".", "file", "no ordinary file")
external("external_short", "strings.onnx", I, "its external data are bytes 1000 to 1016", offset="1000")
external("external_length", "strings.onnx", I, "but its external data have 12 bytes", length="12")
external("external_offset", "strings.onnx", I, "no proper offset", offset="-1")

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
refuse("quantised_values", model([node("QuantizeLinear", "x s", "q", "q"), node("DequantizeLinear", "q s", "y")], N4,
                                 {"s": np.array(0.1, np.float32)}, 13), U, "quantises values that depend on")
refuse("folded_size", model([node("ConstantOfShape", "s", "c", "k"), node("Add", "x c", "y")], N4, {"s": ints(100, 300, 300)},
                            13), U, "makes a constant of 36000000 bytes")
refuse("folded_twice", model([node("Expand", "c s", "e", "k"), node("Add", "x e", "y")], N4,
                             {"c": f32(4), "s": ints(1000, 5000, 4)}, 13), U, "makes a constant of 80000016 bytes")
refuse("transpose_order", model([node("Transpose", "x", "y", "t", perm=[0, 0])], N4, {}, 13), I, "leaves an axis out")
refuse("squeeze_rows", model([node("Squeeze", "x", "y", "s", axes=[0])], N4, {}, 11), U, "mixes the rows of a batch")
refuse("squeeze_wide", model([node("Squeeze", "x", "y", "s", axes=[1])], N4, {}, 11), I, "removes axis 1, which has size 4")
refuse("unsqueeze_twice", model([node("Unsqueeze", "x", "y", "u", axes=[1, 1])], N4, {}, 11), I, "adds one axis twice")
refuse("expand_sizes", model([node("Expand", "x s", "y", "e")], N4, {"s": ints(3)}, 13), I, "expands an axis of size 4 to 3")
refuse("cast_text", model([node("Cast", "x", "y", "c", to=TensorProto.STRING)], N4, {}, 13), U, "casts to string")
refuse("concat_types", model([node("Cast", "x", "i", to=TensorProto.INT64), node("Concat", "x i", "y", "c", axis=1)], N4, {},
                             13), I, "i64")
m = model([relu], N4, {}, 13)
m.graph.sparse_initializer.add().dims.extend([4])
refuse("sparse", m, U, "it holds sparse constants")


def calls(name, body, opset=13, nodes=None):
    m = model(nodes or [helper.make_node("f", ["x"], ["y"], domain="own")], N4, {}, 13)
    m.functions.append(helper.make_function("own", "f", ["a"], ["b"], body, [helper.make_opsetid("", opset)]))
    return m


refuse("function_calls_itself", calls("f", [helper.make_node("f", ["a"], ["b"], domain="own")]), U,
       "its functions call each other more than 8 deep")
refuse("function_opset", calls("f", [node("Relu", "a", "b")], 12), U,
       "its function 'f' is written for operator set 12, the model for 13")
refuse("function_unmade", calls("f", [node("Add", "a q", "b", "inner")]), I,
       "operator 'Add' (node 'y/f/inner', opset 13) reads 'y/f/q', which nothing in the file makes")
m = calls("f", [helper.make_node("f0", ["a"], ["b"], domain="own")])
for i in range(5):
    body = [helper.make_node("f%d" % (i + 1), ["a"], ["c%d" % j], domain="own") for j in range(10)]
    m.functions.append(helper.make_function("own", "f%d" % i, ["a"], ["b"], body + [node("Relu", "a", "b")],
                                            [helper.make_opsetid("", 13)]))
m.functions.append(helper.make_function("own", "f5", ["a"], ["b"], [node("Relu", "a", "b")], [helper.make_opsetid("", 13)]))
refuse("function_grows", m, U, "bytes where they are called")
m = model([node("Relu", "x", "a\0b", "r")], N4, {}, 13)
refuse("zero_byte", m, I, "a name holds a zero byte")

# ---------------------------------------------------------------- read with options
draw = np.random.default_rng(16)
folder = os.path.join(out, "options")
os.makedirs(os.path.join(folder, "weights"), exist_ok=True)


def with_options(name, m, **arrays):
    with open(os.path.join(folder, name + ".onnx"), "wb") as f:
        f.write(m.SerializeToString())
    for part, array in arrays.items():
        np.save(os.path.join(folder, "%s-%s.npy" % (name, part)), array)


w, x = f32(4, 3), f32(5, 4)
t = numpy_helper.from_array(w, "w")
t.ClearField("raw_data")
t.data_location = TensorProto.EXTERNAL
for key, value in {"location": "weights/w.bin", "offset": "8", "length": "48"}.items():
    entry = t.external_data.add()
    entry.key, entry.value = key, value
with open(os.path.join(folder, "weights", "w.bin"), "wb") as f:
    f.write(b"12345678" + w.tobytes())
with_options("external", model([node("MatMul", "x w", "y")], N4, {"w": t}, 13), x=x, y=x @ w)
with_options("mixing", model([node("Softmax", "x", "y", axis=0)], {"x": (3, 4)}, {}, 13))
with_options("open_axes", model([node("Shape", "x", "s"), node("Reshape", "z s", "r"), node("Add", "x r", "y")],
                                {"x": ("N", "time", 4), "z": ("N", "time", 4)}, {}, 13))
x = f32(2, 3, 4)
with_options("open_one", model([node("Flatten", "x", "f"), node("Tanh", "f", "y")], {"x": ("N", "time", 4)}, {}, 13), x=x,
             y=np.tanh(x.reshape(2, 12)))
with_options("ids", model([node("Cast", "x", "f", to=TensorProto.FLOAT), node("Add", "f c", "y")], N4, {"c": f32(4)}, 13,
                          types={"x": TensorProto.INT64}))
with_options("shape_input", model([node("Reshape", "x s", "y")], {"x": ("N", 6), "s": (3,)}, {}, 13,
                                  types={"s": TensorProto.INT64}))
with_options("left_out", model([node("Relu", "x", "y"), node("Foreign", "y", "f", "k"),
                                node("Tanh", "f", "t"), node("Add", "t y", "z")], N4, {}, 13, outputs=("y", "z", "t")))
with_options("converted", model([node("Add", "x a", "b"), node("Add", "b c", "y")], N4,
                                {"a": f32(4).astype(np.float16), "c": f32(4).astype(np.float64)}, 13))

with open(os.path.join(out, "cases.txt"), "w") as f:
    f.write("\n".join(cases) + "\n")
with open(os.path.join(out, "refused.txt"), "w") as f:
    f.write("\n".join(refused) + "\n")
print(len(cases), "cases,", len(refused), "refused")
