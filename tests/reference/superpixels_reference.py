#!/usr/bin/env python3
"""Writes tests/reference/superpixels/: images and the pieces that scikit-image cuts them into.

    python3 tests/reference/superpixels_reference.py        needs scikit-image, numpy

NAME.npy is an image (channels, height, width) of float32; NAME.slic-K.npy and NAME.quickshift-K.npy are labels
(height, width) for the parameters in CASES, K counting them. Grey images are cut as scikit-image's gray2rgb
of them, as the lime package does. NAME.noisy.npy: quickshift-0 as scikit-image itself says it, with the
noise that it adds to the densities; the others are without, and of images in which no two pixels have
the same density.
"""
import os

import numpy as np
from skimage.segmentation import quickshift, slic
from sklearn.datasets import load_sample_image

OUT = os.path.join(os.path.dirname(__file__), "superpixels")
SLIC = [dict(n_segments=100, compactness=10.0), dict(n_segments=12, compactness=2.0),
        dict(n_segments=40, compactness=40.0), dict(n_segments=5000, compactness=10.0)]
QUICKSHIFT = [dict(kernel_size=4, max_dist=200, ratio=0.2), dict(kernel_size=2, max_dist=6, ratio=0.5),
              dict(kernel_size=1.3, max_dist=200, ratio=0.05)]


class Silent:
    """In place of noise, none."""

    def normal(self, loc=0.0, scale=1.0, size=None):
        return np.zeros(size)


def without_noise(image, **options):
    kept = np.random.default_rng, np.random.RandomState
    np.random.default_rng = np.random.RandomState = lambda seed: Silent()
    try:
        return quickshift(image, **options)
    finally:
        np.random.default_rng, np.random.RandomState = kept


def shrink(image, step):
    h, w = image.shape[0] // step * step, image.shape[1] // step * step
    return image[:h, :w].reshape(h // step, step, w // step, step, 3).mean((1, 3))


def images():
    rng = np.random.default_rng(11)
    china = shrink(load_sample_image("china.jpg").astype(float) / 255, 10)
    flower = shrink(load_sample_image("flower.jpg").astype(float) / 255, 8)
    yield "china", china.transpose(2, 0, 1)
    yield "flower", flower.transpose(2, 0, 1)[:, 10:45, :]
    yield "grey", flower.mean(2)[None]
    yield "wide", np.clip(china[20:25].transpose(2, 0, 1) + rng.normal(0, 0.02, (3, 5, 64)), 0, 1)
    yield "noise", rng.random((3, 17, 23))


def main():
    os.makedirs(OUT, exist_ok=True)
    for name, image in images():
        image = image.astype(np.float32)
        np.save(os.path.join(OUT, name + ".npy"), image)
        last = np.repeat(image, 3 // len(image), 0).transpose(1, 2, 0).astype(float)
        for k, options in enumerate(SLIC):
            labels = slic(last, start_label=0, **options)
            np.save(os.path.join(OUT, "%s.slic-%d.npy" % (name, k)), labels.astype(np.int32))
        for k, options in enumerate(QUICKSHIFT):
            labels = without_noise(last, **options)
            np.save(os.path.join(OUT, "%s.quickshift-%d.npy" % (name, k)), labels.astype(np.int32))
        np.save(os.path.join(OUT, name + ".noisy.npy"), quickshift(last, **QUICKSHIFT[0]).astype(np.int32))


if __name__ == "__main__":
    main()
