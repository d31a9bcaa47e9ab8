"""Tiny ONNX models of convolutions, poolings and normalisations, and what ONNX Runtime computes with
them, for tests/engine/test_onnx_spatial.c.

    python3 tests/reference/onnx_spatial_reference.py           (numpy, onnx, onnxruntime)

Writes into tests/reference/onnx_spatial: <case>.onnx, <case>-x.npy, <case>-y.npy and cases.txt;
refused/<case>.onnx are files that must not be imported, refused.txt says why ("case status words").
"""
import os

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

here = os.path.dirname(os.path.abspath(__file__))
out = os.path.join(here, "onnx_spatial")
os.makedirs(os.path.join(out, "refused"), exist_ok=True)
draw = np.random.default_rng(14)
cases, refused = [], []


def f32(*shape):
    return np.round(draw.normal(size=shape), 2).astype(np.float32)


def model(nodes, shape, constants, opset, outputs=("y",)):
    infos = [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))]
    made = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs]
    tensors = [numpy_helper.from_array(t, n) for n, t in constants.items()]
    graph = helper.make_graph(nodes, "g", infos, made, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(kind, inputs, outputs="y", name="", **attributes):
    return helper.make_node(kind, inputs.split(), outputs.split(), name=name, **attributes)


def case(name, nodes, row, constants, opset, rows=3, reference=None):
    m = model(nodes if isinstance(nodes, list) else [nodes], ("N", *row), constants, opset)
    x = f32(rows, *row)
    if reference:
        y = reference(x)
    else:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(m.SerializeToString(), options, ["CPUExecutionProvider"])
        y = session.run(["y"], {"x": x})[0]
    data = m.SerializeToString()
    assert len(data) < 2048, (name, len(data))
    with open(os.path.join(out, name + ".onnx"), "wb") as f:
        f.write(data)
    np.save(os.path.join(out, name + "-x.npy"), x)
    np.save(os.path.join(out, name + "-y.npy"), y.astype(np.float32))
    cases.append(name)


def refuse(name, n, row, constants, opset, status, part, outputs=("y",)):
    with open(os.path.join(out, "refused", name + ".onnx"), "wb") as f:
        f.write(model([n], ("N", *row), constants, opset, outputs).SerializeToString())
    refused.append("%s %s %s" % (name, status, part))


W, B = f32(3, 2, 3, 3), f32(3)
image = (2, 6, 5)
case("conv", node("Conv", "x w b"), image, {"w": W, "b": B}, 7)
case("conv_pads", node("Conv", "x w", pads=[1, 0, 2, 1], strides=[2, 1]), image, {"w": W}, 11)
case("conv_same_upper", node("Conv", "x w", auto_pad="SAME_UPPER", strides=[2, 3]), image, {"w": f32(3, 2, 3, 2)}, 13)
case("conv_same_lower", node("Conv", "x w", auto_pad="SAME_LOWER", strides=[1, 2]), image, {"w": f32(3, 2, 2, 2)}, 13)
case("conv_valid", node("Conv", "x w", auto_pad="VALID", kernel_shape=[3, 3]), image, {"w": W}, 13)
case("conv_dilated", node("Conv", "x w b", dilations=[2, 1], pads=[1, 1, 1, 1]), image, {"w": W, "b": B}, 13)
case("conv_groups", node("Conv", "x w b", group=2), (4, 5, 4), {"w": f32(6, 2, 2, 2), "b": f32(6)}, 13)
case("conv_depthwise", node("Conv", "x w", group=3, pads=[1, 1, 1, 1]), (3, 5, 4), {"w": f32(3, 1, 3, 3)}, 13)
case("conv_1d", node("Conv", "x w b", pads=[2, 0]), (3, 7), {"w": f32(4, 3, 3), "b": f32(4)}, 13)
case("conv_3d", node("Conv", "x w", strides=[1, 2, 1]), (1, 3, 4, 3), {"w": f32(2, 1, 2, 2, 2)}, 13)
# Images of a sequence: (N, T, C, H, W) becomes (N T, C, H, W) and comes back.
case("conv_sequence", [node("Reshape", "x there", "frames"), node("Conv", "frames w b", "made"),
                       node("Relu", "made", "r"), node("MaxPool", "r", "pooled", kernel_shape=[2, 2], strides=[2, 2]),
                       node("Reshape", "pooled back", "y")], (2, 2, 5, 5),
     {"w": W, "b": B, "there": np.array([-1, 2, 5, 5]), "back": np.array([-1, 2, 3])}, 13)
case("conv_bias_and_relu", [node("Conv", "x w b", "c"), node("BatchNormalization", "c s o m v", "n"),
                            node("Relu", "n", "y")], image,
     {"w": W, "b": B, "s": f32(3), "o": f32(3), "m": f32(3), "v": np.abs(f32(3)) + 0.1}, 14)

case("transpose", node("ConvTranspose", "x w b"), (2, 4, 3), {"w": f32(2, 3, 3, 3), "b": f32(3)}, 11)
case("transpose_stride", node("ConvTranspose", "x w", strides=[3, 2], output_padding=[1, 1], pads=[1, 0, 0, 1]),
     (2, 3, 3), {"w": f32(2, 3, 3, 3)}, 11)
case("transpose_shape", node("ConvTranspose", "x w", strides=[3, 2], output_shape=[10, 8]), (1, 3, 3),
     {"w": f32(1, 2, 3, 3)}, 11)
case("transpose_same", node("ConvTranspose", "x w", strides=[2, 2], auto_pad="SAME_UPPER"), (1, 3, 3),
     {"w": f32(1, 2, 3, 3)}, 11)
case("transpose_groups", node("ConvTranspose", "x w", group=2, dilations=[2, 2]), (4, 3, 3), {"w": f32(4, 1, 2, 2)}, 11)
case("transpose_1d", node("ConvTranspose", "x w", strides=[2]), (2, 4), {"w": f32(2, 3, 3)}, 11)

case("max_pool", node("MaxPool", "x", kernel_shape=[2, 3], strides=[2, 1]), image, {}, 8)
case("max_pool_no_strides", node("MaxPool", "x", kernel_shape=[2, 2]), image, {}, 8)
case("max_pool_ceil", node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, dilations=[1, 1]), image, {}, 12)
case("max_pool_dilated", node("MaxPool", "x", kernel_shape=[2, 2], dilations=[2, 3], pads=[0, 1, 1, 0]), image, {}, 12)
case("max_pool_same", node("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_LOWER"), image, {}, 12)
case("average_pool", node("AveragePool", "x", kernel_shape=[2, 2], pads=[1, 0, 0, 1]), image, {}, 7)
case("average_pool_pads", node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2],
                               count_include_pad=1), image, {}, 11)
