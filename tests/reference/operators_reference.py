"""Operators of ONNX as networks have them, the rows of a batch in one of their axes, and what ONNX Runtime
computes, for tests/engine/test_onnx_operators.c. (Operators by themselves: `make onnx-suite`.)

    python3 tests/reference/operators_reference.py           (numpy, onnx, onnxruntime)

Writes into tests/reference/operators: <case>.onnx, <case>-x.npy (the inputs' rows; of several inputs
side by side, flattened), <case>-y.npy (the first output, rows first, float32), cases.txt, and refused.txt
with one line each: case, a part of the message.
"""
import os

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "operators")
os.makedirs(out, exist_ok=True)
draw = np.random.default_rng(17)
cases, refused = [], []
ROWS = 5


def f32(*shape):
    return np.round(draw.normal(size=shape), 2).astype(np.float32)


def i64(*values):
    return np.array(values, np.int64)


def build(nodes, inputs, constants, opset):
    """nodes: "Kind a b > y" with attributes; inputs: {name: shape}, "N" the rows' axis."""
    made = []
    for k, (text, attributes) in enumerate(nodes):
        before, after = text.split(" > ")
        kind, *names = before.split()
        made.append(helper.make_node(kind, ["" if n == "-" else n for n in names],
                                     ["" if n == "-" else n for n in after.split()],
                                     name="n%d" % k, **attributes))
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s)) for n, s in inputs.items()]
    tensors = [numpy_helper.from_array(np.asarray(t), n) for n, t in constants.items()]
    last = next(n for n in made[-1].output if n)
    graph = helper.make_graph(made, "g", infos, [
        helper.make_tensor_value_info(last, TensorProto.FLOAT, None)], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8,
                             producer_name="reference")


