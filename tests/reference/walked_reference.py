#!/usr/bin/env python3
"""Writes tests/reference/walked/: networks as ONNX files as torch exports them, and what walker.py says of them.

    python3 tests/reference/walked_reference.py        needs torch, onnx, onnxscript, numpy

NAME.onnx, NAME.x.npy (4 rows), NAME.baseline.npy (one), and in float64 of row i for output i % 3 NAME.deeplift.npy,
NAME.epsilon.npy (lrp, epsilon 1e-6) and NAME.gamma.npy (lrp, gamma 0.25), as far as there is a rule. The networks are
what exporters spell out (a gelu, a dense layer over places), normalisations, margins, and recurrent layers: torch's,
and in the forms that only ONNX has (peepholes, bounds, lengths, a reset before the product).
tests/engine/test_explainers_walked.c reads them.
"""
import copy
import os
import warnings

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import walker

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "walked")
ROWS, OUTPUTS, EPSILON = 4, 3, 1e-6
TARGETS = [i % OUTPUTS for i in range(ROWS)]


class Chain(nn.Module):
    """Modules one after the other, then the mean over `axes`, or all numbers flat, and a dense layer."""

    def __init__(self, shape, *modules, axes=()):
        super().__init__()
        self.layers, self.axes, self.shape = nn.ModuleList(modules), axes, shape
        with torch.no_grad():
            self.head = nn.Linear(self.before(torch.zeros(1, *shape)).shape[1], OUTPUTS)

    def without_norms(self):
        """The same numbers with each batch normalisation in the layer behind it."""
        made, layers = copy.deepcopy(self), list(self.layers) + [self.head]
        for i in range(len(layers) - 2, -1, -1):
            if isinstance(layers[i], walker.AFFINE):
                layers[i:i + 2] = [walker.folded(layers[i], layers[i + 1])]
        made.layers, made.head = nn.ModuleList(layers[:-1]), layers[-1]
        return made

    def before(self, x):
        for layer in self.layers:
            x = layer(x)
        return x.mean(self.axes) if self.axes else x.flatten(1)

    def forward(self, x):
        return self.head(self.before(x))


class Recurrent(nn.Module):
    def __init__(self, layer, last):
        super().__init__()
        self.shape, self.layer, self.last = (6, 4), layer, last
        width = layer.hidden_size * (2 if layer.bidirectional else 1)
        self.head = nn.Linear(width if last else 6 * width, OUTPUTS)

    def forward(self, x):
        y = self.layer(x)[0]
        return self.head(y[:, -1] if self.last else y.flatten(1))


class Attention(nn.Module):
    """A block of a transformer over five tokens, of two heads."""

    def __init__(self):
        super().__init__()
        self.shape = (5, 8)
        self.q, self.k, self.v, self.o = (nn.Linear(8, 8) for _ in range(4))
        self.soft, self.first, self.second = nn.Softmax(dim=-1), nn.LayerNorm(8), nn.LayerNorm(8)
        self.wide, self.gelu, self.narrow, self.head = nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8), nn.Linear(8, OUTPUTS)

    def forward(self, x):
        h = self.first(x)
        q, k, v = (layer(h).reshape(-1, 5, 2, 4).transpose(1, 2) for layer in (self.q, self.k, self.v))
        weights = self.soft(torch.matmul(q, k.transpose(-1, -2)) / 2.0)
        x = x + self.o(torch.matmul(weights, v).transpose(1, 2).reshape(-1, 5, 8))
        x = x + self.narrow(self.gelu(self.wide(self.second(x))))
        return self.head(x.mean(1))


class Divided(nn.Module):
    """Numbers over what measures them."""

    def __init__(self, operation, shift=0.0):
        super().__init__()
        self.shape, self.shift = (6,), shift
        self.first, self.measure, self.head = nn.Linear(6, 8), walker.Measure(operation), nn.Linear(8, OUTPUTS)

    def forward(self, x):
        h = self.first(x)
        return self.head(h / (self.measure(h) + self.shift))


class Bent(nn.Module):
    """What `bend` makes of the numbers of a dense layer, before another."""

    def __init__(self, bend, width=9):
        super().__init__()
        self.shape, self.bend, self.first, self.head = (6,), bend, nn.Linear(6, 9), nn.Linear(width, OUTPUTS)

    def forward(self, x):
        return self.head(self.bend(self.first(x)))


def norm(layer):
    """Of a trained network: it has seen numbers."""
    layer.running_mean.normal_(0, 0.5)
    layer.running_var.uniform_(0.5, 2)
    return layer.eval()


