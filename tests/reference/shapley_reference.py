#!/usr/bin/env python3
"""Writes tests/reference/explainers/*.shapley*.npy: what tests/engine/test_explainers_shapley.c compares with.

    python3 tests/reference/shapley_reference.py        needs torch, captum, shap, numpy

The networks, rows and baselines are those of explainers_reference.py, read from its files. Captum goes
through all orders of the features; shap's Exact explainer averages over a background, and so does its Partition
explainer, over a tree. For M = 12 to 16
inputs kernel-M.network is a network (M -> 9 tanh -> 1) with a row and a baseline, kernel-M.exact its Shapley
values, and kernel-M.shap the mean squared errors of shap's KernelExplainer at 2M + 2048 evaluations, one a
seed. For M = 6 and 9 kernel-l1-M.network is the same kind of network, and kernel-l1-M.values what
KernelExplainer gives it over all coalitions with each l1_reg of L1.
"""
import os
from math import factorial

import numpy as np
import shap
import torch
from captum.attr import ShapleyValues
from scipy.cluster.hierarchy import single
from scipy.spatial.distance import pdist

from explainers_reference import ACTIVATIONS, FOLDER, GROUPS, ROWS, SIZES, save


def load(name, part):
    return np.load(os.path.join(FOLDER, "%s.%s.npy" % (name, part)))


def network(name):
    flat, layers, at = load(name, "weights"), [], 0
    sizes = SIZES[name]
    for i, (inputs, outputs) in enumerate(zip(sizes[:-1], sizes[1:])):
        dense = torch.nn.Linear(inputs, outputs).double()
        with torch.no_grad():
            dense.weight.copy_(torch.from_numpy(flat[at:at + inputs * outputs]).view(outputs, inputs))
            at += inputs * outputs
            dense.bias.copy_(torch.from_numpy(flat[at:at + outputs]))
            at += outputs
        layers.append(dense)
        if i < len(sizes) - 2:
            layers.append(ACTIVATIONS[name][i]())
    return torch.nn.Sequential(*layers).eval()


def all_orders(net, x, baseline, target, groups=None):
    """Captum's ShapleyValues takes every order once."""
    explainer = ShapleyValues(net)
    mask = None if groups is None else torch.tensor([groups])
    return explainer.attribute(x, baseline, target=target, feature_mask=mask).numpy()


def over_background(net, x, background, target):
    def predict(rows):
        with torch.no_grad():
            return net(torch.from_numpy(np.asarray(rows, dtype=np.float64))).numpy()

    masker = shap.maskers.Independent(background, max_samples=len(background))
    values = shap.explainers.Exact(predict, masker)(x).values
    return np.stack([values[i, :, t] for i, t in enumerate(target)])


def exact(f, x, base):
    """By the definition, from the values of all coalitions."""
    n = len(x)
    masks = (np.arange(2 ** n)[:, None] >> np.arange(n)) & 1
    value = f(np.where(masks == 1, x, base))
    size = masks.sum(1)
    weight = np.array([factorial(s) * factorial(n - s - 1) / factorial(n) for s in range(n)])
    without = [np.flatnonzero(masks[:, i] == 0) for i in range(n)]
    return np.array([(weight[size[s]] * (value[s + 2 ** i] - value[s])).sum()
                     for i, s in enumerate(without)])


def make_network(n, seed, name):
    """Saves a network (n -> 9 tanh -> 1), a row and a baseline; returns it as a function, and these."""
    rng = np.random.default_rng(seed)
    hidden, out = rng.normal(0, 1 / np.sqrt(n), (9, n)), rng.normal(0, 1, 9)
    bias, last = rng.normal(0, 0.3, 9), rng.normal(0, 0.3, 1)
    x, base = rng.normal(0, 1.5, n), rng.normal(0, 0.5, n)
    parts = [p.astype(np.float32) for p in (hidden.ravel(), bias, out, last, x, base)]
    save(name, np.concatenate(parts), np.float32)
    hidden, bias, out, last, x, base = [p.astype(np.float64) for p in parts]
    hidden = hidden.reshape(9, n)

    def f(rows):
        return np.tanh(rows @ hidden.T + bias) @ out + last

    return f, x, base


L1 = ["num_features(1)", "num_features(3)", "num_features(5)", "aic", "bic", 0.0005, 0.002, 0.01, 0.03]


def sparse(n):
    """A penalty is on the scale of y: that of the network's output over the coalitions."""
    f, x, base = make_network(n, 200 + n, "kernel-l1-%d.network" % n)
    rows = []
    for rule in L1:
        explainer = shap.KernelExplainer(f, base[None])
        rows.append(np.ravel(explainer.shap_values(x[None], nsamples=2 ** n, l1_reg=rule, silent=True)))
    save("kernel-l1-%d.values" % n, np.array(rows))
    return np.array(rows)


def partition(name, net, x, background, target):
    """Over a tree of its own, and over the one that correlation makes of the background."""
    def predict(rows):
        with torch.no_grad():
            return net(torch.from_numpy(np.asarray(rows, dtype=np.float64))).numpy()

    n, given = x.shape[1], []
    for i in range(n - 1):  # the last feature with the first, then each next one with all so far
        given.append([n - 1 if i == 0 else n + i - 1, i, i + 1, i + 2])
    correlated = single(pdist(background.T, metric="correlation"))
    for part, tree in (("given", np.array(given, dtype=float)), ("correlation", correlated)):
        masker = shap.maskers.Partition(background, max_samples=len(background), clustering=tree)
        values = shap.explainers.Partition(predict, masker)(x, max_evals=100000, silent=True).values
        save("%s.partition-%s" % (name, part), np.stack([values[i, :, t] for i, t in enumerate(target)]))


def trees():
    """For tests/spec/cases/explainer-partition.spec: a linkage matrix of six features, and two that are none."""
    save("tree-linkage", [[0, 1, 0.5, 2], [2, 6, 0.7, 3], [3, 4, 0.8, 2], [7, 8, 1, 5], [9, 5, 1.2, 6]])
    save("tree-short", [[0, 1, 0.5, 2]])
    save("tree-half", [[0, 1.5, 0, 0]] * 5)


def kernel_errors(n, seeds=300):
    f, x, base = make_network(n, 100 + n, "kernel-%d.network" % n)
    wanted, errors = exact(f, x, base), []
    save("kernel-%d.exact" % n, wanted)
    explainer = shap.KernelExplainer(f, base[None])
    for seed in range(seeds):
        np.random.seed(seed)
        got = explainer.shap_values(x[None], nsamples=2 * n + 2048, l1_reg=0, silent=True)
        errors.append(((np.ravel(got) - wanted) ** 2).mean())
    save("kernel-%d.shap" % n, errors)


def main():
    for n in range(12, 17):
        kernel_errors(n)
    for n in (6, 9):
        sparse(n)
    trees()
    for name in SIZES:
        net = network(name)
        x = torch.from_numpy(load(name, "x")).double()
        rows = torch.from_numpy(load(name, "baselines")).double()
        target = [i % SIZES[name][-1] for i in range(ROWS)]
        save(name + ".shapley", all_orders(net, x, rows[:1].clone(), target))
        save(name + ".shapley-rows", all_orders(net, x, rows, target))
        save(name + ".shapley-groups", all_orders(net, x, rows[:1].clone(), target, GROUPS[name]))
        save(name + ".shapley-background", over_background(net, x.numpy(), rows.numpy(), target))
        partition(name, net, x.numpy(), rows.numpy(), target)
    print("shap", shap.__version__, "torch", torch.__version__)


if __name__ == "__main__":
    main()
