#!/usr/bin/env python3
"""A model of three inputs (an image, numbers, token ids) and what PyTorch, Captum and brute force say of it.

inputs/model.onnx, its inputs in one .npy each, and by input (ids have none):
  saliency.<input>.npy              gradients of class 1, absolute (Captum)
  integrated_gradients.<input>.npy  50 Gauss-Legendre nodes, baseline 0 for the image, 0.5 for the numbers
  deeplift.<input>.npy              rescale, the same baselines
  shapley.<input>.npy               all 2^7 coalitions against the three rows of inputs/background_*.npy
The ids are the row's own throughout.

    python tests/reference/inputs_reference.py
"""
import itertools
import math
import pathlib

import numpy as np
import onnx
import torch
from captum.attr import DeepLift, IntegratedGradients, Saliency
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent / "inputs"
TARGET = 1


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(7, 3)
        self.of_image = torch.nn.Linear(4, 5)
        self.tanh = torch.nn.Tanh()
        self.hidden = torch.nn.Linear(11, 6)
        self.relu = torch.nn.ReLU()
        self.out = torch.nn.Linear(6, 3)

    def forward(self, image, numbers, ids):
        parts = [self.tanh(self.of_image(image.flatten(1))), numbers, self.table(ids).mean(1)]
        return self.out(self.relu(self.hidden(torch.cat(parts, 1))))


def write_model(net):
    def weight(name, tensor):
        return numpy_helper.from_array(tensor.detach().numpy().astype(np.float32), name)

    weights = [weight("table", net.table.weight)]
    for name, layer in (("of_image", net.of_image), ("hidden", net.hidden), ("out", net.out)):
        weights += [weight(name + ".weight", layer.weight), weight(name + ".bias", layer.bias)]
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "of_image.weight", "of_image.bias"], ["a"], transB=1),
        helper.make_node("Tanh", ["a"], ["features"]),
        helper.make_node("Gather", ["table", "ids"], ["tokens"]),
        helper.make_node("ReduceMean", ["tokens"], ["text"], axes=[1], keepdims=0),
        helper.make_node("Concat", ["features", "numbers", "text"], ["all"], axis=1),
        helper.make_node("Gemm", ["all", "hidden.weight", "hidden.bias"], ["b"], transB=1),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "out.weight", "out.bias"], ["logits"], transB=1),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "inputs",
        [value("image", TensorProto.FLOAT, ["N", 1, 2, 2]), value("numbers", TensorProto.FLOAT, ["N", 3]),
         value("ids", TensorProto.INT64, ["N", "tokens"])],
        [value("logits", TensorProto.FLOAT, ["N", 3])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, HERE / "model.onnx")


def save(name, array):
    array = array.detach().numpy() if isinstance(array, torch.Tensor) else array
    np.save(HERE / (name + ".npy"), np.ascontiguousarray(array))


def shapley(net, image, numbers, ids, back_image, back_numbers):
    """Exact values of one row: 4 pixels, then 3 numbers."""
    players = 7

    def worth(coalition):
        keep = torch.tensor([p in coalition for p in range(players)])
        rows = len(back_image)
        x = torch.where(keep[:4].reshape(1, 1, 2, 2), image.expand(rows, 1, 2, 2), back_image)
        y = torch.where(keep[4:], numbers.expand(rows, 3), back_numbers)
        return net(x, y, ids.expand(rows, -1))[:, TARGET].double().mean().item()

    value = {s: worth(s) for k in range(players + 1) for s in itertools.combinations(range(players), k)}
    found = np.zeros(players)
    for p in range(players):
        rest = [q for q in range(players) if q != p]
        for k in range(players):
            weight = math.factorial(k) * math.factorial(players - k - 1) / math.factorial(players)
            for s in itertools.combinations(rest, k):
                found[p] += weight * (value[tuple(sorted(s + (p,)))] - value[s])
    return found


def main():
    HERE.mkdir(exist_ok=True)
    torch.manual_seed(3)
    net = Net().eval()
    image, numbers, ids = torch.randn(6, 1, 2, 2), torch.randn(6, 3), torch.randint(0, 7, (6, 4))
    back_image, back_numbers = torch.randn(3, 1, 2, 2), torch.randn(3, 3)
    write_model(net)
    for name, array in (("image", image), ("numbers", numbers), ("ids", ids),
                        ("background_image", back_image), ("background_numbers", back_numbers)):
        save(name, array)
    np.save(HERE / "labels.npy", np.array([0, 1, 2, 0, 1, 2]))
    save("prediction", net(image, numbers, ids))
    baselines = (torch.zeros(1, 1, 2, 2), torch.full((1, 3), 0.5))
    found = {
        "saliency": Saliency(net).attribute((image, numbers), target=TARGET, additional_forward_args=ids),
        "integrated_gradients": IntegratedGradients(net).attribute(
            (image, numbers), baselines, target=TARGET, additional_forward_args=ids),
        "deeplift": DeepLift(net).attribute(
            (image, numbers), baselines, target=TARGET, additional_forward_args=ids),
    }
    with torch.no_grad():
        exact = np.array([shapley(net, image[i], numbers[i], ids[i], back_image, back_numbers)
                          for i in range(len(image))], dtype=np.float32)
    found["shapley"] = exact[:, :4].reshape(6, 1, 2, 2), exact[:, 4:]
    for name, parts in found.items():
        for of, array in zip(("image", "numbers"), parts):
            save("%s.%s" % (name, of), array)


if __name__ == "__main__":
    main()
