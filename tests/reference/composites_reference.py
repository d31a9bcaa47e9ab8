#!/usr/bin/env python3
"""Operators that are made of others (engine/onnx/composites.c), indices and first states that depend on the row, in networks of
batches, and what PyTorch computes: their result and the gradient of a weighted sum of it, for
tests/engine/test_onnx_composites.c.

    python3 tests/reference/composites_reference.py           (numpy, onnx, torch)

Writes into tests/reference/composites: <case>.onnx with the outputs y and s = sum(c y) a row, <case>-x.npy (the
inputs' rows side by side, flattened), <case>-y.npy, <case>-g.npy (ds/dx; whole numbers have 0), and cases.txt.
"""
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

OUT = pathlib.Path(__file__).parent / "composites"
ROWS = 5
draw = np.random.default_rng(23)
names = []


def f32(*shape):
    return np.round(draw.normal(size=shape), 2).astype(np.float32)


def case(name, nodes, inputs, wanted, constants={}, opset=23):
    """nodes: (operator, inputs, output, attributes); inputs: {name: array (ROWS, ...)}; wanted(*tensors) -> y."""
    tensors = [torch.tensor(a, requires_grad=a.dtype == np.float32) for a in inputs.values()]
    y = wanted(*tensors)
    c = f32(1, *y.shape[1:]) if y.dim() > 1 else np.ones(1, np.float32)
    (y * torch.tensor(c)).sum().backward()
    axes = np.arange(1, y.dim())
    made = [helper.make_node(kind, before, [after], **attributes) for kind, before, after, attributes in nodes]
    made.append(helper.make_node("Mul", ["y", "c"], ["weighted"]))
    constants = dict(constants, c=c if y.dim() > 1 else c.reshape(()))
    if len(axes):
        constants["axes"] = axes
        made.append(helper.make_node("ReduceSum", ["weighted", "axes"], ["s"], keepdims=0))
    else:
        made.append(helper.make_node("Identity", ["weighted"], ["s"]))
    kinds = {np.dtype("float32"): TensorProto.FLOAT, np.dtype("int64"): TensorProto.INT64}
    infos = [helper.make_tensor_value_info(n, kinds[a.dtype], ["N", *a.shape[1:]]) for n, a in inputs.items()]
    outs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("y", "s")]
    graph = helper.make_graph(made, "g", infos, outs,
                              [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=11,
                              producer_name="reference")
    (OUT / (name + ".onnx")).write_bytes(model.SerializeToString())
    flat = [a.reshape(ROWS, -1).astype(np.float32) for a in inputs.values()]
    gradient = [np.zeros_like(a) if t.grad is None else t.grad.numpy().reshape(ROWS, -1) for t, a in zip(tensors, flat)]
    np.save(OUT / (name + "-x.npy"), np.concatenate(flat, 1))
    np.save(OUT / (name + "-y.npy"), y.detach().numpy())
    np.save(OUT / (name + "-g.npy"), np.concatenate(gradient, 1))
    names.append(name)


def qkv(heads, of_keys, queries=3, keys=4, size=4, of_values=5):
    return {"q": f32(ROWS, heads, queries, size), "k": f32(ROWS, of_keys, keys, size),
            "v": f32(ROWS, of_keys, keys, of_values)}


def attend(q, k, v, bias=None, scale=None, cap=0.0):
    times = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(times, 1), v.repeat_interleave(times, 1)
    scores = q @ k.transpose(-1, -2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if cap:
        scores = cap * torch.tanh(scores / cap)
    if bias is not None:
        scores = scores + bias
        blind = bias.amax(-1, keepdim=True) == -math.inf
        return torch.where(blind, 0.0, torch.softmax(torch.where(blind, 0.0, scores), -1)) @ v
    return torch.softmax(scores, -1) @ v


def causal(queries, keys, past=0):
    ok = torch.arange(keys)[None] <= torch.arange(queries)[:, None] + past
    return torch.where(ok, 0.0, -math.inf)


def attention(name, inputs, wanted, constants={}, opset=23, given=None, **attributes):
    case(name, [("Attention", given or list(inputs), "y", attributes)], inputs, wanted, constants, opset)


attention("attention", qkv(2, 2), attend)
attention("attention_scaled_capped", qkv(2, 2), lambda q, k, v: attend(q, k, v, None, 0.3, 2.0), scale=0.3, softcap=2.0)
attention("attention_causal", qkv(1, 1, 4, 4), lambda q, k, v: attend(q, k, v, causal(4, 4)), is_causal=1)
attention("attention_groups", qkv(4, 2), attend)
mask = np.array([[True, False, True, True], [False, False, False, False], [True, True, False, True]])
attention("attention_mask", qkv(2, 2), lambda q, k, v: attend(q, k, v, torch.where(torch.tensor(mask), 0.0, -math.inf)),
          {"mask": mask}, given=["q", "k", "v", "mask"])
bias = f32(2, 3, 4)
attention("attention_bias", qkv(2, 2), lambda q, k, v: attend(q, k, v, torch.tensor(bias)), {"bias": bias},
          given=["q", "k", "v", "bias"])
lengths = dict(qkv(2, 1), length=np.array([1, 2, 3, 4, 2]))
attention("attention_lengths", lengths,
          lambda q, k, v, n: attend(q, k, v, torch.where(torch.arange(4)[None] < n[:, None], 0.0, -math.inf)[:, None, None]),
          opset=24, given=["q", "k", "v", "", "", "", "length"])
past = dict(qkv(2, 2, 2, 2), pk=f32(ROWS, 2, 3, 4), pv=f32(ROWS, 2, 3, 5))
attention("attention_past", past,
          lambda q, k, v, pk, pv: attend(q, torch.cat([pk, k], 2), torch.cat([pv, v], 2), causal(2, 5, 3)),
          given=["q", "k", "v", "", "pk", "pv"], is_causal=1)
window = torch.arange(4)[:, None] - torch.arange(4)[None]
attention("attention_window", qkv(2, 2, 4, 4),
          lambda q, k, v: attend(q, k, v, torch.where((window <= 1) & (window >= -2), 0.0, -math.inf)), opset=25,
          left_window_size=1, right_window_size=2)
w = {n: f32(6, 8) / 2 for n in ("wq", "wk", "wv")}


def split(x):
    return x.reshape(ROWS, 4, 2, 4).transpose(1, 2)


case("attention_of_one", [("MatMul", ["x", n], n[1], {}) for n in w] +
     [("Attention", ["q", "k", "v"], "y", {"q_num_heads": 2, "kv_num_heads": 2})], {"x": f32(ROWS, 4, 6)},
     lambda x: attend(*[split(x @ torch.tensor(w[n])) for n in w]).transpose(1, 2).reshape(ROWS, 4, 8), w)


def rotate(x, ids, interleaved, size):
    """x (ROWS, positions, heads, E)."""
    c, s = [torch.tensor(a)[ids][:, :, None, :size // 2] for a in (caches["cos"], caches["sin"])]
    turning, rest = x[..., :size], x[..., size:]
    a, b = (turning[..., 0::2], turning[..., 1::2]) if interleaved else turning.chunk(2, -1)
    first, second = c * a - s * b, s * a + c * b
    turned = torch.stack([first, second], -1).flatten(-2) if interleaved else torch.cat([first, second], -1)
    return torch.cat([turned, rest], -1)


angles = np.arange(6)[:, None] * np.array([1.0, 0.1, 0.01])
caches = {"cos": np.cos(angles).astype(np.float32), "sin": np.sin(angles).astype(np.float32)}
ids = draw.integers(0, 6, (ROWS, 3))
case("rotary", [("RotaryEmbedding", ["x", "cos", "sin", "ids"], "y", {})], {"x": f32(ROWS, 2, 3, 6), "ids": ids},
     lambda x, i: rotate(x.transpose(1, 2), i, False, 6).transpose(1, 2), caches)
case("rotary_flat", [("RotaryEmbedding", ["x", "cos", "sin", "ids"], "y", {"num_heads": 2, "interleaved": 1,
                                                                           "rotary_embedding_dim": 4})],
     {"x": f32(ROWS, 3, 12), "ids": ids}, lambda x, i: rotate(x.reshape(ROWS, 3, 2, 6), i, True, 4).reshape(ROWS, 3, 12),
     caches)
case("swiglu", [("SwiGLU", ["a", "b"], "y", {"alpha": 1.5})], {"a": f32(ROWS, 4), "b": f32(ROWS, 4)},
     lambda a, b: a * torch.sigmoid(1.5 * a) * b, opset=28)

classes = np.array([0, 2, 1, 3, 2])
weight = np.float32([0.5, 2, 1, 0.25])
case("cross_entropy", [("SoftmaxCrossEntropyLoss", ["x", "t", "w"], "y", {"reduction": "none", "ignore_index": 3})],
     {"x": f32(ROWS, 4), "t": classes},
     lambda x, t: F.cross_entropy(x, t, torch.tensor(weight), reduction="none", ignore_index=3), {"w": weight}, 13)
case("cross_entropy_places", [("SoftmaxCrossEntropyLoss", ["x", "t"], "y", {"reduction": "none"})],
     {"x": f32(ROWS, 4, 2, 3), "t": draw.integers(0, 4, (ROWS, 2, 3))},
     lambda x, t: F.cross_entropy(x, t, reduction="none"), opset=13)
case("log_likelihood", [("NegativeLogLikelihoodLoss", ["x", "t", "w"], "y", {"reduction": "none"})],
     {"x": f32(ROWS, 4, 3), "t": draw.integers(0, 4, (ROWS, 3))},
     lambda x, t: F.nll_loss(x, t, torch.tensor(weight), reduction="none"), {"w": weight}, 22)

zero = f32(ROWS, 2, 3)
zero[1, 0] = 0
case("l2_norm", [("LpNormalization", ["x"], "y", {"axis": 2})], {"x": zero},
     lambda x: x / torch.where(x.norm(dim=2, keepdim=True) == 0, 1.0, x.norm(dim=2, keepdim=True)), opset=17)

image = {"x": f32(ROWS, 2, 4, 5), "grid": np.clip(f32(ROWS, 3, 2, 2), -1.6, 1.6) + np.float32(0.013)}
for name, mode, torch_mode, padding, corners in (
        ("grid_linear", "linear", "bilinear", "zeros", 0), ("grid_linear_border", "linear", "bilinear", "border", 1),
        ("grid_linear_reflected", "linear", "bilinear", "reflection", 0), ("grid_nearest", "nearest", "nearest", "zeros", 0),
        ("grid_cubic", "cubic", "bicubic", "zeros", 1), ("grid_cubic_border", "cubic", "bicubic", "border", 0)):
    case(name, [("GridSample", ["x", "grid"], "y", {"mode": mode, "padding_mode": padding, "align_corners": corners})], image,
         lambda x, g, m=torch_mode, p=padding, c=corners: F.grid_sample(x, g, m, p, bool(c)), opset=20)
case("affine_grid", [("AffineGrid", ["theta", "size"], "y", {})], {"theta": f32(ROWS, 2, 3)},
     lambda t: F.affine_grid(t, (ROWS, 1, 3, 4), False), {"size": np.array([ROWS, 1, 3, 4])}, 20)
case("affine_grid_corners", [("AffineGrid", ["theta", "size"], "y", {"align_corners": 1})], {"theta": f32(ROWS, 3, 4)},
     lambda t: F.affine_grid(t, (ROWS, 1, 2, 3, 4), True), {"size": np.array([ROWS, 1, 2, 3, 4])}, 20)
case("dft", [("DFT", ["x"], "y", {"axis": 1})], {"x": f32(ROWS, 6, 2)},
     lambda x: torch.view_as_real(torch.fft.fft(torch.view_as_complex(x), dim=1)), opset=17)
case("dft_one_side", [("DFT", ["x", "size", "axis"], "y", {"onesided": 1})], {"x": f32(ROWS, 3, 7, 1)},
     lambda x: torch.view_as_real(torch.fft.rfft(x[..., 0], n=8, dim=2)), {"size": np.array(8), "axis": np.array(-2)}, 20)
case("dft_inverse", [("DFT", ["x", "", "axis"], "y", {"inverse": 1})], {"x": f32(ROWS, 4, 3, 2)},
     lambda x: torch.view_as_real(torch.fft.ifft(torch.view_as_complex(x), dim=1)), {"axis": np.array(1)}, 20)

case("dft_real_inverse", [("DFT", ["x", "size", "axis"], "y", {"onesided": 1, "inverse": 1})], {"x": f32(ROWS, 5, 3, 2)},
     lambda x: torch.fft.irfft(torch.view_as_complex(x), n=8, dim=1)[..., None], {"size": np.array(8), "axis": np.array(1)}, 20)
window_of = np.hanning(6).astype(np.float32)
case("stft", [("STFT", ["x", "step", "window"], "y", {})], {"x": f32(ROWS, 20, 1)},
     lambda x: torch.view_as_real(torch.stft(x[..., 0], 6, 4, window=torch.tensor(window_of), center=False,
                                             return_complex=True)).transpose(1, 2),
     {"step": np.array(4), "window": window_of}, 17)
case("col2im", [("Col2Im", ["x", "image", "block"], "y", {"strides": [2, 1], "pads": [1, 0, 1, 0], "dilations": [1, 2]})],
     {"x": f32(ROWS, 3 * 4, 9)},
     lambda x: F.fold(x, (5, 5), (2, 2), dilation=(1, 2), padding=(1, 0), stride=(2, 1)),
     {"image": np.array([5, 5]), "block": np.array([2, 2])}, 18)

places = {"x": f32(ROWS, 4, 3), "i": draw.integers(-4, 4, (ROWS, 2, 3))}
case("gather_places", [("GatherElements", ["x", "i"], "y", {"axis": 1})], places,
     lambda x, i: torch.gather(x, 1, i % 4), opset=17)
put = dict(places, u=f32(ROWS, 2, 3))
case("scatter_added", [("ScatterElements", ["x", "i", "u"], "y", {"axis": 1, "reduction": "add"})], put,
     lambda x, i, u: torch.scatter_add(x, 1, i % 4, u), opset=17)
once = dict(put, i=np.argsort(draw.normal(size=(ROWS, 4, 3)), 1)[:, :2])
case("scatter_put", [("ScatterElements", ["x", "i", "u"], "y", {"axis": 1})], once,
     lambda x, i, u: torch.scatter(x, 1, i, u), opset=17)
rows_of = {"x": f32(ROWS, 4, 3), "i": draw.integers(0, 4, (ROWS, 2, 1))}
case("gather_rows", [("GatherND", ["x", "i"], "y", {"batch_dims": 1})], rows_of,
     lambda x, i: torch.stack([x[r, i[r, :, 0]] for r in range(ROWS)]), opset=17)

H = 3


def gates(kind, count, order):
    """Weights of a cell in PyTorch, and in ONNX's order of gates."""
    cell = kind(2, H, batch_first=True)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    parts = {n: np.concatenate([getattr(cell, n).detach().numpy().reshape(count, H, -1)[g] for g in order]) for n in names}
    bias = np.concatenate([parts["bias_ih_l0"], parts["bias_hh_l0"]]).reshape(1, -1)
    return cell, {"w": parts["weight_ih_l0"][None], "r": parts["weight_hh_l0"][None], "b": bias, "first": np.array([0])}


torch.manual_seed(5)
turn = [("Transpose", ["x"], "t", {"perm": [1, 0, 2]}), ("Unsqueeze", ["h", "first"], "h0", {})]
lstm, weights = gates(torch.nn.LSTM, 4, (0, 3, 1, 2))
state = {"x": f32(ROWS, 4, 2), "h": f32(ROWS, H), "c0": f32(ROWS, H)}
case("lstm_first_states", turn + [("Unsqueeze", ["c0", "first"], "c1", {}),
                                  ("LSTM", ["t", "w", "r", "b", "", "h0", "c1"], "all", {"hidden_size": H}),
                                  ("Squeeze", ["all", "second"], "parts", {}),
                                  ("Transpose", ["parts"], "y", {"perm": [1, 0, 2]})], state,
     lambda x, h, c: lstm(x, (h[None], c[None]))[0], dict(weights, second=np.array([1])), 17)
gru, weights = gates(torch.nn.GRU, 3, (1, 0, 2))
case("gru_first_state", turn + [("GRU", ["t", "w", "r", "b", "", "h0"], "all", {"hidden_size": H, "linear_before_reset": 1}),
                                ("Squeeze", ["all", "second"], "parts", {}),
                                ("Transpose", ["parts"], "y", {"perm": [1, 0, 2]})], {"x": state["x"], "h": state["h"]},
     lambda x, h: gru(x, h[None])[0], dict(weights, second=np.array([1])), 17)
rnn, weights = gates(torch.nn.RNN, 1, (0,))
case("rnn_first_state", turn + [("RNN", ["t", "w", "r", "b", "", "h0"], "all", {"hidden_size": H}),
                                ("Squeeze", ["all", "second"], "parts", {}),
                                ("Transpose", ["parts"], "y", {"perm": [1, 0, 2]})], {"x": state["x"], "h": state["h"]},
     lambda x, h: rnn(x, h[None])[0], dict(weights, second=np.array([1])), 17)

(OUT / "cases.txt").write_text("\n".join(names) + "\n")
