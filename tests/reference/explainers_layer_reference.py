#!/usr/bin/env python3
"""Writes tests/reference/explainers_layer/: what tests/engine/test_explainers_layer.c compares with.

    python3 tests/reference/explainers_layer_reference.py        needs torch, captum, onnx, numpy

Two networks as ONNX files, whose values have the names that the tests ask for, rows, baselines, and
what Captum says of them in float64 on the files' float32 weights. One relu module stands for all
relus of a network, and its first result is read by several branches. Layers are tapped by identity
modules, so that every value of the file can be asked for.

    dense    x (6) -> fc1 -> relu1; relu1 -> fc2 -> relu2; relu1 -> fc3 -> tanh; sum = relu2 + tanh;
             join = concat(sum, relu1) -> fc4 -> y (3)
    images   x (2, 9, 8) -> conv1 -> relu1 -> pool -> conv2 -> relu2; pool -> conv3; sum = relu2 + conv3
             -> flatten -> fc -> y (3)
"""
import os
import warnings

import captum
import numpy as np
import onnx
import torch
from captum.attr import (Deconvolution, GuidedBackprop, GuidedGradCam, InternalInfluence, LayerActivation,
                         LayerConductance, LayerGradCam, LayerGradientXActivation,
                         LayerIntegratedGradients, NeuronDeconvolution, NeuronGradient,
                         NeuronGuidedBackprop, NeuronIntegratedGradients)
from captum.robust import FGSM, PGD
from onnx import TensorProto, helper, numpy_helper
from torch import nn

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "explainers_layer")
ROWS = 5
UNIT = 3  # of every layer, for explanations of a hidden unit
LAYERS = {"dense": ["fc1", "relu1", "sum"], "images": ["pool", "conv2", "sum"]}


def save(name, array, dtype=np.float64):
    np.save(os.path.join(FOLDER, name + ".npy"), np.ascontiguousarray(array, dtype=dtype))


class Net(nn.Module):
    """`taps` has an identity for every value that is looked at."""

    def __init__(self, names):
        super().__init__()
        self.taps = nn.ModuleDict({name: nn.Identity() for name in names})
        self.relu = nn.ReLU()

    def at(self, name, value):
        return self.taps[name](value)


class Dense(Net):
    def __init__(self):
        super().__init__(["fc1", "relu1", "relu2", "tanh", "sum"])
        self.fc1, self.fc2 = nn.Linear(6, 8), nn.Linear(8, 5)
        self.fc3, self.fc4 = nn.Linear(8, 5), nn.Linear(13, 3)

    def forward(self, x):
        first = self.at("relu1", self.relu(self.at("fc1", self.fc1(x))))
        left = self.at("relu2", self.relu(self.fc2(first)))
        right = self.at("tanh", torch.tanh(self.fc3(first)))
        return self.fc4(torch.cat([self.at("sum", left + right), first], 1))

    def nodes(self):
        gemm = {"transB": 1}
        yield "Gemm", ["x", "fc1.weight", "fc1.bias"], "fc1", gemm
        yield "Relu", ["fc1"], "relu1", {}
        yield "Gemm", ["relu1", "fc2.weight", "fc2.bias"], "fc2", gemm
        yield "Relu", ["fc2"], "relu2", {}
        yield "Gemm", ["relu1", "fc3.weight", "fc3.bias"], "fc3", gemm
        yield "Tanh", ["fc3"], "tanh", {}
        yield "Add", ["relu2", "tanh"], "sum", {}
        yield "Concat", ["sum", "relu1"], "join", {"axis": 1}
        yield "Gemm", ["join", "fc4.weight", "fc4.bias"], "y", gemm