NETWORKS = {
    "gelu": lambda: Chain((7,), nn.Linear(7, 9), nn.GELU(), nn.Linear(9, 9), nn.GELU(approximate="tanh"), nn.Linear(9, 9), nn.SiLU()),
    "places": lambda: Chain((5, 4), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.Softplus(), axes=(1,)),
    "margins": lambda: Chain((3, 8, 8), nn.ZeroPad2d((1, 2, 0, 1)), nn.Conv2d(3, 5, 3), nn.ReLU(), nn.ReflectionPad2d(1),
                             nn.Conv2d(5, 4, 3), axes=(2, 3)),
    "turned": lambda: Chain((2, 9, 8), nn.Conv2d(2, 6, 3, stride=2, padding=1), nn.ReLU(),
                            nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1, groups=2), nn.LeakyReLU(0.1),
                            nn.AvgPool2d(3, 2, padding=1, count_include_pad=False, ceil_mode=True), axes=(2, 3)),
    "layer_norm": lambda: Chain((6,), nn.Linear(6, 10), nn.LayerNorm(10), nn.ReLU()),
    "group_norm": lambda: Chain((3, 8, 8), nn.Conv2d(3, 6, 3), nn.GroupNorm(2, 6), nn.ReLU(), nn.Conv2d(6, 4, 3), axes=(2, 3)),
    "instance_norm": lambda: Chain((3, 8, 8), nn.Conv2d(3, 6, 3), nn.InstanceNorm2d(6, affine=True), nn.ReLU(), nn.Conv2d(6, 4, 3),
                                   axes=(2, 3)),
    "log_softmax": lambda: Chain((6,), nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 8), nn.LogSoftmax(dim=1)),
    "attention": Attention,
    "lstm": lambda: Recurrent(nn.LSTM(4, 5, batch_first=True), True),
    "lstm_both": lambda: Recurrent(nn.LSTM(4, 5, num_layers=2, batch_first=True, bidirectional=True), False),
    "gru": lambda: Recurrent(nn.GRU(4, 5, batch_first=True), True),
    "gru_both": lambda: Recurrent(nn.GRU(4, 5, batch_first=True, bidirectional=True), False),
    "rnn": lambda: Recurrent(nn.RNN(4, 5, batch_first=True), True),
    "rnn_relu": lambda: Recurrent(nn.RNN(4, 5, batch_first=True, bidirectional=True, nonlinearity="relu"), False),
    "l1": lambda: Divided("l1"),
    "l2": lambda: Divided("l2"),
    "log_sum_exp": lambda: Divided("log_sum_exp", 3.0),
    "attention_spelt": Attention,
    "scaled": lambda: Bent(lambda h: torch.relu(h * 1e-5) / torch.tensor([1e-6, -2e-6, 1e-6] * 3)),
    "factors": lambda: Bent(lambda h: torch.prod(h.reshape(-1, 3, 3), 2), 3),
    "branch": lambda: Bent(lambda h: torch.where(h > 0.2, h, h * 0.5)),
    "norms_before": lambda: Chain((7,), norm(nn.BatchNorm1d(7)), nn.Linear(7, 9), nn.ReLU(), norm(nn.BatchNorm1d(9)), nn.Linear(9, 8),
                                  nn.ReLU()),
    "norm_before": lambda: Chain((4, 7, 6), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), norm(nn.BatchNorm2d(6)),
                                 nn.Conv2d(6, 4, 3, groups=2), nn.ReLU(), axes=(2, 3)),
}
OLD = {"attention_spelt"}  # exported by an opset that has no LayerNormalization
NO_LRP = {"log_softmax"}
NO_DEEPLIFT = {"factors", "branch"}


def save(name, part, array, dtype=np.float64):
    rows = torch.as_tensor(array).detach().numpy()
    np.save(os.path.join(FOLDER, f"{name}.{part}.npy"), rows.reshape(len(rows), -1).astype(dtype))


def draw(network, seed):
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        with torch.no_grad():
            numbers = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(numbers * 1.4 / parameter[0].numel() ** 0.5 if parameter.dim() > 1 else 0.5 + numbers * 0.4)
    return generator


def write(name, network, seed):
    generator = draw(network, seed)
    x, baseline = torch.randn(ROWS, *network.shape, generator=generator), 0.3 * torch.randn(1, *network.shape, generator=generator)
    torch.onnx.export(network.eval(), (x,), os.path.join(FOLDER, name + ".onnx"), input_names=["x"], output_names=["y"],
                      opset_version=14 if name in OLD else 17, dynamic_axes={"x": {0: "N"}, "y": {0: "N"}}, dynamo=False)
    save(name, "x", x, np.float32)
    save(name, "baseline", baseline, np.float32)
    network, x, baseline = network.double(), x.double(), baseline.double()
    if name not in NO_DEEPLIFT:
        save(name, "deeplift", walker.deeplift(network, x, baseline, TARGETS))
    if hasattr(network, "without_norms"):
        network = network.without_norms()
    if name not in NO_LRP:
        save(name, "epsilon", walker.lrp(network, x, TARGETS, "epsilon", epsilon=EPSILON))
        save(name, "gamma", walker.lrp(network, x, TARGETS, "gamma", epsilon=EPSILON))


# ---------------------------------------------------------------- what only ONNX has

