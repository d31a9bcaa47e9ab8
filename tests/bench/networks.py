"""Networks of dense layers with random weights, for the programs beside this one: as torch has them, and as a file."""
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper


def make(sizes, rows):
    random = np.random.default_rng(1)
    layers = [
        ((random.standard_normal((o, i)) / np.sqrt(i)).astype("f4"),
         (0.1 * random.standard_normal(o)).astype("f4"))
        for i, o in zip(sizes, sizes[1:])
    ]
    return layers, random.standard_normal((rows, sizes[0])).astype("f4")


def as_torch(layers):
    modules = []
    for k, (weight, bias) in enumerate(layers):
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data = torch.from_numpy(weight.copy())
        linear.bias.data = torch.from_numpy(bias.copy())
        modules += [linear, torch.nn.ReLU()] if k + 1 < len(layers) else [linear]
    return torch.nn.Sequential(*modules).eval()


def save_onnx(layers, path):
    nodes, weights, value = [], [], "x"
    for k, (weight, bias) in enumerate(layers):
        last = k + 1 == len(layers)
        weights += [numpy_helper.from_array(weight, f"w{k}"), numpy_helper.from_array(bias, f"b{k}")]
        nodes.append(helper.make_node("Gemm", [value, f"w{k}", f"b{k}"], ["y" if last else f"h{k}"], transB=1))
        if not last:
            nodes.append(helper.make_node("Relu", [f"h{k}"], [f"r{k}"]))
            value = f"r{k}"
    graph = helper.make_graph(
        nodes, "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, layers[0][0].shape[1]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, layers[-1][0].shape[0]])],
        weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)
