#!/usr/bin/env python3
"""Writes tests/reference/explainers/kernel-M.pairs.npy and kernel-M.shapiq.npy: what
tests/engine/test_explainers_interaction.c compares with.

    python3 tests/reference/interaction_reference.py        needs shapiq, numpy

For M = 12 to 14 the networks, rows and baselines of kernel-M.network (shapley_reference.py). pairs are (M, M) their
Shapley interaction indices, by shapiq's ExactComputer, whole on both sides of the diagonal, which is 0; shapiq the mean
squared errors of its closest approximator of them, KernelSHAPIQ, at 4M + 2048 evaluations, one a seed.
"""
import os

import numpy as np
import shapiq

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "explainers")
SEEDS = 40


def values_of(numbers, n):
    """f at every coalition of the row's inputs, the others from the baseline, in float64."""
    weight, at = numbers[:9 * n].reshape(9, n), 9 * n
    bias, out, last = numbers[at:at + 9], numbers[at + 9:at + 18], numbers[at + 18]
    row, base = numbers[at + 19:at + 19 + n], numbers[at + 19 + n:at + 19 + 2 * n]
    kept = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    return np.tanh(np.where(kept, row, base) @ weight.T + bias) @ out + last


class Network(shapiq.Game):
    def __init__(self, n, values):
        super().__init__(n, normalize=True, normalization_value=float(values[0]))
        self.values = values

    def value_function(self, coalitions):
        return self.values[(coalitions.astype(int) << np.arange(self.n_players)).sum(1)]


for n in range(12, 15):
    numbers = np.load(os.path.join(FOLDER, "kernel-%d.network.npy" % n)).astype(np.float64).ravel()
    game = Network(n, values_of(numbers, n))
    found = shapiq.ExactComputer(game)("SII", 2)
    pairs = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1, n):
            pairs[i, j] = pairs[j, i] = found[(i, j)]
    upper, errors = np.triu_indices(n, 1), []
    for seed in range(SEEDS):
        estimate = shapiq.KernelSHAPIQ(n=n, max_order=2, index="SII", random_state=seed).approximate(
            budget=4 * n + 2048, game=game)
        got = np.array([estimate[(i, j)] for i, j in zip(*upper)])
        errors.append(np.mean((got - pairs[upper])**2))
    np.save(os.path.join(FOLDER, "kernel-%d.pairs.npy" % n), pairs)
    np.save(os.path.join(FOLDER, "kernel-%d.shapiq.npy" % n), np.array(errors))
    print(n, np.mean(errors), flush=True)