# torch's order of gates from ONNX's: i o f c -> i f c o; z r h -> r z h.
FORMS = {
    "onnx_lstm": {"operator": "LSTM", "order": [0, 2, 3, 1], "clip": 0.9, "peephole": True},
    "onnx_gru": {"operator": "GRU", "order": [1, 0, 2], "clip": 1.1, "reset_first": True},
    "onnx_lengths": {"operator": "GRU", "order": [1, 0, 2], "lengths": True, "reverse": True},
}
STEPS, INPUTS, SIZE = 5, 3, 4


def write_form(name, form, seed):
    """One row is a batch of one sequence (steps first); its last state goes into a dense layer."""
    numbers, gates = np.random.default_rng(seed), len(form["order"])
    w, u = (numbers.normal(size=(gates, SIZE, width)).astype(np.float32) for width in (INPUTS, SIZE))
    b, d = (0.5 * numbers.normal(size=(gates, SIZE)).astype(np.float32) for _ in range(2))
    p = numbers.normal(size=(3, SIZE)).astype(np.float32)  # of ONNX: i, o, f
    head, bias = numbers.normal(size=(OUTPUTS, SIZE)).astype(np.float32), numbers.normal(size=OUTPUTS).astype(np.float32)
    length = 3
    constants = {"w": w.reshape(1, -1, INPUTS), "u": u.reshape(1, -1, SIZE), "b": np.concatenate([b.ravel(), d.ravel()])[None],
                 "head": head, "bias": bias, "shape": np.array([-1, SIZE], np.int64)}
    inputs, attributes = ["steps", "w", "u", "b"], {"hidden_size": SIZE}
    if form.get("lengths"):
        constants["lengths"] = np.array([length], np.int32)
        inputs.append("lengths")
    if form.get("peephole"):
        constants["p"] = p.reshape(1, -1)
        inputs += [""] * (7 - len(inputs)) + ["p"]
    if form.get("clip"):
        attributes["clip"] = form["clip"]
    if form.get("reverse"):
        attributes["direction"] = "reverse"
    if form["operator"] == "GRU":
        attributes["linear_before_reset"] = 0 if form.get("reset_first") else 1
    batched = ROWS if not form.get("lengths") else 1
    nodes = [helper.make_node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
             helper.make_node(form["operator"], inputs, ["all", "last"], **attributes),
             helper.make_node("Reshape", ["last", "shape"], ["flat"]),
             helper.make_node("Gemm", ["flat", "head", "bias"], ["y"], transB=1)]
    rows = "N" if batched > 1 else 1
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, name, [value("x", TensorProto.FLOAT, [rows, STEPS, INPUTS])],
                              [value("y", TensorProto.FLOAT, [rows, OUTPUTS])],
                              [numpy_helper.from_array(array, key) for key, array in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, os.path.join(FOLDER, name + ".onnx"))
    x = numbers.normal(size=(ROWS, STEPS, INPUTS)).astype(np.float32)
    baseline = (0.3 * numbers.normal(size=(1, STEPS, INPUTS))).astype(np.float32)
    save(name, "x", x, np.float32)
    save(name, "baseline", baseline, np.float32)

    def wide(array):
        return torch.tensor(array.astype(np.float64))
    order = form["order"]
    clip = float(np.float32(form.get("clip", 0)))

    def steps(rows_):
        return walker.Steps(form["operator"].lower(), wide(w[order].reshape(-1, INPUTS)), wide(u[order].reshape(-1, SIZE)),
                            wide(b[order].ravel()), wide(d[order].ravel()), clip=clip, reverse=form.get("reverse", False),
                            peephole=wide(p[[0, 2, 1]]) if form.get("peephole") else None,
                            reset_first=form.get("reset_first", False), lengths=[length] * rows_ if form.get("lengths") else None)
    rows_x, rows_b = wide(x), wide(baseline).expand(ROWS, -1, -1)
    both = torch.cat([rows_x, rows_b])
    last = 0 if form.get("reverse") else STEPS - 1  # the step that makes the last state
    state = steps(ROWS).run(rows_x)[0][:, last]
    logits, target = state @ wide(head).T + wide(bias), torch.tensor(TARGETS)
    above = torch.zeros(ROWS, STEPS, SIZE, dtype=torch.float64)
    above[:, last] = wide(head)[target]
    save(name, "deeplift", steps(2 * ROWS).back(both, above, None) * (rows_x - rows_b))
    chosen = logits[torch.arange(ROWS), target]
    above[:, last] = state * wide(head)[target] * (chosen / walker.stable(chosen, EPSILON))[:, None]
    save(name, "epsilon", steps(ROWS).back(rows_x, above, EPSILON))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    os.makedirs(FOLDER, exist_ok=True)
    for number, (name, make) in enumerate(NETWORKS.items()):
        torch.manual_seed(number)
        write(name, make(), 200 + number)  # drawn so that no sum nearly cancels, of which float32 would keep little
    for number, (name, form) in enumerate(FORMS.items()):
        write_form(name, form, 50 + number)
