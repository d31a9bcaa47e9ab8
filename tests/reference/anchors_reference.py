#!/usr/bin/env python3
"""Writes tests/reference/explainers/anchors.*: what the tests of `anchors` compare with.

    python3 tests/reference/anchors_reference.py        needs anchor-exp, scipy, numpy

  anchors.bounds   (n, 4) a mean, a divergence, and the two numbers that are so far from it: roots of the
                   divergence of Bernoulli distributions, by SciPy's brentq
  anchors.levels   (n, 4) arms, round, delta, and KL-LUCB's level, as the anchor package computes it

tests/bench/anchors.py compares the rules themselves with the package's.
"""
import os

import numpy as np
from anchor.anchor_base import AnchorBaseBeam
from scipy.optimize import brentq
from scipy.special import rel_entr

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "explainers")
TINY = 1e-300


def save(name, array):
    np.save(os.path.join(FOLDER, name + ".npy"), np.ascontiguousarray(array, dtype=np.float64))


def divergence(p, q):
    return rel_entr(p, q) + rel_entr(1 - p, 1 - q)


def least(p, d):
    """The q below p whose divergence is d; 0 where it is less than float64 can tell from 0."""
    if p == 0 or divergence(p, TINY) < d:
        return 0.0
    return brentq(lambda q: divergence(p, q) - d, TINY, p, xtol=TINY, rtol=1e-15, maxiter=5000)


def bounds():
    rows = []
    for p in (0, 1e-6, 0.01, 0.2, 0.5, 0.77, 0.95, 0.995, 1 - 1e-6, 1):
        for d in (1e-6, 1e-3, 0.02, 0.3, 2, 20):
            rows.append((p, d, least(p, d), 1 - least(1 - p, d)))
    save("anchors.bounds", rows)
    save("anchors.levels", [(k, t, delta, AnchorBaseBeam.compute_beta(k, t, delta))
                            for k in (2, 34, 1000) for t in (1, 7, 300) for delta in (0.01, 0.1, 0.5)])


if __name__ == "__main__":
    bounds()
