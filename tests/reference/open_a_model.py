#!/usr/bin/env python3
"""Makes experiments/data/opened: a convolutional network that PyTorch trained on handwritten digits, as ONNX,
100 images that it has not seen, and their labels. Run by hand, in an environment with torch, onnx and
scikit-learn."""
import pathlib

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

out = pathlib.Path(__file__).resolve().parents[2] / "experiments/data/opened"
torch.manual_seed(0)
digits = load_digits()
images = (digits.images / 16).astype(np.float32)[:, None]
x_train, x_test, y_train, y_test = train_test_split(images, digits.target, test_size=100, random_state=0,
                                                    stratify=digits.target)
net = torch.nn.Sequential(
    torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU(),
    torch.nn.Conv2d(8, 16, 3, padding=1), torch.nn.BatchNorm2d(16), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
    torch.nn.Conv2d(16, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(),
    torch.nn.Dropout(0.2), torch.nn.Linear(256, 10))
x, y = torch.tensor(x_train), torch.tensor(y_train)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(30):
    for part in torch.randperm(len(x)).split(64):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x[part]), y[part]).backward()
        optimizer.step()
net.eval()
print("accuracy", (net(torch.tensor(x_test)).argmax(1).numpy() == y_test).mean())
out.mkdir(parents=True, exist_ok=True)
torch.onnx.export(net, torch.zeros(1, 1, 8, 8), out / "model.onnx", input_names=["image"], output_names=["digit"],
                  dynamic_axes={"image": {0: "N"}, "digit": {0: "N"}}, opset_version=17, dynamo=False)
np.save(out / "images.npy", x_test)
np.save(out / "labels.npy", y_test.astype(np.int32))