case("average_pool_ceil", node("AveragePool", "x", kernel_shape=[3], strides=[2], ceil_mode=1), (2, 8), {}, 11)
case("average_pool_dilated", node("AveragePool", "x", kernel_shape=[2, 2], dilations=[2, 2]), image, {}, 19)
case("lp_pool", node("LpPool", "x", kernel_shape=[2, 2], p=3, strides=[2, 2]), image, {}, 11)
case("global_average", node("GlobalAveragePool", "x"), image, {}, 9)
case("global_max", node("GlobalMaxPool", "x"), (2, 3, 2, 2), {}, 9)
case("global_lp", node("GlobalLpPool", "x", p=2), image, {}, 9)

C = {"s": f32(2), "o": f32(2)}
V = {"m": f32(2), "v": np.abs(f32(2)) + 0.1}
case("batch_norm", node("BatchNormalization", "x s o m v", epsilon=0.01), image, {**C, **V}, 9)
case("batch_norm_vector", node("BatchNormalization", "x s o m v"), (2,), {**C, **V}, 15)
case("instance_norm", node("InstanceNormalization", "x s o", epsilon=0.01), image, C, 9)
case("layer_norm", node("LayerNormalization", "x s o", epsilon=0.01), (3, 4), {"s": f32(4), "o": f32(4)}, 17)
case("layer_norm_axis", node("LayerNormalization", "x s", axis=1), (3, 4), {"s": f32(3, 4)}, 17)


