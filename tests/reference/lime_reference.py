#!/usr/bin/env python3
"""Writes tests/reference/explainers/lime.*: what the tests of `lime` compare with.

    python3 tests/reference/lime_reference.py        needs torch, lime, scikit-learn, safetensors, numpy

  lime.fit-*    samples (z, y, weight) as the lime package draws them, and the coefficients, intercept and
                R^2 that it fits to them, for each way to choose features
  lime.bins-*   columns of numbers with classes, and the bounds of the package's discretizers
  lime.credit-* and lime.cancer-*  a network for german_credit.csv (every fourth row is a test row) and
                one for scikit-learn's breast cancer data, and what the package says of 20 rows, once a seed
  lime.digits-* the same of 20 pictures of scikit-learn's digits, in 16 segments of 2 x 2 pixels
  lime.pictures-*  the same of 10 coloured pictures (3, 24, 24) in the package's own quickshift segments: `whole`
                with its defaults, `fine` with smaller ones; -x the pictures, -weights the network's, -label the
                segments, -SEED the coefficients (rows, segments), NaN where a row has fewer

In a bin whose two ends are one number the package (0.2.0.1) puts 0 into its samples. lime.credit-zero-* are
as it does that, in lime.credit-* (and nowhere else) the number is kept.
"""
import csv
import os
import warnings

import numpy as np
import torch
from lime.discretize import BaseDiscretizer, DecileDiscretizer, EntropyDiscretizer, QuartileDiscretizer
from lime.lime_base import LimeBase
from lime.lime_image import LimeImageExplainer
from lime.lime_tabular import LimeTabularExplainer
from safetensors.numpy import save_file
from lime.wrappers.scikit_image import SegmentationAlgorithm
from sklearn.datasets import load_breast_cancer, load_digits, load_sample_images

from explainers_reference import FOLDER, save

CREDIT = os.path.join(os.path.dirname(__file__), "..", "..", "experiments", "data", "german_credit.csv")
SEEDS, EXPLAINED = 6, 20
SELECTIONS = ["forward_selection", "highest_weights", "none", "lasso_path"]


def fits():
    """Binary z, as with bins, of 9 features; and numbers, as without, of 6."""
    rng = np.random.default_rng(5)
    for name, width, kernel in (("binary", 9, 0.75 * 3), ("numbers", 6, 0.75 * 6 ** 0.5)):
        z = rng.normal(0, 1, (400, width))
        z[:, 3] = 0.9 * z[:, 2] + 0.1 * z[:, 3]
        z[:, 4] = 0.5  # does not vary
        if name == "binary":
            z = (z > 0.4).astype(float)
            z[0] = 1
        y = 1 / (1 + np.exp(-(z @ rng.normal(0, 1, width) + z[:, 0] * z[:, 1])))
        distances = np.sqrt(((z - z[0]) ** 2).sum(1))
        base = LimeBase(lambda d, k=kernel: np.sqrt(np.exp(-d ** 2 / k ** 2)), random_state=0)
        weight = base.kernel_fn(distances)
        results = []
        for selection in SELECTIONS:
            for count in (1, 3, 5, width):
                intercept, pairs, r2, _ = base.explain_instance_with_data(
                    z, y[:, None], distances, 0, count, feature_selection=selection)
                row = np.zeros(width + 2)
                for feature, value in pairs:
                    row[feature] = value
                row[width:] = intercept, r2
                results.append(row)
        save("lime.fit-%s-z" % name, z)
        save("lime.fit-%s-y" % name, y)
        save("lime.fit-%s-weight" % name, weight)
        save("lime.fit-%s" % name, results)


