#!/usr/bin/env python3
"""Writes tests/reference/explainers/*.npy: what tests/engine/test_explainers.c and test_judges.c
compare with.

    python3 tests/reference/explainers_reference.py        needs torch, captum, numpy, mpmath

Attributions come from Captum in float64 on float32 weights and rows; its trapezoid is multiplied by
n / (n - 1), since its weights do not sum to one. Quadratures come from mpmath with 40 digits. The
deletion curves are written out here in numpy. A model is one file of its weights, layer by layer
(weight (out, in), bias), flattened; the test knows the sizes.
"""
import os
import warnings

import captum
import mpmath
import numpy as np
import torch
from captum.attr import (FeatureAblation, GuidedBackprop, InputXGradient, IntegratedGradients,
                         Saliency)

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "explainers")
SIZES = {"relu": [6, 8, 5, 3], "tanh": [5, 7, 4, 3], "mixed": [6, 9, 7, 5, 2]}
ACTIVATIONS = {
    "relu": [torch.nn.ReLU, torch.nn.ReLU],
    "tanh": [torch.nn.Tanh, torch.nn.Tanh],
    "mixed": [torch.nn.ELU, torch.nn.ReLU, lambda: torch.nn.LeakyReLU(0.01)],
}
GROUPS = {"relu": [2, 0, 1, 1, 0, 2], "tanh": [0, 1, 1, 0, 2], "mixed": [0, 0, 1, 1, 2, 2]}
ROWS = 9


def save(name, array, dtype=np.float64):
    np.save(os.path.join(FOLDER, name + ".npy"), np.ascontiguousarray(array, dtype=dtype))


def make(name, rng):
    """The network in float64, with weights that are float32 numbers."""
    sizes, layers, flat = SIZES[name], [], []
    for i, (inputs, outputs) in enumerate(zip(sizes[:-1], sizes[1:])):
        weight = rng.normal(0, 1.5 / np.sqrt(inputs), (outputs, inputs)).astype(np.float32)
        bias = rng.normal(0, 0.3, outputs).astype(np.float32)
        dense = torch.nn.Linear(inputs, outputs).double()
        with torch.no_grad():
            dense.weight.copy_(torch.from_numpy(weight))
            dense.bias.copy_(torch.from_numpy(bias))
        layers.append(dense)
        if i < len(sizes) - 2:
            layers.append(ACTIVATIONS[name][i]())
        flat += [weight.ravel(), bias]
    save(name + ".weights", np.concatenate(flat), np.float32)
    return torch.nn.Sequential(*layers).eval()


def trapezoid(explainer, x, baseline, target, steps):
    values = explainer.attribute(x, baseline, target=target, n_steps=steps,
                                 method="riemann_trapezoid")
    return values * steps / (steps - 1)


def attributions(name, net, x, baseline, baselines, target):
    """Every explainer of the table, by the name of its file."""
    ig, raw = IntegratedGradients(net), IntegratedGradients(net, multiply_by_inputs=False)
    probability = IntegratedGradients(torch.nn.Sequential(net, torch.nn.Softmax(dim=1)))
    ablation = FeatureAblation(net)
    groups = torch.tensor([GROUPS[name]])
    cases = {
        "saliency": Saliency(net).attribute(x, target=target),
        "saliency-signed": Saliency(net).attribute(x, target=target, abs=False),
        "input_x_gradient": InputXGradient(net).attribute(x, target=target),
        "guided_backprop": GuidedBackprop(net).attribute(x, target=target),
        "feature_ablation": ablation.attribute(x, target=target),
        "feature_ablation-baseline": ablation.attribute(x, baseline, target=target),
        "feature_ablation-rows": ablation.attribute(x, baselines, target=target),
        "feature_ablation-groups": ablation.attribute(x, baseline, target=target,
                                                      feature_mask=groups),
        "ig-rows": ig.attribute(x, baselines, target=target, n_steps=30),
        "ig-gradient": raw.attribute(x, baseline, target=target, n_steps=50),
        "ig-probability": probability.attribute(x, baseline, target=target, n_steps=40),
        "ig-trapezoid": trapezoid(ig, x, baseline, target, 20),
        "ig-one": ig.attribute(x, baseline, target=target, n_steps=1),
        "ig-long": ig.attribute(x, baseline, target=target, n_steps=150),
    }
    for method in ("gausslegendre", "riemann_left", "riemann_right", "riemann_middle"):
        cases["ig-" + method] = ig.attribute(x, baseline, target=target, n_steps=20, method=method)
    return {case: values.detach().numpy() for case, values in cases.items()}


