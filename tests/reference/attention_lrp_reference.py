#!/usr/bin/env python3
"""Writes tests/reference/explainers_layer/attention.*: relevance through attention and a gate, written out.

    python3 tests/reference/attention_lrp_reference.py        needs onnx, numpy

One head over three tokens of four numbers, its result normalised, gated by a sigmoid and summed up by a dense
layer, as an ONNX file; rows, and the relevance of output i % 2 of row i in float64 on the file's float32
weights: the rules of Achtibat et al. 2024 (AttnLRP) and, for what they leave open, of docs/explainers/lrp.md,
each contribution of each product on its own.
"""
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "explainers_layer")
ROWS, TOKENS, WIDTH = 5, 3, 4
draw = np.random.default_rng(4)
W = {name: draw.normal(size=(WIDTH, WIDTH)).astype(np.float32) for name in ("q", "k", "v", "gate")}
B = {name: draw.normal(size=WIDTH).astype(np.float32) for name in W}
HEAD, BIAS = draw.normal(size=(TOKENS * WIDTH, 2)).astype(np.float32), draw.normal(size=2).astype(np.float32)
SCALE, SHIFT = draw.uniform(0.5, 1.5, WIDTH).astype(np.float32), draw.normal(size=WIDTH).astype(np.float32)


def graph():
    nodes, constants = [], []

    def constant(name, array):
        constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(kind, *inputs, to, **attributes):
        nodes.append(helper.make_node(kind, list(inputs), [to], name=to + "_node", **attributes))
        return to

    def dense(name, x):
        product = add("MatMul", x, constant("w" + name, W[name]), to=name + "_product")
        return add("Add", product, constant("b" + name, B[name]), to=name)

    keys = add("Transpose", dense("k", "x"), to="keys", perm=[0, 2, 1])
    scores = add("Div", add("MatMul", dense("q", "x"), keys, to="scores"), constant("two", np.float32(2)), to="scaled")
    seen = add("MatMul", add("Softmax", scores, to="weights", axis=-1), dense("v", "x"), to="seen")
    normal = add("LayerNormalization", seen, constant("scale", SCALE), constant("shift", SHIFT), to="normal", axis=-1)
    gated = add("Mul", normal, add("Sigmoid", dense("gate", "x"), to="open"), to="gated")
    flat = add("Flatten", gated, to="flat")
    add("Gemm", flat, constant("head", HEAD), constant("bias", BIAS), to="y")
    value = helper.make_tensor_value_info
    made = helper.make_graph(nodes, "attention", [value("x", TensorProto.FLOAT, ["N", TOKENS, WIDTH])],
                             [value("y", TensorProto.FLOAT, ["N", 2])], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def pushed(z, e):
    return z + (e if z >= 0 else -e)


def dense_back(x, w, b, above, e):
    below = np.zeros(len(x))
    for j in range(w.shape[1]):
        z = pushed(x @ w[:, j] + b[j], e)
        for i in range(len(x)):
            below[i] += x[i] * w[i, j] / z * above[j]
    return below


def product_back(a, b, above):
    """Of a (n, k) times b (k, m): half of each contribution to each factor."""
    to_a, to_b = np.zeros_like(a), np.zeros_like(b)
    for n in range(above.shape[0]):
        for m in range(above.shape[1]):
            z = pushed(a[n] @ b[:, m], 1e-6)
            for k in range(a.shape[1]):
                part = a[n, k] * b[k, m] / z * above[n, m] / 2
                to_a[n, k] += part
                to_b[k, m] += part
    return to_a, to_b


def relevance(x, target):
    w, b = ({name: array.astype(np.float64) for name, array in table.items()} for table in (W, B))
    q, k, v, gate = (x @ w[name] + b[name] for name in ("q", "k", "v", "gate"))
    scaled = q @ k.T / 2
    weights = np.exp(scaled) / np.exp(scaled).sum(-1, keepdims=True)
    seen = weights @ v
    normal = (seen - seen.mean(-1, keepdims=True)) / np.sqrt(seen.var(-1, keepdims=True) + 1e-5) * SCALE + SHIFT
    opened = 1 / (1 + np.exp(-gate))
    gated = normal * opened
    y = gated.ravel() @ HEAD.astype(np.float64) + BIAS
    above = np.where(np.arange(2) == target, y, 0.0)
    r = dense_back(gated.ravel(), HEAD.astype(np.float64), BIAS.astype(np.float64), above, 1e-9).reshape(TOKENS, WIDTH)
    share = np.array([[z / pushed(z, 1e-6) for z in line] for line in gated])
    r_gate = r_normal = r * share / 2  # a product of two; sigmoid and normalisation hand it on
    r_weights, r_v = product_back(weights, v, r_normal)
    r_scaled = scaled * (r_weights - weights * r_weights.sum(-1, keepdims=True))
    r_scores = r_scaled * np.array([[z / pushed(z, 1e-6) for z in line] for line in scaled])
    r_q, r_k = product_back(q, k.T, r_scores)
    # MatMul and Add of a vector are one layer with a bias.
    return sum(np.stack([dense_back(x[t], w[name], b[name], part[t], 1e-9) for t in range(TOKENS)])
               for name, part in (("q", r_q), ("k", r_k.T), ("v", r_v), ("gate", r_gate)))


onnx.save(graph(), os.path.join(FOLDER, "attention.onnx"))
x = draw.normal(size=(ROWS, TOKENS, WIDTH)).astype(np.float32)
np.save(os.path.join(FOLDER, "attention.x.npy"), x.reshape(ROWS, -1))
made = np.stack([relevance(x[i].astype(np.float64), i % 2) for i in range(ROWS)])
np.save(os.path.join(FOLDER, "attention.lrp.npy"), made.reshape(ROWS, -1))
print(np.abs(made).max((1, 2)))
