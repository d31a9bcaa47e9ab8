#!/usr/bin/env python3
"""Writes tests/reference/explainers_layer/chain.*: what Zennit says of composites that scripts can write.

    python3 tests/reference/lrp_composites_reference.py        needs torch, zennit, onnx, numpy

A network of three convolutions and two dense layers as an ONNX file, rows, and the relevance of the output
i % 3 of row i in float64 on the file's float32 weights: rules by the layer's type (LayerMapComposite), by
its name (NameMapComposite), and by its place (SpecialFirstLayerMapComposite, and a name for the last).
"""
import os

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from zennit.attribution import Gradient
from zennit.composites import LayerMapComposite, MixedComposite, NameMapComposite, SpecialFirstLayerMapComposite
from zennit.rules import AlphaBeta, Epsilon, Flat, Gamma, Pass, WSquare, ZBox, ZPlus
from zennit.types import Activation, Convolution, Linear

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "explainers_layer")
ROWS, SHAPE = 5, (2, 9, 8)


class Flatten(nn.Flatten):
    pass


torch.manual_seed(7)
net = nn.Sequential()
for name, layer in [("conv1", nn.Conv2d(2, 4, 3, padding=1)), ("relu1", nn.ReLU()),
                    ("conv2", nn.Conv2d(4, 5, 3, stride=2)), ("relu2", nn.ReLU()),
                    ("conv3", nn.Conv2d(5, 4, 2)), ("relu3", nn.ReLU()), ("flat", Flatten()),
                    ("fc1", nn.Linear(24, 6)), ("relu4", nn.ReLU()), ("fc2", nn.Linear(6, 3))]:
    net.add_module(name, layer)
with torch.no_grad():
    for parameter in net.parameters():
        parameter.copy_(torch.randn_like(parameter) * (0.5 if parameter.ndim == 1 else 0.4))


def graph():
    nodes, constants, at = [], [], "x"
    for name, layer in net.named_children():
        kind, into, attributes = type(layer).__name__, [at], {}
        if hasattr(layer, "weight"):
            for part in ("weight", "bias"):
                array = getattr(layer, part).detach().numpy().astype(np.float32)
                constants.append(numpy_helper.from_array(array, f"{name}.{part}"))
                into.append(f"{name}.{part}")
        if kind == "Conv2d":
            attributes = {"kernel_shape": layer.kernel_size, "strides": layer.stride, "pads": layer.padding * 2}
        elif kind == "Linear":
            attributes = {"transB": 1}
        kind = {"Conv2d": "Conv", "Linear": "Gemm", "ReLU": "Relu", "Flatten": "Flatten"}[kind]
        at = "y" if name == "fc2" else name + "_out"
        nodes.append(helper.make_node(kind, into, [at], name=name, **attributes))
    value = helper.make_tensor_value_info
    made = helper.make_graph(nodes, "chain", [value("x", TensorProto.FLOAT, ["N", *SHAPE])],
                             [value("y", TensorProto.FLOAT, ["N", 3])], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


rest = [(Activation, Pass())]
composites = {
    "type": LayerMapComposite([(Convolution, Gamma(gamma=0.1)), (Linear, Epsilon(epsilon=0.01))] + rest),
    "name": MixedComposite([
        NameMapComposite([(["conv1"], WSquare()), (["conv3"], AlphaBeta(alpha=1.5, beta=0.5)), (["fc1"], ZPlus())]),
        LayerMapComposite([(Convolution, Gamma(gamma=0.25)), (Linear, Epsilon(epsilon=1e-6))] + rest)]),
    "place": MixedComposite([
        NameMapComposite([(["fc2"], Gamma(gamma=0.5))]),
        SpecialFirstLayerMapComposite([(Convolution, ZPlus()), (Linear, Epsilon(epsilon=1e-6))] + rest,
                                      [(Convolution, ZBox(low=-3.0, high=3.0))])]),
    "flat": SpecialFirstLayerMapComposite([(Linear, Epsilon(epsilon=0.25))] + rest, [(Linear, Flat())]),
}

onnx.save(graph(), os.path.join(FOLDER, "chain.onnx"))
x = np.random.default_rng(6).normal(size=(ROWS, *SHAPE)).clip(-3, 3).astype(np.float32)
np.save(os.path.join(FOLDER, "chain.x.npy"), x.reshape(ROWS, -1))
net = net.float().double()
for name, composite in composites.items():
    rows = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    seed = torch.eye(3, dtype=torch.float64)[torch.arange(ROWS) % 3]
    with Gradient(model=net, composite=composite) as attributor:
        _, relevance = attributor(rows, lambda out: seed * out)
    np.save(os.path.join(FOLDER, f"chain.lrp-{name}.npy"), relevance.detach().numpy().reshape(ROWS, -1))
    print(name, relevance.sum((1, 2, 3)).detach().numpy())