def groups(count, by_group):
    s, o = f32(count if by_group else 4), f32(count if by_group else 4)

    def reference(x):
        parts = x.reshape(len(x), count, -1).astype(np.float64)
        n = (parts - parts.mean(2, keepdims=True)) / np.sqrt(parts.var(2, keepdims=True) + 1e-5)
        n = n.reshape(len(x), 4, *x.shape[2:])
        each = [np.repeat(v, 4 // len(v)).reshape(1, 4, *[1] * (x.ndim - 2)) for v in (s, o)]
        return n * each[0] + each[1]
    return {"s": s, "o": o}, reference


constants, reference = groups(2, True)
case("group_norm_18", node("GroupNormalization", "x s o", num_groups=2), (4, 3, 2), constants, 18, reference=reference)
constants, reference = groups(2, False)
case("group_norm_21", node("GroupNormalization", "x s o", num_groups=2), (4, 3, 2), constants, 21, reference=reference)
scale = f32(4)
case("rms_norm", node("RMSNormalization", "x s", epsilon=0.01), (3, 4), {"s": scale}, 23,
     reference=lambda x: x / np.sqrt((x.astype(np.float64) ** 2).mean(-1, keepdims=True) + 0.01) * scale)
case("lrn", node("LRN", "x", size=3, alpha=0.2, beta=0.5, bias=2.0), (5, 3, 2), {}, 13)
case("lrn_even", node("LRN", "x", size=2, alpha=0.2), (5, 3), {}, 13,
     reference=lambda x: x / (1 + 0.1 * (x.astype(np.float64) ** 2 + np.pad(x[:, 1:] ** 2, ((0, 0), (0, 1), (0, 0))))) ** 0.75)
case("lp_norm_1", node("LpNormalization", "x", axis=1, p=1), (3, 4), {}, 13)
case("lp_norm_2", node("LpNormalization", "x"), (3, 4), {}, 13)
case("mvn", node("MeanVarianceNormalization", "x", axes=[1, 3]), (2, 3, 4), {}, 13)

refuse("batch_norm_training", node("BatchNormalization", "x s o m v", training_mode=1), image, {**C, **V}, 14,
       "unsupported", "is in training (training_mode)")
refuse("mvn_rows", node("MeanVarianceNormalization", "x"), image, {}, 13, "unsupported",
       "normalises over axis 0, which holds the rows")
refuse("layer_norm_rows", node("LayerNormalization", "x s", axis=0), (3,), {"s": f32(3)}, 17, "unsupported",
       "has the rows of a batch as axis 0")
refuse("conv_kernel", node("Conv", "x w", kernel_shape=[3, 2]), image, {"w": W}, 13, "invalid",
       "has kernel_shape 2 where its weight has 3")
refuse("conv_channels", node("Conv", "x w"), (3, 6, 5), {"w": W}, 13, "invalid",
       "its input has 3 channels: with a weight of shape (3, 2, 3, 3) and 1 group it must have 2")
refuse("conv_pads_count", node("Conv", "x w", pads=[1, 1]), image, {"w": W}, 13, "invalid", "has 2 numbers in 'pads', not 4")
refuse("conv_negative_pads", node("Conv", "x w", pads=[-1, 0, 0, 0]), image, {"w": W}, 13, "invalid",
       "has the number -1 in 'pads'")
refuse("conv_auto_pad", node("Conv", "x w", auto_pad="SOME"), image, {"w": W}, 13, "unsupported", "has auto_pad = 'SOME'")
refuse("conv_4d", node("Conv", "x w"), (1, 2, 2, 2, 2), {"w": f32(1, 1, 1, 1, 1, 1)}, 13, "unsupported",
       "has an input of 6 axes; 3 to 5 are supported")
refuse("pool_no_kernel", node("MaxPool", "x"), image, {}, 12, "invalid", "has the number 0 in 'kernel_shape'")
refuse("pool_indices", node("MaxPool", "x", "y i", kernel_shape=[2, 2]), image, {}, 12, "unsupported",
       "gives the places of its maxima ('i')")
refuse("layer_norm_half", node("LayerNormalization", "x s", stash_type=10), (3,), {"s": f32(3)}, 17, "unsupported",
       "computes its moments in float16")
refuse("lrn_size", node("LRN", "x", size=0), image, {}, 13, "invalid", "has size = 0")

with open(os.path.join(out, "cases.txt"), "w") as f:
    f.write("".join(c + "\n" for c in cases))
with open(os.path.join(out, "refused.txt"), "w") as f:
    f.write("".join(r + "\n" for r in refused))
