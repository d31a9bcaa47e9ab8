#!/usr/bin/env python3
"""The polynomials of engine/kernels/elementary_body.h: minimax fits by Lawson's iteration.

    tests/reference/elementary_fit.py        (numpy, mpmath)

Prints coefficients, the constant first, rounded to float32, and the greatest weighted error of the fit."""
import math

import mpmath
import numpy as np
from numpy.polynomial import chebyshev, polynomial


def fit(name, f, weight, low, high, degree, points=2000):
    t = np.cos((np.arange(points) + 0.5) / points * math.pi)
    x = (low + high) / 2 + (high - low) / 2 * t
    y, w = np.array([f(v) for v in x]), np.array([weight(v) for v in x])
    basis, share = chebyshev.chebvander(t, degree), np.ones(points)
    for _ in range(60):
        scale = np.sqrt(share) * w
        c = np.linalg.lstsq(basis * scale[:, None], y * scale, rcond=None)[0]
        error = np.abs((basis @ c - y) * w)
        share = share * error / (share * error).sum()
    line = np.array([-(low + high) / (high - low), 2 / (high - low)])
    out = np.zeros(1)
    for k in reversed(chebyshev.cheb2poly(c)):
        out = polynomial.polyadd(polynomial.polymul(out, line), [k])
    print(name, [float(np.float32(v)) for v in out], error.max())


def exp_rest(r):
    return sum(r**k / math.factorial(k + 2) for k in range(12))


def tanh_rest(s):
    x = math.sqrt(s)
    return -1 / 3 + 2 / 15 * s - 17 / 315 * s * s + 62 / 2835 * s**3 if s < 1e-3 else (math.tanh(x) - x) / x**3


def erf_rest(s):
    x = math.sqrt(s)
    return 2 / math.sqrt(math.pi) - 1 if s < 1e-12 else math.erf(x) / x - 1


def erfc_rest(u):
    z = mpmath.mpf(2 * (1 / u - 1))
    return float(mpmath.log(mpmath.erfc(z) * mpmath.exp(z * z) / u))


half = math.log(2) / 2 * 1.0001
fit("exp  P(r)  ", exp_rest, lambda r: r * r, -half, half, 4)
fit("tanh P(x^2)", tanh_rest, lambda s: s, 0, 0.625**2, 4)
fit("erf  P(x^2)", erf_rest, lambda s: 1, 0, 0.9**2, 5)
fit("erfc P(u)  ", erfc_rest, lambda u: 1, 1 / 6.0, 1, 9, 1200)
