#!/usr/bin/env python3
"""Writes tests/reference/explainers/randomisation.*: how alike pairs of maps are, for the judge
parameter_randomisation.

    python3 tests/reference/randomisation_reference.py        needs numpy, scipy, scikit-image

Six pairs of maps (2, 9, 11), some with many equal values; of them and of their sizes the rank correlation and
correlation (scipy) and the structural similarity (scikit-image: windows of 7 x 7, each map divided by its own
greatest size, planes on average).
"""
import os

import numpy as np
from scipy import stats
from skimage.metrics import structural_similarity

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "explainers")
draw = np.random.default_rng(11)
a = draw.normal(size=(6, 2, 9, 11)).astype(np.float32)
b = (a * np.linspace(1, -1, 6).reshape(6, 1, 1, 1) + 0.5 * draw.normal(size=a.shape)).astype(np.float32)
a[1], b[2] = np.round(a[1]), np.round(b[2])  # ties
a[3, :, :, 4:] = 0
np.save(os.path.join(FOLDER, "randomisation.a.npy"), a.reshape(6, -1))
np.save(os.path.join(FOLDER, "randomisation.b.npy"), b.reshape(6, -1))


def ssim(p, q, reach):
    p, q = p / np.abs(p).max(), q / np.abs(q).max()
    return np.mean([structural_similarity(x, y, win_size=7, data_range=reach) for x, y in zip(p, q)])


for name, change, reach in (("", np.asarray, 2), ("-absolute", np.abs, 1)):
    pairs = [(change(p.astype(np.float64)), change(q.astype(np.float64))) for p, q in zip(a, b)]
    values = {"spearman": [stats.spearmanr(p.ravel(), q.ravel()).statistic for p, q in pairs],
              "pearson": [stats.pearsonr(p.ravel(), q.ravel()).statistic for p, q in pairs],
              "ssim": [ssim(p, q, reach) for p, q in pairs]}
    for what, numbers in values.items():
        np.save(os.path.join(FOLDER, f"randomisation.{what}{name}.npy"), np.array(numbers))
        print(what + name, np.round(numbers, 4))