class Images(Net):
    def __init__(self):
        super().__init__(["conv1", "relu1", "pool", "conv2", "relu2", "sum"])
        self.conv1, self.conv2 = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 4, 3)
        self.conv3, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(16, 3)
        self.max = nn.MaxPool2d(2)

    def forward(self, x):
        first = self.at("relu1", self.relu(self.at("conv1", self.conv1(x))))
        pool = self.at("pool", self.max(first))
        left = self.at("relu2", self.relu(self.at("conv2", self.conv2(pool))))
        return self.fc(self.at("sum", left + self.conv3(pool)).flatten(1))

    def nodes(self):
        wide, plain = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, {"kernel_shape": [3, 3]}
        yield "Conv", ["x", "conv1.weight", "conv1.bias"], "conv1", wide
        yield "Relu", ["conv1"], "relu1", {}
        yield "MaxPool", ["relu1"], "pool", {"kernel_shape": [2, 2], "strides": [2, 2]}
        yield "Conv", ["pool", "conv2.weight", "conv2.bias"], "conv2", plain
        yield "Relu", ["conv2"], "relu2", {}
        yield "Conv", ["pool", "conv3.weight", "conv3.bias"], "conv3", plain
        yield "Add", ["relu2", "conv3"], "sum", {}
        yield "Flatten", ["sum"], "flat", {"axis": 1}
        yield "Gemm", ["flat", "fc.weight", "fc.bias"], "y", {"transB": 1}


def write_model(name, net, shape):
    weights = [numpy_helper.from_array(value.numpy().astype(np.float32), key)
               for key, value in net.state_dict().items()]
    nodes = [helper.make_node(operator, inputs, [output], name=output + "_node", **attributes)
             for operator, inputs, output, attributes in net.nodes()]
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, os.path.join(FOLDER, name + ".onnx"))


def handed_back(net, x, target, first, start):
    """Relevance from the output back to the inputs, node by node, with positive weights and no biases; `first`:
    the rule of linear layers on the inputs: "plus", "square", or (low, high). start: "one" or "value"."""
    weights = dict(net.state_dict())
    linear = {"Gemm": lambda a, w: nn.functional.linear(a, w),
              "Conv": lambda a, w: nn.functional.conv2d(a, w, padding=1 if w.shape[1] == 2 else 0)}
    values, nodes = {"x": x}, list(net.nodes())

    def run(kind, inputs, name):
        a = [values[i] for i in inputs if i in values]
        if kind in linear:
            shape = (-1, *[1] * (a[0].dim() - 2))
            return linear[kind](a[0], weights[inputs[1]]) + weights[inputs[2]].view(shape)
        return {"Relu": lambda: a[0].relu(), "Tanh": lambda: a[0].tanh(), "Add": lambda: a[0] + a[1],
                "Concat": lambda: torch.cat(a, 1), "Flatten": lambda: a[0].flatten(1),
                "MaxPool": lambda: nn.functional.max_pool2d(a[0], 2)}[kind]()

    for kind, inputs, name, _ in nodes:
        values[name] = run(kind, inputs, name)
    picked = nn.functional.one_hot(torch.tensor(target), 3).double()
    relevance = {"y": picked * (values["y"] if start == "value" else 1)}

    for kind, inputs, name, _ in reversed(nodes):
        r = relevance.get(name)
        a = [values[i] for i in inputs if i in values]
        sent = []
        if kind in linear:
            f, w = linear[kind], weights[inputs[1]]
            plus, minus = w.clamp(min=0), w.clamp(max=0)
            if inputs[0] != "x" or first == "plus":
                z = f(a[0].clamp(min=0), plus) + f(a[0].clamp(max=0), minus)
                pairs = [(plus, a[0].clamp(min=0)), (minus, a[0].clamp(max=0))]
            elif first == "square":
                z = f(torch.ones_like(a[0]), w * w)
                pairs = [(w * w, torch.ones_like(a[0]))]
            else:
                low, high = (torch.full_like(a[0], bound) for bound in first)
                z = f(a[0], w) - f(low, plus) - f(high, minus)
                pairs = [(w, a[0]), (plus, -low), (minus, -high)]
            s = r / (z + 1e-6 * torch.where(z >= 0, 1.0, -1.0))
            total = 0
            for weight, factor in pairs:
                probe = torch.zeros_like(a[0], requires_grad=True)
                total = total + factor * torch.autograd.grad(f(probe, weight), probe, s)[0]
            sent = [total]
        elif kind in ("Relu", "Tanh"):
            sent = [r]
        elif kind == "Add":
            z = a[0] + a[1]
            s = r / (z + 1e-6 * torch.where(z >= 0, 1.0, -1.0))
            sent = [a[0] * s, a[1] * s]
        else:
            probes = [v.detach().requires_grad_() for v in a]
            saved = {i: values[i] for i in inputs if i in values}
            values.update(zip(saved, probes))
            sent = torch.autograd.grad(run(kind, inputs, name), probes, r)
            values.update(saved)
        for i, part in zip([i for i in inputs if i in values], sent):
            relevance[i] = relevance[i] + part if i in relevance else part
    return relevance["x"]