def run(m, feed):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(m.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run([m.graph.output[0].name], feed)[0]


def case(name, nodes, inputs, constants={}, opset=17, axis=0, feed=None):
    """axis: of the rows in the output."""
    m = build(nodes, inputs, constants, opset)
    if feed is None:
        feed = {n: f32(*[ROWS if a == "N" else a for a in s]) for n, s in inputs.items()}
    y = np.moveaxis(run(m, feed), axis, 0).astype(np.float32)
    sides = [np.moveaxis(v, list(s).index("N"), 0) for v, s in zip(feed.values(), inputs.values())]
    with open(os.path.join(out, name + ".onnx"), "wb") as f:
        f.write(m.SerializeToString())
    np.save(os.path.join(out, name + "-x.npy"),
            np.concatenate([v.reshape(ROWS, -1) for v in sides], 1).astype(np.float32))
    np.save(os.path.join(out, name + "-y.npy"), y)
    cases.append(name)


def refuse(name, part, nodes, inputs, constants={}, opset=17):
    with open(os.path.join(out, name + ".onnx"), "wb") as f:
        f.write(build(nodes, inputs, constants, opset).SerializeToString())
    refused.append("%s %s" % (name, part))


A = {"x": ("N", 3, 4)}
n = lambda text, **attributes: (text, attributes)
middle = n("Transpose x > t", perm=[1, 0, 2])  # (3, N, 4): the rows in the middle

# ---- elements
case("arithmetic", [n("Sub x a > s"), n("Mul s b > m"), n("Div m c > d"), n("Pow d two > p"),
                    n("Max p x a > q"), n("Min q c > r"), n("Mean r x a > y")], A,
     {"a": f32(4), "b": f32(3, 1), "c": np.float32([[[2.5]]]), "two": np.float32(2)})
case("functions", [n("Exp x > e"), n("Log e > l"), n("Abs l > a"), n("Sqrt a > s"), n("Neg s > n"),
                   n("Erf n > f"), n("Sin f > g"), n("Softsign g > h"), n("HardSwish h > y")], A)
case("activations", [n("Selu x > a"), n("Celu a > b", alpha=2.0), n("HardSigmoid b > c"),
                     n("ThresholdedRelu c > d", alpha=0.3), n("Shrink d > e", bias=0.1, lambd=0.4),
                     n("PRelu x s > p"), n("Add e p > y")], A, {"s": f32(3, 1)})
case("gelu_exported", [n("Div x r > d"), n("Erf d > e"), n("Add e one > a"), n("Mul x a > m"),
                       n("Mul m half > y")], A,
     {"r": np.float32(2 ** 0.5), "one": np.float32(1), "half": np.float32(0.5)})
case("gelu_20", [n("Gelu x > y", approximate="tanh")], A, opset=20)
case("clip_bounds", [n("Clip x low high > y")], A, {"low": np.float32(-0.5), "high": np.float32(0.75)})
case("clip_attributes", [n("Clip x > y", min=-0.25, max=1.0)], A, opset=7)
case("clip_above", [n("Clip x - high > y")], A, {"high": np.float32(0.1)})
case("where_masked", [n("Greater x zero > c"), n("Not c > d"), n("Where d low x > y")], A,
     {"zero": np.float32(0), "low": np.float32([-1, -2, -3, -4])})
case("logic_to_numbers", [n("Less x a > l"), n("GreaterOrEqual x b > g"), n("Or l g > o"),
                          n("And o l > p"), n("Xor p g > q"), n("Cast q > y", to=1)], A,
     {"a": f32(4), "b": f32(3, 1)})
case("mod_of_rows", [n("Mod x a > y", fmod=1)], A, {"a": np.float32([0.5, 1, 1.5, 2])})
case("rows_in_the_middle", [middle, n("Mul t a > m"), n("Sub m b > y")], A, {"a": f32(3, 1, 4), "b": f32(4)},
     axis=1)

# ---- along axes
case("reduce_mean_last", [n("ReduceMean x > m", axes=[-1]), n("Sub x m > d"), n("Mul d d > s"),
                          n("ReduceMean s > v", axes=[-1]), n("Add v e > w"), n("Sqrt w > t"),
                          n("Div d t > y")], A, {"e": np.float32(1e-5)})
case("reduce_first", [middle, n("ReduceSum t axes > y", keepdims=0)], A, {"axes": i64(0)})
case("reduce_both", [n("ReduceLogSumExp x > y", axes=[1, 2], keepdims=0)], A)
case("reduce_l2", [n("ReduceL2 x > y", axes=[1], keepdims=1)], A)
case("argmax_cast", [n("ArgMax x > a", axis=2, keepdims=0), n("Cast a > y", to=1)], A)
case("argmin_of_first", [middle, n("ArgMin t > a", axis=0, keepdims=0), n("Cast a > y", to=1)], A)
case("topk_values", [n("TopK x k > v i", axis=1), n("Cast i > j", to=1), n("Mul v j > y")], A,
     {"k": i64(2)})
case("softmax_before_13", [n("Softmax x > y", axis=1)], A, opset=11)
case("log_softmax_middle", [n("LogSoftmax x > y", axis=1)], A)
case("cumsum_reverse", [n("CumSum x a > y", reverse=1)], A, {"a": np.array(2)})
case("triangle", [n("Trilu x > y", upper=0)], A)

# ---- parts
case("slice_steps", [n("Slice x starts ends axes steps > y")], A,
     {"starts": i64(-1, 0), "ends": i64(-5, 3), "axes": i64(2, 1), "steps": i64(-2, 2)})
case("slice_all_rows", [n("Slice x starts ends > y")], A, {"starts": i64(0, 1), "ends": i64(2 ** 62, 3)})
case("slice_attributes", [n("Slice x > y", axes=[2], starts=[1], ends=[3])], A, opset=9)
case("split_joined", [n("Split x sizes > a b", axis=2), n("Concat b a b > y", axis=2)], A,
     {"sizes": i64(1, 3)})
case("split_equal", [n("Split x > a b", axis=2, num_outputs=2), n("Sub a b > y")], A, opset=18)
case("pad_edges", [n("Pad x pads > y", mode="edge")], A, {"pads": i64(0, 1, 2, 0, 0, 1)})
case("pad_constant", [n("Pad x pads value > y")], A,
     {"pads": i64(0, 1, -1, 0, 0, 2), "value": np.float32(0.5)})
case("tile_axes", [n("Tile x repeats > y")], A, {"repeats": i64(1, 2, 3)})
case("depth_to_space", [n("DepthToSpace x > d", blocksize=2, mode="CRD"), n("SpaceToDepth d > y", blocksize=2)],
     {"x": ("N", 8, 2, 3)})
case("class_token", [n("Shape x > s"), n("Gather s zero > b"), n("Concat b one four > t", axis=0),
                     n("Expand token t > e"), n("Concat e x > c", axis=1), n("Gather c first > f", axis=1),
                     n("Gather c last > g", axis=1), n("Sub f g > y")],
     A, {"token": f32(1, 1, 4), "zero": i64(0), "one": i64(1), "four": i64(4), "first": np.array(0),
         "last": np.array(-1)})

# ---- indices
IDS = {"ids": np.float32([[0, 2, 1], [3, 3, 0], [1, 0, 2], [2, 1, 1], [0, 0, 3]])}
case("embedding", [n("Cast ids > i", to=7), n("Gather table i > e"), n("ReduceMean e > y", axes=[1], keepdims=0)],
     {"ids": ("N", 3)}, {"table": f32(4, 6)}, feed=IDS)
case("embedding_rows_last", [n("Transpose ids > t"), n("Cast t > i", to=7), n("Gather table i > y")],
     {"ids": ("N", 3)}, {"table": f32(4, 6)}, feed=IDS, axis=1)
case("gather_axis", [n("Gather x i > y", axis=2)], A, {"i": np.array([[3, 0], [1, -1]])})
case("gather_elements", [n("ArgMax x > a", axis=2), n("GatherElements x a > y", axis=2)], A)
case("scatter_elements", [n("ArgMax x > i", axis=2), n("ReduceMin x > u", axes=[2]),
                          n("ScatterElements x i u > y", axis=2)], A)
case("one_hot_classes", [n("ArgMax x > a", axis=2, keepdims=0), n("OneHot a d v > y")], A,
     {"d": np.array(4), "v": np.float32([0, 1])})
case("compress_axis", [n("Compress x c > y", axis=2)], A, {"c": np.array([True, False, True])})
case("reverse_in_rows", [n("ReverseSequence x l > y", batch_axis=0, time_axis=1)], A, {"l": i64(*[2] * ROWS)})

# ---- products
case("attention", [n("MatMul x wq > q"), n("MatMul x wk > k"), n("MatMul x wv > v"),
                   n("Transpose k > kt", perm=[0, 2, 1]), n("MatMul q kt > s"), n("Mul s half > t"),
                   n("Softmax t > p", axis=-1), n("MatMul p v > y")], A,
     {"wq": f32(4, 6), "wk": f32(4, 6), "wv": f32(4, 2), "half": np.float32(0.5)})
case("heads", [n("MatMul x w > p"), n("Reshape p s > h"), n("Transpose h > q", perm=[0, 2, 1, 3]),
               n("Transpose h > k", perm=[0, 2, 3, 1]), n("MatMul q k > a"), n("Softmax a > b"),
               n("MatMul b q > c"), n("Transpose c > d", perm=[0, 2, 1, 3]), n("Reshape d t > y")], A,
     {"w": f32(4, 6), "s": i64(0, 3, 2, 3), "t": i64(0, 0, -1)})
case("heads_in_the_batch", [middle, n("MatMul t w > p"), n("Reshape p s > h"), n("Transpose h > q", perm=[1, 0, 2]),
                            n("Transpose q > k", perm=[0, 2, 1]), n("MatMul q k > a"), n("Softmax a > b"),
                            n("MatMul b q > c"), n("Transpose c > d", perm=[1, 0, 2]), n("Reshape d z > y")],
     A, {"w": f32(4, 6), "s": i64(3, -1, 3), "z": i64(3, -1, 6)}, axis=1)
case("stack_of_matrices", [n("MatMul x w > y")], {"x": ("N", 2, 3, 4)}, {"w": f32(2, 4, 5)})
case("constant_on_the_left", [n("MatMul w x > y")], A, {"w": f32(2, 3)})
case("einsum_scores", [n("Einsum x w > q", equation="bij,jk->bik"), n("Einsum q q > s", equation="bik,bjk->bij"),
                       n("Einsum s x > y", equation="...ij,...jk->...ik")], A, {"w": f32(4, 4)})

# ---- recurrent, the rows in the middle (layout 0), and resizing
def cell(kind, gates, d=1, h=3, peephole=False):
    out = {"w": f32(d, gates * h, 4), "r": f32(d, gates * h, h), "b": f32(d, 2 * gates * h)}
    return out


def lengths(*values):
    return np.array(values, np.int32)


case("lstm_last", [middle, n("LSTM t w r b > y h c", hidden_size=3), n("Gather h zero > z", axis=0)], A,
     {**cell("LSTM", 4), "zero": np.array(0)})
case("lstm_both", [middle, n("LSTM t w r b > s", hidden_size=3, direction="bidirectional"),
                   n("Transpose s > u", perm=[2, 0, 1, 3]), n("Reshape u to > y")], A,
     {**cell("LSTM", 4, 2), "to": i64(0, 3, 6)})
case("lstm_states", [middle, n("Shape x > sx"), n("Gather sx one > rows"), n("Concat d rows hs > st", axis=0),
                     n("ConstantOfShape st > h0"), n("LSTM t w r b - h0 h0 > - h c", hidden_size=3), n("Add h c > y")], A,
     {**cell("LSTM", 4), "one": i64(0), "d": i64(1), "hs": i64(3)}, axis=1)
case("gru_reset_after", [middle, n("GRU t w r b > y", hidden_size=3, linear_before_reset=1)], A, cell("GRU", 3), axis=2)
case("gru_reverse", [middle, n("GRU t w r b > - y", hidden_size=3, direction="reverse")], A, cell("GRU", 3), axis=1)
case("rnn_relu", [middle, n("RNN t w r b > y", hidden_size=3, activations=["Relu"], clip=0.5)], A, cell("RNN", 1), axis=2)
case("rnn_without_bias", [middle, n("RNN t w r > y", hidden_size=3)], A,
     {k: v for k, v in cell("RNN", 1).items() if k != "b"}, axis=2)
P = {"x": ("N", 2, 3, 4)}
case("resize_bilinear", [n("Resize x - s > y", mode="linear", coordinate_transformation_mode="pytorch_half_pixel")], P,
     {"s": np.float32([1, 1, 2, 1.5])})
case("resize_sizes", [n("Shape x > s"), n("Slice s zero two > c"), n("Concat c hw > q", axis=0),
                      n("Resize x - - q > y", mode="nearest", coordinate_transformation_mode="asymmetric",
                        nearest_mode="floor")], P, {"zero": i64(0), "two": i64(2), "hw": i64(6, 7)})
case("resize_cubic", [n("Resize x - s > y", mode="cubic", coordinate_transformation_mode="half_pixel", cubic_coeff_a=-0.5,
                        exclude_outside=1)], P, {"s": np.float32([1, 1, 2, 2])})

# ---- what cannot be
refuse("mixes_sum", "works along axis 0 and so mixes the rows of a batch", [n("ReduceSum x axes > y")], A, {"axes": i64(0)})
refuse("mixes_all", "mixes the rows of a batch", [n("ReduceMax x > y")], A)
refuse("mixes_slice", "mixes the rows of a batch", [n("Slice x s e > y")], A, {"s": i64(1), "e": i64(3)})
refuse("mixes_gather", "mixes the rows of a batch", [n("Gather x i > y")], A, {"i": i64(0, 1)})
refuse("mixes_pad", "mixes the rows of a batch", [n("Pad x p > y")], A, {"p": i64(1, 0, 0, 0, 0, 0)})
refuse("mixes_tile", "mixes the rows of a batch", [n("Tile x r > y")], A, {"r": i64(2, 1, 1)})
refuse("mixes_matmul", "hold the rows of a batch and so mixes them", [n("Transpose x > t", perm=[1, 0]), n("MatMul x t > y")],
       {"x": ("N", 4)})
refuse("mixes_einsum", "mixes the rows of a batch by its equation 'bi,ci->bc'",
       [n("Einsum x x > y", equation="bi,ci->bc")], {"x": ("N", 4)})
refuse("bad_equation", "has the equation 'b-', which does not fit", [n("Einsum x > y", equation="b-")], {"x": ("N", 4)})
refuse("bad_pads", "pads 3 axes by 2 numbers", [n("Pad x p > y")], A, {"p": i64(0, 1)})
refuse("bad_split", "splits an axis of 4 into parts of 5 in all", [n("Split x s > y b", axis=2)], A, {"s": i64(2, 3)})
refuse("bad_sizes", "has 2 starts, 1 ends and 2 axes", [n("Slice x s e > y")], A, {"s": i64(0, 0), "e": i64(1)})
refuse("lstm_of_rows", "has the rows of a batch as axis 0 of its input, where it has its steps",
       [n("LSTM x w r b > y", hidden_size=3)], A, cell("LSTM", 4))
refuse("gru_activations", "has the activations 'HardSigmoidTanh'", [middle, n("GRU t w r b > y", hidden_size=3,
       activations=["HardSigmoid", "Tanh"])], A, cell("GRU", 3))
refuse("rnn_sizes", "has weights that do not fit hidden_size 2", [middle, n("RNN t w r b > y", hidden_size=2)], A, cell("RNN", 1))
refuse("mixes_resize", "mixes the rows of a batch", [n("Resize x - s > y")], P, {"s": np.float32([2, 1, 1, 1])})
refuse("bad_resize", "has neither scales nor sizes", [n("Resize x > y")], P)
refuse("bad_one_hot", "has values that are not two numbers",
       [n("ArgMax x > a", axis=2, keepdims=0), n("OneHot a d v > y")], A, {"d": np.array(4), "v": np.float32([1])})
refuse("live_range", "takes 'a' as a constant", [n("ReduceMax x > a", axes=[1, 2], keepdims=0), n("Range z a o > y")], A,
       {"z": np.float32(0), "o": np.float32(1)})

with open(os.path.join(out, "cases.txt"), "w") as f:
    f.writelines(c + "\n" for c in cases)
with open(os.path.join(out, "refused.txt"), "w") as f:
    f.writelines(r + "\n" for r in refused)
print("%d cases, %d refused" % (len(cases), len(refused)))