def bins():
    """Ten bounds a column, NaN where there are fewer: quartile, decile, entropy one below the other."""
    rng = np.random.default_rng(6)
    n = 150
    x = np.stack([rng.normal(0, 2, n), rng.integers(1, 5, n), np.exp(rng.normal(0, 1, n)),
                  np.where(rng.random(n) < 0.7, 0, rng.random(n)), np.full(n, 3.25)], axis=1)
    x = x.astype(np.float32).astype(np.float64)
    labels = (x[:, 0] + rng.normal(0, 1, n) > 0.5).astype(int) + (x[:, 1] > 2) * (rng.random(n) < 0.5)
    bounds = np.full((3, x.shape[1], 9), np.nan)
    for k, kind in enumerate((QuartileDiscretizer, DecileDiscretizer, EntropyDiscretizer)):
        made = kind(x, [], [str(c) for c in range(x.shape[1])], labels=labels, random_state=0)
        for c, list_of in enumerate(made.bins(x, labels)):
            list_of = np.unique(list_of)
            bounds[k, c, :len(list_of)] = list_of
    save("lime.bins-x", x)
    save("lime.bins-labels", labels)
    save("lime.bins", bounds)


def train(x, y, path, classes=2):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 16), torch.nn.ReLU(), torch.nn.Linear(16, classes))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2, weight_decay=1e-3)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    for _ in range(120):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    names = {"0": "a", "2": "b"}
    save_file({names[k.split(".")[0]] + "." + k.split(".")[1]: v.detach().numpy()
               for k, v in net.state_dict().items()}, os.path.join(FOLDER, path))

    def predict(rows):
        with torch.no_grad():
            return torch.softmax(net(torch.tensor(rows, dtype=torch.float32)), 1).numpy()

    return predict


def explain(name, explainer_of, rows, predict):
    for seed in range(SEEDS):
        explainer, result = explainer_of(seed), np.zeros((EXPLAINED, rows.shape[1]))
        for i in range(EXPLAINED):
            for feature, value in explainer.explain_instance(rows[i], predict, labels=(1,)).local_exp[1]:
                result[i, feature] = value
        save("lime.%s-%d" % (name, seed), result, np.float32)


def cancer():
    data = load_breast_cancer()
    x = ((data.data - data.data.mean(0)) / data.data.std(0)).astype(np.float32)
    rows, training = x[:EXPLAINED], x[EXPLAINED:220]
    predict = train(training, data.target[EXPLAINED:220], "lime.cancer.safetensors")
    save("lime.cancer-x", rows, np.float32)
    save("lime.cancer-training", training, np.float32)
    training = training.astype(np.float64)
    explain("cancer", lambda seed: LimeTabularExplainer(training, random_state=seed),
            rows.astype(np.float64), predict)


def digits():
    data = load_digits()
    x = (data.images / 16).astype(np.float32)
    rows = x[:EXPLAINED]
    predict = train(x[EXPLAINED:500].reshape(-1, 64), data.target[EXPLAINED:500], "lime.digits.safetensors", 10)
    save("lime.digits-x", rows[:, None], np.float32)
    segments = np.arange(8)[:, None] // 2 * 4 + np.arange(8) // 2
    for seed in range(SEEDS):
        explainer, result = LimeImageExplainer(random_state=seed), np.zeros((EXPLAINED, 16))
        for i in range(EXPLAINED):
            told = explainer.explain_instance(
                rows[i].astype(float), lambda images: predict(images[..., 0].reshape(-1, 64)), labels=(1,),
                top_labels=None, segmentation_fn=lambda image: segments)
            for feature, value in told.local_exp[1]:
                result[i, feature] = value
        save("lime.digits-%d" % seed, result[:, segments][:, None], np.float32)


