"""What PyTorch makes of a small network (5 inputs, dense 7, relu, dense 4, tanh, dense C) trained
without shuffling on 40 rows in batches of 24, for each loss, optimizer and schedule. Writes
tests/reference/train/*.npy, which tests/engine/test_train.c compares with. For each case: the
parameters after the last epoch (weights (out, in) and bias of each layer in turn), then the mean
loss of each epoch. Run from the top of the repository; needs PyTorch."""

import numpy as np
import torch

FOLDER = "tests/reference/train/"
ROWS, BATCH = 40, 24
random = np.random.RandomState(11)
x = random.randn(ROWS, 5).astype(np.float32)
labels = random.randint(0, 3, ROWS).astype(np.int32)
numbers = (x[:, 0] * 2 - x[:, 1] * x[:, 2] + 1).astype(np.float64)
start = {}
for classes in (3, 1):
    sizes = [(7, 5), (4, 7), (classes, 4)]
    start[classes] = [random.uniform(-0.6, 0.6, s).astype(np.float32)
                      for out, size in sizes for s in ((out, size), (out,))]
class_weights = np.array([0.5, 2.0, 1.25])

np.save(FOLDER + "x.npy", x)
np.save(FOLDER + "labels.npy", labels)
np.save(FOLDER + "numbers.npy", numbers)
for classes, arrays in start.items():
    np.save(FOLDER + f"start_{classes}.npy", np.concatenate([a.ravel() for a in arrays]))


def cross_entropy(outputs, rows, weights=None, label_smoothing=0.0):
    y = torch.tensor(labels[rows], dtype=torch.long)
    w = None if weights is None else torch.tensor(weights, dtype=torch.float32)
    mean = torch.nn.functional.cross_entropy(outputs, y, w, label_smoothing=label_smoothing)
    return mean, float(len(rows) if w is None else w[y].sum())


def binary_cross_entropy(outputs, rows, weights=None):
    y = torch.tensor((labels[rows] > 0).astype(np.float32))
    w = torch.ones(len(rows)) if weights is None else torch.tensor(
        np.asarray(weights)[(labels[rows] > 0).astype(int)], dtype=torch.float32)
    each = torch.nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], y, reduction="none")
    return (w * each).sum() / w.sum(), float(w.sum())


def mse(outputs, rows):
    y = torch.tensor(numbers[rows], dtype=torch.float32)
    return torch.nn.functional.mse_loss(outputs[:, 0], y), float(len(rows))


def train(name, classes, loss, optimizer, epochs=3, schedule=None):
    layers = [torch.nn.Linear(5, 7), torch.nn.ReLU(), torch.nn.Linear(7, 4), torch.nn.Tanh(),
              torch.nn.Linear(4, classes)]
    model = torch.nn.Sequential(*layers)
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), start[classes]):
            parameter.copy_(torch.tensor(value))
    optimizer = optimizer(model.parameters())
    schedule = schedule and schedule(optimizer)
    means = []
    for _ in range(epochs):
        total = weight = 0.0
        for first in range(0, ROWS, BATCH):
            rows = np.arange(first, min(first + BATCH, ROWS))
            optimizer.zero_grad()
            value, denominator = loss(model(torch.tensor(x[rows])), rows)
            value.backward()
            optimizer.step()
            total += float(value.detach()) * denominator
            weight += denominator
        if schedule:
            schedule.step()
        means.append(total / weight)
    result = [p.detach().numpy().ravel() for p in model.parameters()] + [np.array(means)]
    np.save(FOLDER + name + ".npy", np.concatenate(result).astype(np.float32))
    print(name, means)


def sgd(**options):
    return lambda parameters: torch.optim.SGD(parameters, **options)


def adam(**options):
    return lambda parameters: torch.optim.Adam(parameters, **options)


def adamw(**options):
    return lambda parameters: torch.optim.AdamW(parameters, **options)


def schedule(make, **options):
    return lambda optimizer: make(optimizer, **options)


rates = torch.optim.lr_scheduler
train("sgd", 3, cross_entropy, sgd(lr=0.1))
train("sgd_default", 3, cross_entropy, sgd(lr=1e-3))
train("sgd_momentum", 3, cross_entropy, sgd(lr=0.1, momentum=0.9))
train("sgd_nesterov", 3, cross_entropy,
      sgd(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05))
train("adam", 3, cross_entropy, adam())
train("adam_options", 3, cross_entropy,
      adam(lr=0.05, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1))
train("adamw", 3, cross_entropy, adamw(lr=0.05))
train("smoothed_weighted", 3,
      lambda o, r: cross_entropy(o, r, class_weights, label_smoothing=0.1), sgd(lr=0.1))
train("binary", 1, binary_cross_entropy, sgd(lr=0.1))
train("binary_weighted", 1, lambda o, r: binary_cross_entropy(o, r, [0.5, 2.0]), sgd(lr=0.1))
train("mse", 1, mse, sgd(lr=0.1))
train("step_lr", 3, cross_entropy, sgd(lr=0.1), 5, schedule(rates.StepLR, step_size=2))
train("exponential_lr", 3, cross_entropy, sgd(lr=0.1), 5, schedule(rates.ExponentialLR, gamma=0.6))
train("cosine_annealing_lr", 3, cross_entropy, sgd(lr=0.1), 5,
      schedule(rates.CosineAnnealingLR, T_max=5))
train("cosine_annealing_lr_options", 3, cross_entropy, sgd(lr=0.1), 5,
      schedule(rates.CosineAnnealingLR, T_max=3, eta_min=0.02))
