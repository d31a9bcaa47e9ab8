"""What PyTorch makes of a small convolutional network with every normalisation, trained without
shuffling on 40 rows (2, 6, 6) in batches of 24. Writes tests/reference/train/spatial-x.npy (rows
flattened), -labels.npy, -start.npy and -end.npy: all parameters, layer by layer, each layer's running
mean and variance after its weight and bias; in -end.npy then the mean loss of each epoch.
tests/engine/test_train_spatial.c compares. Run from the top of the repository; needs PyTorch."""

import numpy as np
import torch
from torch import nn

FOLDER = "tests/reference/train/spatial-"
ROWS, BATCH, EPOCHS = 40, 24, 4
random = np.random.RandomState(12)
x = random.randn(ROWS, 2, 6, 6).astype(np.float32)
labels = random.randint(0, 3, ROWS).astype(np.int32)
torch.manual_seed(3)
model = nn.Sequential(
    nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(4, 6, 2, groups=2, bias=False), nn.BatchNorm2d(6, eps=1e-3, momentum=0.3), nn.ReLU(),
    nn.ConvTranspose2d(6, 4, 2, stride=2), nn.GroupNorm(2, 4), nn.AvgPool2d(2), nn.InstanceNorm2d(4, affine=True),
    nn.Flatten(), nn.LayerNorm(16), nn.Linear(16, 5), nn.BatchNorm1d(5, affine=False), nn.RMSNorm(5),
    nn.Linear(5, 3))


def everything():
    """Weights, biases and running statistics as they stand in the layers."""
    arrays = []
    for layer in model:
        arrays += [p.detach().numpy().ravel() for p in layer.parameters()]
        if getattr(layer, "running_mean", None) is not None:
            arrays += [layer.running_mean.numpy().ravel(), layer.running_var.numpy().ravel()]
    return np.concatenate(arrays).copy()


np.save(FOLDER + "x.npy", x.reshape(ROWS, -1))
np.save(FOLDER + "labels.npy", labels)
np.save(FOLDER + "start.npy", everything())
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
means = []
for _ in range(EPOCHS):
    total = 0.0
    for first in range(0, ROWS, BATCH):
        rows = slice(first, min(first + BATCH, ROWS))
        optimizer.zero_grad()
        y = torch.tensor(labels[rows], dtype=torch.long)
        loss = nn.functional.cross_entropy(model(torch.tensor(x[rows])), y)
        loss.backward()
        optimizer.step()
        total += float(loss.detach()) * len(y)
    means.append(total / ROWS)
np.save(FOLDER + "end.npy", np.concatenate([everything(), means]).astype(np.float32))
print(means)
