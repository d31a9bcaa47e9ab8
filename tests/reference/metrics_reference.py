"""Reference values for tests/engine/test_metrics.c: scikit-learn and scipy in float64.

    python3 tests/reference/metrics_reference.py        (numpy, scipy, scikit-learn)

Writes into tests/reference/metrics: for every set <set>-scores.npy, -labels.npy (or -numbers.npy),
-weights.npy, and expected.txt with one line a value:

    set weighted metric average at value                (value: "undefined" or 17 digits)

matrices.txt holds "set weighted" and the confusion matrix, row by row; bootstrap.txt the intervals
of paired differences: "seed number level resamples mean lower upper", computed from the published
Philox and NumPy's quantiles over the values of difference-a.npy and difference-b.npy.
"""
import os
import sys
import warnings

import numpy as np
from scipy.stats import ks_2samp
from sklearn import metrics as sk

here = os.path.dirname(os.path.abspath(__file__))
out = os.path.join(here, "metrics")
sys.path.insert(0, os.path.join(here, "base"))
import rng as philox  # noqa: E402

warnings.filterwarnings("ignore")
draw = np.random.default_rng(20240607)


def save(name, array):
    np.save(os.path.join(out, name + ".npy"), array)


def lift(labels, scores, weights, at):
    """By the definition: the top share by weight, a block of equal scores in proportion."""
    wanted, taken, hit = at * weights.sum(), 0.0, 0.0
    for score in np.unique(scores)[::-1]:
        inside = scores == score
        size = weights[inside].sum()
        part = min(1.0, max(0.0, (wanted - taken) / size)) if size else 0.0
        hit += part * weights[inside & (labels == 1)].sum()
        taken += size
    return hit / wanted / (weights[labels == 1].sum() / weights.sum())


def ks(labels, scores, weights):
    """Without weights scipy's, and in any case the greatest distance of the two rates."""
    p, q = weights[labels == 1].sum(), weights[labels == 0].sum()
    best = max(abs(weights[(scores >= t) & (labels == 1)].sum() / p
                   - weights[(scores >= t) & (labels == 0)].sum() / q) for t in np.unique(scores))
    if np.all(weights == 1):
        assert abs(best - ks_2samp(scores[labels == 1], scores[labels == 0]).statistic) < 1e-13
    return best


def predicted(scores):
    return (scores[:, 1] >= 0.5).astype(int) if scores.shape[1] == 2 else scores.argmax(1)


lines, matrices = [], []


def classes(name, labels, scores):
    """scores (n, classes); all metrics with and without weights."""
    n, k = scores.shape
    weights = np.round(draw.uniform(0, 3, n), 3)
    weights[draw.integers(0, n, 3)] = 0
    save(name + "-scores", scores)
    save(name + "-labels", labels.astype(np.int64))
    save(name + "-weights", weights)
    said = predicted(scores)
    for weighted, w in ((0, np.ones(n)), (1, weights)):
        def put(metric, value, average="-", at="-"):
            text = "undefined" if value is None else "%.17g" % value
            lines.append("%s %d %s %s %s %s" % (name, weighted, metric, average, at, text))

        put("accuracy", sk.accuracy_score(labels, said, sample_weight=w))
        put("log_loss", sk.log_loss(labels, scores, sample_weight=w, labels=list(range(k))))
        for average in (["binary"] if k == 2 else []) + ["macro", "micro", "weighted"]:
            for metric, function in (("precision", sk.precision_score), ("recall", sk.recall_score),
                                     ("f1", sk.f1_score)):
                value = function(labels, said, average=average, sample_weight=w,
                                 zero_division=np.nan if average == "binary" else 0)
                put(metric, None if np.isnan(value) else value, average)
        one = len(np.unique(labels)) < k
        if k == 2:
            put("roc_auc", None if one else sk.roc_auc_score(labels, scores[:, 1], sample_weight=w))
            put("ks", None if one else ks(labels, scores[:, 1], w))
            for at in (0.05, 0.1, 0.37, 1.0):
                put("lift", None if one else lift(labels, scores[:, 1], w, at), at=at)
        else:
            for average in ("macro", "weighted"):
                value = None if one else sk.roc_auc_score(
                    labels, scores, multi_class="ovr", average=average, sample_weight=w)
                put("roc_auc", value, average)
        matrix = sk.confusion_matrix(labels, said, labels=list(range(k)), sample_weight=w)
        matrices.append("%s %d %s" % (name, weighted, " ".join("%.17g" % v for v in matrix.flat)))


def two(p):
    return np.stack([1 - p, p], 1)


def probabilities(n, k, labels, strength):
    logits = draw.normal(size=(n, k))
    logits[np.arange(n), labels] += strength
    e = np.exp(logits)
    return e / e.sum(1, keepdims=True)


labels = (draw.uniform(size=150) < 0.4).astype(int)
smooth = 1 / (1 + np.exp(-(labels * 1.5 - 0.7 + draw.normal(size=150))))
classes("smooth", labels, two(smooth))
classes("ties", labels, two(np.round(smooth * 8) / 8))
rare = (draw.uniform(size=120) < 0.05).astype(int)
rare[7] = 1
classes("rare", rare, two(np.clip(draw.normal(0.2 + 0.2 * rare, 0.15), 0, 1)))
classes("never", rare, two(np.full(120, 0.25)))
classes("negatives", np.zeros(30, int), two(np.linspace(0.0, 0.49, 30)))
labels = draw.integers(0, 4, 150)
classes("four", labels, probabilities(150, 4, labels, 1.0))
flat = np.round(probabilities(150, 4, labels, 0.5) * 8) / 8
classes("four-ties", labels, flat / flat.sum(1, keepdims=True))
labels = draw.choice([0, 1, 4], 90)
scores = probabilities(90, 6, labels, 1.0)
scores[:, 5] = 0
classes("gaps", labels, scores / scores.sum(1, keepdims=True))

for name, columns in (("numbers", 1), ("columns", 3)):
    truth = draw.normal(size=(80, columns)) * 10
    guess = truth + draw.normal(size=truth.shape)
    weights = draw.uniform(0, 2, 80)
    save(name + "-scores", guess)
    save(name + "-numbers", truth)
    save(name + "-weights", weights)
    for weighted, w in ((0, None), (1, weights)):
        value = sk.mean_squared_error(truth, guess, sample_weight=w)
        lines.append("%s %d mse - - %.17g" % (name, weighted, value))

with open(os.path.join(out, "expected.txt"), "w") as f:
    f.write("\n".join(lines) + "\n")
with open(os.path.join(out, "matrices.txt"), "w") as f:
    f.write("\n".join(matrices) + "\n")

a, b = draw.normal(0.3, 1, 37), draw.normal(0, 1, 37)
a[5], b[11], b[5] = np.nan, np.inf, np.nan
save("difference-a", a)
save("difference-b", b)
with np.errstate(invalid="ignore"):
    difference = (a - b)[np.isfinite(a - b)]
with open(os.path.join(out, "bootstrap.txt"), "w") as f:
    for seed, number, level, resamples in ((0, 0, 0.95, 2000), (7, 3, 0.9, 501), (2**63, 1, 0.5, 1)):
        means = []
        for r in range(resamples):
            w = philox.words(seed, "bootstrap", number, r)
            total = 0.0
            for _ in difference:
                total += float(difference[philox.below(w, len(difference))])
            means.append(total / len(difference))
        low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
        f.write("%d %d %.17g %d %.17g %.17g %.17g\n"
                % (seed, number, level, resamples, sum(difference.tolist()) / len(difference), low, high))
