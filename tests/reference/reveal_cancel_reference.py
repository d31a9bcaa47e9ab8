#!/usr/bin/env python3
"""Writes explainers_layer/*.deeplift-reveal_cancel.npy: DeepLIFT's RevealCancel rule, naively.

    python3 tests/reference/reveal_cancel_reference.py        needs torch, onnx, numpy

Section 3.5 of Shrikumar, Greenside and Kundaje 2017 in matrix form and float64, on the networks, rows and
baselines of explainers_layer_reference.py: every linear layer is written out as one matrix, and each product
of a weight and a change is looked at alone. A value has its numbers at the row (x) and the baseline (b), the
two parts of its change (up, down) and a multiplier for each of them. Max pooling has one part and one
multiplier, by the convention of ../../docs/explainers/deeplift.md.
"""
import os

import numpy as np
import onnx
import torch
from onnx import numpy_helper

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "explainers_layer")


class Value:
    def __init__(self, x, b, up, down):
        self.x, self.b, self.up, self.down = x, b, up, down
        self.m_up, self.m_down = np.zeros(x.size), np.zeros(x.size)

    def give(self, m_up, m_down):
        self.m_up, self.m_down = self.m_up + m_up, self.m_down + m_down

    def one(self):
        """The multiplier of a change that is one part."""
        return np.where(self.x >= self.b, self.m_up, self.m_down)


def by_sign(x, b):
    return Value(x, b, np.maximum(x - b, 0), np.minimum(x - b, 0))


class Linear:
    """y = W x + c, of one value or several."""

    def __init__(self, matrices, bias, values):
        self.matrices, self.values = matrices, values
        x = sum(w @ v.x for w, v in zip(matrices, values)) + bias
        b = sum(w @ v.b for w, v in zip(matrices, values)) + bias
        terms = [w * (v.x - v.b) for w, v in zip(matrices, values)]
        self.out = Value(x, b, sum(np.where(t > 0, t, 0).sum(1) for t in terms),
                         sum(np.where(t < 0, t, 0).sum(1) for t in terms))

    def back(self):
        for w, v in zip(self.matrices, self.values):
            t = w * (v.x - v.b)
            up, down = self.out.m_up[:, None], self.out.m_down[:, None]
            m = (w * np.where(t > 0, up, np.where(t < 0, down, (up + down) / 2)))
            same = (v.x == v.b)[None, :]
            m = np.where(same, w * (up + down) / 2, m).sum(0)
            v.give(m, m)


class Function:
    def __init__(self, f, slope, value):
        self.value, self.slope = value, slope
        x, b, up, down = value.x, value.b, value.b + value.up, value.b + value.down
        self.out = Value(f(x), f(b), (f(up) - f(b) + f(x) - f(down)) / 2, (f(down) - f(b) + f(x) - f(up)) / 2)

    def back(self):
        v, y = self.value, self.out
        mean = (self.slope(v.x) + self.slope(v.b)) / 2

        def factor(change, moved):
            noise = np.abs(moved) <= 1e-6 * np.maximum(np.abs(v.b), np.abs(v.b + moved))
            return np.where(noise, mean, change / np.where(moved == 0, 1, moved))

        v.give(y.m_up * factor(y.up, v.up), y.m_down * factor(y.down, v.down))


class MaxPool:
    def __init__(self, windows, value):
        self.windows, self.value = windows, value
        self.out = by_sign(*(np.array([a[w].max() for w in windows]) for a in (value.x, value.b)))

    def back(self):
        given, v = np.zeros(self.value.x.size), self.value
        for window, m in zip(self.windows, self.out.one()):
            p, q = window[v.x[window].argmax()], window[v.b[window].argmax()]
            c = max(v.x[p], v.b[q])
            given[p] += m * (c - v.b[q])
            given[q] += m * (v.x[p] - c)
        change = v.x - v.b
        m = np.where(change == 0, 0, given / np.where(change == 0, 1, change))
        v.give(m, m)


class Joined:
    def __init__(self, values):
        self.values = values
        self.out = Value(*(np.concatenate([getattr(v, a) for v in values]) for a in ("x", "b", "up", "down")))

    def back(self):
        at = 0
        for v in self.values:
            v.give(self.out.m_up[at:at + v.x.size], self.out.m_down[at:at + v.x.size])
            at += v.x.size


def conv_matrix(shape, weight, padding):
    basis = torch.eye(int(np.prod(shape)), dtype=torch.float64).reshape(-1, *shape)
    out = torch.nn.functional.conv2d(basis, torch.tensor(weight), padding=padding)
    return out.flatten(1).T.numpy(), out.shape[1:]


FUNCTIONS = {"Relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
             "Tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2)}


def attribution(model, row, baseline, target):
    constants = {t.name: numpy_helper.to_array(t).astype(np.float64) for t in model.graph.initializer}
    shapes = {"x": tuple(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:])}
    values = {"x": by_sign(row.ravel(), baseline.ravel())}
    tape = []
    for node in model.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        into = [values[name] for name in node.input if name in values]
        shape = shapes[node.input[0]]
        if node.op_type == "Gemm":
            done = Linear([constants[node.input[1]]], constants[node.input[2]], into)
            shape = done.out.x.shape
        elif node.op_type == "Conv":
            matrix, shape = conv_matrix(shape, constants[node.input[1]], attributes.get("pads", [0])[0])
            done = Linear([matrix], np.repeat(constants[node.input[2]], shape[1] * shape[2]), into)
        elif node.op_type == "Add":
            done = Linear([np.eye(into[0].x.size)] * 2, 0, into)
        elif node.op_type == "MaxPool":
            places = np.arange(into[0].x.size).reshape(shape)
            shape = (shape[0], shape[1] // 2, shape[2] // 2)
            done = MaxPool([places[c, 2 * i:2 * i + 2, 2 * j:2 * j + 2].ravel() for c in range(shape[0])
                            for i in range(shape[1]) for j in range(shape[2])], into[0])
        elif node.op_type == "Concat":
            done = Joined(into)
            shape = done.out.x.shape
        elif node.op_type == "Flatten":
            values[node.output[0]], shapes[node.output[0]] = into[0], into[0].x.shape
            continue
        else:
            done = Function(*FUNCTIONS[node.op_type], into[0])
        values[node.output[0]], shapes[node.output[0]] = done.out, shape
        tape.append(done)
    y = values[model.graph.output[0].name]
    y.give(*[np.eye(y.x.size)[target]] * 2)
    for done in reversed(tape):
        done.back()
    x = values["x"]
    a = x.m_up * x.up + x.m_down * x.down
    assert abs(a.sum() - (y.x - y.b)[target]) < 1e-9, (a.sum(), (y.x - y.b)[target])
    return a.reshape(row.shape)


for name in ("dense", "images"):
    model = onnx.load(os.path.join(FOLDER, name + ".onnx"))
    x, b = (np.load(os.path.join(FOLDER, f"{name}.{part}.npy")).astype(np.float64) for part in ("x", "baselines"))
    np.save(os.path.join(FOLDER, f"{name}.deeplift-reveal_cancel.npy"),
            np.stack([attribution(model, x[i], b[i], i % 3) for i in range(len(x))]))