def deletion(score, x, attribution, fill, step, unit_of):
    """Area under the score of each row over the fraction of units removed."""
    areas = []
    for i in range(len(x)):
        units = attribution.shape[1]
        order = sorted(range(units), key=lambda u: (-attribution[i, u], u))
        row, removed, points, at = x[i].copy(), 0, [], []
        while True:
            points.append(score(row, i))
            at.append(removed / units)
            if removed == units:
                break
            for unit in order[removed:removed + step]:
                row[unit_of == unit] = fill[unit_of == unit]
            removed = min(removed + step, units)
        areas.append(sum((points[k] + points[k + 1]) / 2 * (at[k + 1] - at[k])
                         for k in range(len(at) - 1)))
    return areas


def deletions(name, net, x, baseline, target, values):
    def output(row, i):
        return net(torch.from_numpy(row)[None])[0, target[i]].item()

    def probability(row, i):
        return torch.softmax(net(torch.from_numpy(row)[None]), 1)[0, target[i]].item()

    # The order is that of the float32 numbers which the test reads.
    rows, zero = x.numpy(), np.zeros(x.shape[1])
    alone, groups = np.arange(x.shape[1]), np.array(GROUPS[name])
    single = values["input_x_gradient"].astype(np.float32)
    grouped = values["feature_ablation-groups"].astype(np.float32)
    by_group = np.stack([grouped[:, GROUPS[name].index(g)] for g in range(groups.max() + 1)], 1)
    fill = baseline.numpy()[0]
    save(name + ".deletion", deletion(probability, rows, single, zero, 1, alone))
    save(name + ".deletion-step4", deletion(probability, rows, single, fill, 4, alone))
    save(name + ".deletion-output", deletion(output, rows, single, fill, 1, alone))
    save(name + ".deletion-groups", deletion(probability, rows, by_group, fill, 1, groups))
    save(name + ".groups-attribution", by_group, np.float32)


def gauss_legendre(n):
    """Nodes ascending and weights on [0, 1]."""
    mpmath.mp.dps = 40
    near = []
    for i in range((n + 1) // 2):
        x = mpmath.cos(mpmath.pi * (i + mpmath.mpf(3) / 4) / (n + mpmath.mpf(1) / 2))
        for _ in range(8):
            p0, p1 = mpmath.mpf(1), x
            for j in range(2, n + 1):
                p0, p1 = p1, ((2 * j - 1) * x * p1 - (j - 1) * p0) / j
            slope = n * (p0 - x * p1) / (1 - x * x)
            x -= p1 / slope
            if abs(p1 / slope) < mpmath.mpf(10) ** -32:
                break
        near.append(((1 - x) / 2, 1 / ((1 - x * x) * slope * slope)))
    nodes = [a for a, _ in near] + [1 - a for a, _ in reversed(near[:n // 2])]
    weights = [w for _, w in near] + [w for _, w in reversed(near[:n // 2])]
    return [[float(a) for a in nodes], [float(w) for w in weights]]


def main():
    warnings.simplefilter("ignore")  # Captum asks for gradients where a row has none yet
    os.makedirs(FOLDER, exist_ok=True)
    for n in (1, 2, 3, 4, 5, 20, 50, 101, 1000):
        save("quadrature-%d" % n, gauss_legendre(n))
    for seed, name in enumerate(SIZES):
        rng = np.random.default_rng(20 + seed)
        net = make(name, rng)
        width, outputs = SIZES[name][0], SIZES[name][-1]
        x = torch.from_numpy(rng.normal(0, 1, (ROWS, width)).astype(np.float32)).double()
        baselines = torch.from_numpy(rng.normal(0, 0.5, (ROWS, width)).astype(np.float32)).double()
        baseline, target = baselines[:1].clone(), [i % outputs for i in range(ROWS)]
        save(name + ".x", x, np.float32)
        save(name + ".baselines", baselines, np.float32)
        save(name + ".output", net(x).detach().numpy())
        save(name + ".baseline_output", net(baselines).detach().numpy())
        values = attributions(name, net, x, baseline, baselines, target)
        for case, array in values.items():
            save(name + "." + case, array)
        deletions(name, net, x, baseline, target, values)
    print("captum", captum.__version__, "torch", torch.__version__, "numpy", np.__version__)


if __name__ == "__main__":
    main()
