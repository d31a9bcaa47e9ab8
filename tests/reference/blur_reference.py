#!/usr/bin/env python3
"""Writes tests/reference/explainers/blur*.npy: what scipy.ndimage.gaussian_filter makes of arrays.

    python3 tests/reference/blur_reference.py        needs scipy, numpy

blur-x.npy: 48 numbers. blur-K.npy: them in the shape of case K, blurred along its last axes.
"""
import os

import numpy as np
from scipy.ndimage import gaussian_filter

OUT = os.path.join(os.path.dirname(__file__), "explainers")
CASES = [((48,), 1, 1.0), ((6, 8), 2, 0.7), ((3, 4, 4), 2, 2.5), ((2, 24), 1, 9.0), ((2, 3, 2, 4), 3, 1.2)]


def main():
    x = np.random.default_rng(4).normal(0, 1, 48).astype(np.float32)
    np.save(os.path.join(OUT, "blur-x.npy"), x)
    for k, (shape, axes, sigma) in enumerate(CASES):
        sigmas = [0] * (len(shape) - axes) + [sigma] * axes
        made = gaussian_filter(x.reshape(shape).astype(float), sigmas, mode="reflect")
        np.save(os.path.join(OUT, "blur-%d.npy" % k), made.ravel())


if __name__ == "__main__":
    main()