def ball(net, x, target, radius, step, steps):
    """PGD in the L2 norm as its paper has it: steps along the gradient's direction (Captum's go along signs)."""
    at = x.clone()
    for _ in range(steps):
        at = at.detach().requires_grad_()
        nn.functional.cross_entropy(net(at), target, reduction="sum").backward()
        length = (at.grad.flatten(1).norm(dim=1)).view(-1, *[1] * (x.dim() - 1))
        moved = at.detach() + step * at.grad / length - x
        length = moved.flatten(1).norm(dim=1).view(-1, *[1] * (x.dim() - 1))
        at = x + moved * (radius / length).clamp(max=1)
    return at


def attributions(net, x, target):
    """By the name of the file."""
    loss = nn.CrossEntropyLoss(reduction="none")
    target_of = torch.tensor(target)
    bounds = {"lower_bound": -1.5, "upper_bound": 1.25}
    attack, bounded = PGD(net, loss), PGD(net, loss, **bounds)
    return {
        "guided_backprop": GuidedBackprop(net).attribute(x, target=target),
        "deconvnet": Deconvolution(net).attribute(x, target=target),
        "fgsm": FGSM(net, loss).perturb(x, 0.3, target_of),
        "fgsm-targeted": FGSM(net, loss, **bounds).perturb(x, 0.3, target_of, targeted=True),
        "pgd": attack.perturb(x, 0.25, 0.1, 7, target_of),
        "pgd-targeted": bounded.perturb(x, 0.25, 0.1, 7, target_of, targeted=True),
        "pgd-l2": ball(net, x, target_of, 0.8, 0.3, 7),
        "excitation_backprop": handed_back(net, x, target, "plus", "one"),
        "deep_taylor": handed_back(net, x, target, "square", "value"),
        "deep_taylor-box": handed_back(net, x, target, (-4, 4.5), "value"),
    }


def maps(net, layer, x, target):
    """Grad-CAM++, LayerCAM and Score-CAM as their papers have them, of the layer's size, without the relu;
    Grad-CAM++ without the factor exp(score) of its weights."""
    h = LayerActivation(net, net.taps[layer]).attribute(x)
    g = LayerGradientXActivation(net, net.taps[layer], multiply_by_inputs=False).attribute(x, target)
    alpha = g ** 2 / (2 * g ** 2 + h.sum((2, 3), keepdim=True) * g ** 3)
    alpha = torch.where(g != 0, alpha, torch.zeros_like(g))
    weights = (alpha * g.clamp(min=0)).sum((2, 3), keepdim=True)
    made = {"grad_cam_pp": (weights * h).sum(1, keepdim=True),
            "layer_cam": (g.clamp(min=0) * h).sum(1, keepdim=True)}
    masks = nn.functional.interpolate(h, x.shape[2:], mode="bilinear", align_corners=False)
    scored = []
    for row in range(len(x)):
        scores, channels = [], []
        for k in range(h.shape[1]):
            mask = masks[row, k]
            if mask.max() > mask.min():
                mask = (mask - mask.min()) / (mask.max() - mask.min())
                scores.append(net(x[row:row + 1] * mask)[0, target[row]])
                channels.append(h[row, k])
        weights = torch.softmax(torch.stack(scores), 0)
        scored.append(sum(w * a for w, a in zip(weights, channels))[None])
    made["score_cam"] = torch.stack(scored)
    return made