def crops():
    """Pictures of 24 x 24 from scikit-learn's two photographs, and which it was."""
    rng, x, y = np.random.default_rng(8), [], []
    for k in range(160):
        photo, side = load_sample_images().images[k % 2], 24 * int(rng.integers(4, 11))
        top, left = (int(rng.integers(0, size - side)) for size in photo.shape[:2])
        piece = photo[top:top + side, left:left + side].reshape(24, side // 24, 24, side // 24, 3)
        x.append(piece.mean((1, 3)).round() / 255)
        y.append(k % 2)
    return np.array(x).transpose(0, 3, 1, 2).astype(np.float32), np.array(y)


def pictures():
    x, y = crops()
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 24 * 24, 6), torch.nn.ReLU(), torch.nn.Linear(6, 2))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3, weight_decay=1e-2)
    inputs, labels = torch.tensor(x[EXPLAINED:]), torch.tensor(y[EXPLAINED:])
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(inputs), labels).backward()
        optimizer.step()
    rows = x[:10]
    save("lime.pictures-x", rows, np.float32)
    save("lime.pictures-weights", np.concatenate([p.detach().numpy().ravel() for p in net.parameters()]), np.float32)

    def predict(images):
        with torch.no_grad():
            return torch.softmax(net(torch.tensor(images.transpose(0, 3, 1, 2), dtype=torch.float32)), 1).numpy()

    fine = SegmentationAlgorithm("quickshift", kernel_size=2, max_dist=6, ratio=0.5)
    for name, segment in (("whole", None), ("fine", fine)):
        found = np.full((SEEDS, len(rows), 24 * 24), np.nan)
        for seed in range(SEEDS):
            explainer, segments = LimeImageExplainer(random_state=seed), []
            for i, row in enumerate(rows):
                told = explainer.explain_instance(row.transpose(1, 2, 0).astype(float), predict, labels=(1,),
                                                  top_labels=None, segmentation_fn=segment)
                for feature, value in told.local_exp[1]:
                    found[seed, i, feature] = value
                segments.append(told.segments)
        save("lime.pictures-%s-label" % name, segments, np.int32)
        most = int(np.isfinite(found).any((0, 1)).sum())
        for seed in range(SEEDS):
            save("lime.pictures-%s-%d" % (name, seed), found[seed, :, :most], np.float32)


def keep_points():
    """Bins whose ends are one number give that number."""
    given = BaseDiscretizer.get_undiscretize_values

    def kept(self, feature, values):
        drawn = given(self, feature, values)
        low, high = np.array(self.mins[feature])[values], np.array(self.maxs[feature])[values]
        return np.where(low == high, low, drawn)

    BaseDiscretizer.get_undiscretize_values = kept


def credit():
    with open(CREDIT, newline="") as file:
        header, *table = list(csv.reader(file))
    columns = [c for c in header if c != "class"]
    raw = {c: [row[header.index(c)] for row in table] for c in columns}
    y = np.array([row[header.index("class")] == "bad" for row in table]).astype(int)
    test = np.arange(len(table)) % 4 == 3
    coded, encoders, categorical = [], [], []
    for k, c in enumerate(columns):
        try:
            values = np.array([float(v) for v in raw[c]])
            mean, deviation = values[~test].mean(), values[~test].std()
            encoders.append(lambda v, m=mean, d=deviation or 1: ((v - m) / d)[:, None])
        except ValueError:
            categories = sorted(set(np.array(raw[c])[~test]))
            values = np.array([categories.index(v) if v in categories else -1 for v in raw[c]], dtype=float)
            encoders.append(lambda v, n=len(categories): (v[:, None] == np.arange(n)).astype(float))
            categorical.append(k)
        coded.append(values)
    coded = np.stack(coded, 1)

    def encode(rows):
        return np.concatenate([e(rows[:, k]) for k, e in enumerate(encoders)], 1)

    predict = train(encode(coded[~test]), y[~test], "lime.credit.safetensors")
    for name in ("credit-zero", "credit"):
        explain(name, lambda seed: LimeTabularExplainer(coded[~test], categorical_features=categorical,
                                                        random_state=seed),
                coded[test], lambda rows: predict(encode(rows)))
        keep_points()


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    fits()
    bins()
    cancer()
    digits()
    pictures()
    credit()
