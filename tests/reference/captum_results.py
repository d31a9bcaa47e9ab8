"""Makes experiments/data/captum: a small network as ONNX, 60 rows of the breast cancer data and what Captum
attributes to them. Run by hand, in an environment with torch, captum, onnx and scikit-learn."""
import pathlib

import numpy as np
import onnx
import torch
from captum.attr import DeepLift, GradientShap, IntegratedGradients
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_breast_cancer

out = pathlib.Path(__file__).resolve().parents[2] / "experiments/data/captum"
torch.manual_seed(0)
data = load_breast_cancer()
x = ((data.data - data.data.mean(0)) / data.data.std(0)).astype(np.float32)
y = data.target.astype(np.int32)
order = np.random.RandomState(0).permutation(len(x))
train, test = order[:400], order[400:460]

net = torch.nn.Sequential(torch.nn.Linear(30, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for _ in range(60):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(net(torch.tensor(x[train])), torch.tensor(y[train]).long())
    loss.backward()
    optimizer.step()

weights = [numpy_helper.from_array(p.detach().numpy(), n) for p, n in zip(net.parameters(), ["w1", "b1", "w2", "b2"])]
graph = helper.make_graph(
    [helper.make_node("Gemm", ["x", "w1", "b1"], ["hidden"], name="fc1", transB=1),
     helper.make_node("Relu", ["hidden"], ["active"], name="relu"),
     helper.make_node("Gemm", ["active", "w2", "b2"], ["logits"], name="fc2", transB=1)],
    "cancer", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 30])],
    [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2])], weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
out.mkdir(parents=True, exist_ok=True)
onnx.save(model, out / "model.onnx")

rows = torch.tensor(x[test])
target = net(rows).argmax(1)
zero = torch.zeros(1, 30)
np.save(out / "x.npy", x[test])
np.save(out / "labels.npy", y[test])
torch.manual_seed(1)
found = {
    "integrated_gradients": IntegratedGradients(net).attribute(rows, zero, target=target, n_steps=50),
    "deeplift": DeepLift(net).attribute(rows, zero, target=target),
    "gradient_shap": GradientShap(net).attribute(rows, torch.tensor(x[train[:100]]), target=target, n_samples=20),
}
for name, values in found.items():
    np.save(out / (name + ".npy"), values.detach().numpy().astype(np.float32))