def at_layer(net, layer, x, base, target):
    """The same for a layer; base: (1, ...) or a row each."""
    tap = net.taps[layer]
    influence, conductance = InternalInfluence(net, tap), LayerConductance(net, tap)
    one = base[:1].clone()
    made = {
        "layer_activation": LayerActivation(net, tap).attribute(x),
        "layer_gradient_x_activation": LayerGradientXActivation(net, tap).attribute(x, target),
    }
    for word, explainer in (("internal_influence", influence), ("layer_conductance", conductance),
                            ("layer_integrated_gradients", LayerIntegratedGradients(net, tap))):
        made[word] = explainer.attribute(x, one, target=target, n_steps=20)
        made[word + "-rows"] = explainer.attribute(x, base, target=target, n_steps=70)
        made[word + "-left"] = explainer.attribute(x, one, target=target, n_steps=7,
                                                   method="riemann_left")
    if x.dim() == 4:
        cam = LayerGradCam(net, tap)
        made["grad_cam-small"] = cam.attribute(x, target)
        made["grad_cam-relu"] = cam.attribute(x, target, relu_attributions=True)
        made["grad_cam"] = nn.functional.interpolate(made["grad_cam-relu"], x.shape[2:],
                                                     mode="bilinear", align_corners=False)
        made["guided_grad_cam"] = GuidedGradCam(net, tap).attribute(x, target, interpolate_mode="nearest")
        for word, values in maps(net, layer, x, target).items():
            made[word + "-small"] = values
            made[word] = nn.functional.interpolate(values.clamp(min=0), x.shape[2:], mode="bilinear",
                                                   align_corners=False)
    unit = tuple(int(i) for i in np.unravel_index(UNIT, made["layer_activation"].shape[1:]))
    for case, kind in (("gradient", NeuronGradient), ("guided_backprop", NeuronGuidedBackprop),
                       ("deconvnet", NeuronDeconvolution)):
        made["neuron-" + case] = kind(net, tap).attribute(x, unit)
    made["neuron-integrated_gradients"] = NeuronIntegratedGradients(net, tap).attribute(x, unit, n_steps=20)
    return {"%s.%s" % (case, layer): values for case, values in made.items()}


def main():
    warnings.simplefilter("ignore")  # Captum says that it sets hooks
    os.makedirs(FOLDER, exist_ok=True)
    for seed, (name, kind, shape) in enumerate([("dense", Dense, (6,)), ("images", Images, (2, 9, 8))]):
        torch.manual_seed(60 + seed)
        rng = np.random.default_rng(60 + seed)
        net = kind().float().double().eval()
        write_model(name, net, shape)
        x = torch.from_numpy(rng.normal(0, 1, (ROWS, *shape)).astype(np.float32)).double()
        base = torch.from_numpy(rng.normal(0, 0.5, (ROWS, *shape)).astype(np.float32)).double()
        save(name + ".x", x.flatten(1), np.float32)
        if x.dim() == 4:
            save(name + ".rows", x, np.float32)  # as a script reads them
        save(name + ".baselines", base.flatten(1), np.float32)
        target = [i % 3 for i in range(ROWS)]
        cases = attributions(net, x, target)
        for layer in LAYERS[name]:
            cases.update(at_layer(net, layer, x, base, target))
        for case, values in cases.items():
            save(name + "." + case, values.detach().flatten(1))
    print("captum", captum.__version__, "torch", torch.__version__, "onnx", onnx.__version__)


if __name__ == "__main__":
    main()
