#!/usr/bin/env python3
"""Writes tests/reference/explainers/*.npy: what tests/engine/test_explainers*.c and test_judges.c
compare with.

    python3 tests/reference/explainers_reference.py        needs torch, captum, numpy, mpmath

Attributions come from Captum in float64 on float32 weights and rows; its trapezoid is multiplied by
n / (n - 1), since its weights do not sum to one. Quadratures come from mpmath with 40 digits. What
judges say is written out here in numpy. A model is one file of its weights, layer by layer
(weight (out, in), bias), flattened; the test knows the sizes.
"""
import os
import warnings

import captum
import mpmath
import numpy as np
import torch
from captum.attr import (FeatureAblation, GuidedBackprop, InputXGradient, IntegratedGradients,
                         Occlusion, Saliency)

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "explainers")
SIZES = {"relu": [6, 8, 5, 3], "tanh": [5, 7, 4, 3], "mixed": [6, 9, 7, 5, 2]}
ACTIVATIONS = {
    "relu": [torch.nn.ReLU, torch.nn.ReLU],
    "tanh": [torch.nn.Tanh, torch.nn.Tanh],
    "mixed": [torch.nn.ELU, torch.nn.ReLU, lambda: torch.nn.LeakyReLU(0.01)],
}
GROUPS = {"relu": [2, 0, 1, 1, 0, 2], "tanh": [0, 1, 1, 0, 2], "mixed": [0, 0, 1, 1, 2, 2]}
SHAPES = {"relu": (1, 2, 3), "tanh": (1, 1, 5), "mixed": (1, 3, 2)}  # of a row, for occlusion
MASKS = {"relu": [1, 0, 0, 1, 0, 1], "tanh": [0, 1, 1, 0, 0], "mixed": [0, 0, 0, 0, 1, 0]}
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
    slide = Occlusion(net)
    cases["occlusion"] = slide.attribute(x, (2,), target=target)
    cases["occlusion-stride"] = slide.attribute(x, (3,), (2,), baselines, target=target)
    shape = (-1,) + SHAPES[name]
    window = tuple(min(2, dim) for dim in SHAPES[name])
    grid = Occlusion(torch.nn.Sequential(torch.nn.Flatten(), net)).attribute(
        x.reshape(shape), window, (1, 1, 2), baseline.reshape(shape), target=target)
    cases["occlusion-grid"] = grid.reshape(x.shape)
    for method in ("gausslegendre", "riemann_left", "riemann_right", "riemann_middle"):
        cases["ig-" + method] = ig.attribute(x, baseline, target=target, n_steps=20, method=method)
    return {case: values.detach().numpy() for case, values in cases.items()}


def curve(score, i, start, end, attribution, step, unit_of):
    """Fractions replaced and scores of row i on its way from start to end."""
    units = attribution.shape[1]
    order = sorted(range(units), key=lambda u: (-attribution[i, u], u))
    row, replaced, points, at = start.copy(), 0, [], []
    while True:
        points.append(score(row, i))
        at.append(replaced / units)
        if replaced == units:
            return at, points
        for unit in order[replaced:replaced + step]:
            row[unit_of == unit] = end[unit_of == unit]
        replaced = min(replaced + step, units)


def area(at, points):
    return sum((points[k] + points[k + 1]) / 2 * (at[k + 1] - at[k]) for k in range(len(at) - 1))


def save_curves(name, case, score, x, attribution, fill, step, unit_of):
    """Deletion, insertion and pixel flipping of every row."""
    rows = range(len(x))
    going = [curve(score, i, x[i], fill, attribution, step, unit_of) for i in rows]
    coming = [curve(score, i, fill, x[i], attribution, step, unit_of) for i in rows]
    save("%s.deletion%s" % (name, case), [area(*one) for one in going])
    save("%s.insertion%s" % (name, case), [area(*one) for one in coming])
    save("%s.pixel_flipping%s" % (name, case), [np.mean(points[1:]) for _, points in going])


def save_of_sizes(name, net, x, baseline, target, values):
    """What is said of the sizes alone, and of the sum."""
    mask = np.array(MASKS[name], bool)
    size = np.abs(values["input_x_gradient"].astype(np.float32)).astype(np.float64)
    n = size.shape[1]
    gini, entropy, mass, rank, hit = [], [], [], [], []
    for row in size:
        gini.append(np.abs(row[:, None] - row[None]).sum() / (2 * n * row.sum()))
        share = row / row.sum()
        entropy.append(-sum(p * np.log(p) for p in share if p > 0))
        mass.append(row[mask].sum() / row.sum())
        order = sorted(range(n), key=lambda u: (-row[u], u))
        rank.append(np.mean([mask[u] for u in order[:mask.sum()]]))
        hit.append(float(mask[order[0]]))
    save(name + ".sparseness", gini)
    save(name + ".complexity", entropy)
    save(name + ".relevance_mass", mass)
    save(name + ".relevance_rank", rank)
    save(name + ".pointing_game", hit)
    rows = np.arange(len(x))
    gain = (net(x)[rows, target] - net(baseline)[0, target]).detach().numpy()
    sums = values["ig-riemann_left"].astype(np.float32).astype(np.float64).sum(1)
    save(name + ".completeness", np.abs(sums - gain))


def save_judges(name, net, x, baseline, target, values):
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
    save_curves(name, "", probability, rows, single, zero, 1, alone)
    save_curves(name, "-step4", probability, rows, single, fill, 4, alone)
    save_curves(name, "-output", output, rows, single, fill, 1, alone)
    save_curves(name, "-groups", probability, rows, by_group, fill, 1, groups)
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
        save_judges(name, net, x, baseline, target, values)
        save_of_sizes(name, net, x, baseline, target, values)
    print("captum", captum.__version__, "torch", torch.__version__, "numpy", np.__version__)


if __name__ == "__main__":
    main()
