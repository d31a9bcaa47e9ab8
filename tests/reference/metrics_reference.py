"""Reference values for tests/engine/test_metrics*.c: scikit-learn and scipy in float64.

    python3 tests/reference/metrics_reference.py        (numpy, scipy, scikit-learn)

Writes into tests/reference/metrics: for every set <set>-scores.npy, -labels.npy (or -numbers.npy),
-weights.npy, and expected.txt with one line a value:

    set weighted metric options value           (options: "-" or name=value,...; value: "undefined"
                                                 or 17 digits)

matrices.txt holds "set weighted" and the confusion matrix, row by row; curves.txt "set weighted
metric options series", then for each series "name points" and a line "x y threshold" a point;
intervals.txt "set weighted metric options level resamples seed lower upper", by drawing the rows from
the published Philox; bootstrap.txt the intervals of paired differences: "seed number level resamples
mean lower upper", with NumPy's quantiles over the values of difference-a.npy and difference-b.npy.
"""
import os
import sys
import warnings

import numpy as np
from scipy.stats import ks_2samp, norm
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve
from sklearn.preprocessing import label_binarize

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


def ks_threshold(labels, scores, weights):
    """The highest score at which |TPR - FPR| is greatest."""
    p, q = weights[labels == 1].sum(), weights[labels == 0].sum()
    distance = {t: abs(weights[(scores >= t) & (labels == 1)].sum() / p
                       - weights[(scores >= t) & (labels == 0)].sum() / q)
                for t in np.unique(scores[weights > 0])}
    best = max(distance.values())
    return max(t for t, d in distance.items() if d >= best - 1e-12)


def gain(labels, scores, weights, at):
    return lift(labels, scores, weights, at) * at


def calibration_error(labels, scores, weights, bins):
    """Guo et al. 2017, by the definition: bins ((i - 1) / bins, i / bins], the first with its 0."""
    p = scores[:, 1] if scores.shape[1] == 2 else scores.max(1)
    true = labels == (1 if scores.shape[1] == 2 else scores.argmax(1))
    error = 0.0
    for i in range(bins):
        inside = (p <= (i + 1) / bins) & ((p > i / bins) | (i == 0))
        if weights[inside].sum() > 0:
            share = np.average(true[inside], weights=weights[inside])
            error += weights[inside].sum() * abs(share - np.average(p[inside], weights=weights[inside]))
    return error / weights.sum()


def brier(labels, scores, weights):
    if scores.shape[1] == 2:
        return sk.brier_score_loss(labels, scores[:, 1], sample_weight=weights)
    hot = label_binarize(labels, classes=range(scores.shape[1]))
    return np.average(((scores - hot) ** 2).sum(1), weights=weights)


def mcc(labels, said, weights):
    """scikit-learn says 0 where one side has one class only: it has no value."""
    kept = weights > 0
    if len(np.unique(labels[kept])) < 2 or len(np.unique(said[kept])) < 2:
        return None
    return sk.matthews_corrcoef(labels, said, sample_weight=weights)


def kappa(labels, said, weights):
    value = sk.cohen_kappa_score(labels, said, sample_weight=weights)
    return None if np.isnan(value) else value


def predicted(scores, threshold=0.5):
    return (scores[:, 1] >= threshold).astype(int) if scores.shape[1] == 2 else scores.argmax(1)


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
        def put(metric, value, **options):
            text = "undefined" if value is None else "%.17g" % value
            given = ",".join("%s=%s" % pair for pair in options.items()) or "-"
            lines.append("%s %d %s %s %s" % (name, weighted, metric, given, text))

        put("accuracy", sk.accuracy_score(labels, said, sample_weight=w))
        put("log_loss", sk.log_loss(labels, scores, sample_weight=w, labels=list(range(k))))
        for average in (["binary"] if k == 2 else []) + ["macro", "micro", "weighted"]:
            for metric, function in (("precision", sk.precision_score), ("recall", sk.recall_score),
                                     ("f1", sk.f1_score)):
                value = function(labels, said, average=average, sample_weight=w,
                                 zero_division=np.nan if average == "binary" else 0)
                put(metric, None if np.isnan(value) else value, average=average)
        put("balanced_accuracy", sk.balanced_accuracy_score(labels, said, sample_weight=w))
        put("mcc", mcc(labels, said, w))
        put("cohen_kappa", kappa(labels, said, w))
        put("brier", brier(labels, scores, w))
        for bins in (1, 10, 15):
            put("expected_calibration_error", calibration_error(labels, scores, w, bins), bins=bins)
        if k == 2:
            early = predicted(scores, 0.3)
            put("accuracy", sk.accuracy_score(labels, early, sample_weight=w), threshold=0.3)
            put("balanced_accuracy", sk.balanced_accuracy_score(labels, early, sample_weight=w),
                threshold=0.3)
            put("mcc", mcc(labels, early, w), threshold=0.3)
            put("cohen_kappa", kappa(labels, early, w), threshold=0.3)
            put("f1", sk.f1_score(labels, early, average="macro", sample_weight=w, zero_division=0),
                average="macro", threshold=0.3)
        one = len(np.unique(labels)) < k
        if k == 2:
            put("roc_auc", None if one else sk.roc_auc_score(labels, scores[:, 1], sample_weight=w))
            put("ks", None if one else ks(labels, scores[:, 1], w))
            put("ks_threshold", None if one else ks_threshold(labels, scores[:, 1], w))
            put("average_precision", None if one else sk.average_precision_score(
                labels, scores[:, 1], sample_weight=w))
            for at in (0.05, 0.1, 0.37, 1.0):
                put("gain", None if one else gain(labels, scores[:, 1], w, at), at=at)
                put("lift", None if one else lift(labels, scores[:, 1], w, at), at=at)
        else:
            for average in ("macro", "weighted"):
                value = None if one else sk.roc_auc_score(
                    labels, scores, multi_class="ovr", average=average, sample_weight=w)
                put("roc_auc", value, average=average)
                value = None if one else sk.average_precision_score(
                    label_binarize(labels, classes=range(k)), scores, average=average, sample_weight=w)
                put("average_precision", value, average=average)
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
        for metric, value in (
                ("mse", sk.mean_squared_error(truth, guess, sample_weight=w)),
                ("rmse", sk.root_mean_squared_error(truth, guess, sample_weight=w)),
                ("mae", sk.mean_absolute_error(truth, guess, sample_weight=w)),
                ("r2", sk.r2_score(truth, guess, sample_weight=w))):
            lines.append("%s %d %s - %.17g" % (name, weighted, metric, value))

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


# ------------------------------------------------------------------------------------------- curves

def load(name, weighted):
    part = {p: np.load(os.path.join(out, "%s-%s.npy" % (name, p)))
            for p in ("scores", "labels", "weights")}
    return part["labels"], part["scores"], part["weights"] if weighted else np.ones(len(part["labels"]))


def roc(y, p, w):
    x, y, t = sk.roc_curve(y, p, sample_weight=w, drop_intermediate=False)
    t[0] = np.nan
    return x, y, t


def pr(y, p, w):
    kept = w > 0
    precision, recall, t = sk.precision_recall_curve(y[kept], p[kept], sample_weight=w[kept])
    return recall[::-1], precision[::-1], np.append(np.nan, t[::-1])


def shares(y, p, w):
    """From the top: share of the rows, share of the positives, share of the negatives, score."""
    levels = np.unique(p[w > 0])[::-1]
    taken = np.array([[w[p >= t].sum(), w[(p >= t) & (y == 1)].sum(), w[(p >= t) & (y == 0)].sum()]
                      for t in levels])
    return (*(taken / [w.sum(), w[y == 1].sum(), w[y == 0].sum()]).T, levels)


def curves_of(word, y, scores, w):
    """[(series, x, y, thresholds)]"""
    k = scores.shape[1]
    if k > 2:
        of = {"roc_curve": roc, "pr_curve": pr}[word]
        return [(str(c), *of((y == c).astype(int), scores[:, c], w)) for c in range(k)]
    p = scores[:, 1]
    if word in ("roc_curve", "pr_curve"):
        return [("-", *{"roc_curve": roc, "pr_curve": pr}[word](y, p, w))]
    rows, hit, wrong, t = shares(y, p, w)
    if word == "gain_curve":
        return [("-", np.append(0, rows), np.append(0, hit), np.append(np.nan, t))]
    if word == "lift_curve":
        return [("-", rows, hit / rows, t)]
    if word == "ks_curve":
        return [("tpr", t, hit, t), ("fpr", t, wrong, t), ("difference", t, hit - wrong, t)]
    if np.all(w == 1):
        true, mean = calibration_curve(y, p, n_bins=10)
    inside = [(p <= (i + 1) / 10) & ((p > i / 10) | (i == 0)) for i in range(10)]
    inside = [i for i in inside if w[i].sum() > 0]
    x = np.array([np.average(p[i], weights=w[i]) for i in inside])
    y = np.array([np.average(y[i], weights=w[i]) for i in inside])
    if np.all(w == 1):
        assert np.allclose(x, mean, 1e-14) and np.allclose(y, true, 1e-14)
    none = np.full(len(x), np.nan)
    return [("observed", x, y, none), ("share", x, np.array([w[i].sum() for i in inside]) / w.sum(), none)]


with open(os.path.join(out, "curves.txt"), "w") as f:
    for name, weighted, words in (
            ("ties", 0, "roc pr ks lift gain calibration"), ("ties", 1, "roc pr ks lift gain calibration"),
            ("never", 0, "roc pr ks lift gain calibration"), ("rare", 1, "roc pr ks lift gain calibration"),
            ("four-ties", 0, "roc pr"), ("four-ties", 1, "roc pr")):
        labels, scores, w = load(name, weighted)
        for word in words.split():
            series = curves_of(word + "_curve", labels, scores, w)
            f.write("%s %d %s_curve - %d\n" % (name, weighted, word, len(series)))
            for title, x, y, t in series:
                f.write("%s %d\n" % (title, len(x)))
                f.writelines("%.17g %.17g %.17g\n" % point for point in zip(x, y, t))
    labels, scores, w = load("smooth", 0)
    (_, x, y, t), = curves_of("roc_curve", labels, scores, w)
    kept = [j * (len(x) - 1) // 39 for j in range(40)]
    f.write("smooth 0 roc_curve points=40 1\n- 40\n")
    f.writelines("%.17g %.17g %.17g\n" % (x[i], y[i], t[i]) for i in kept)


# ---------------------------------------------------------------------------------------- intervals

def delong(y, p, level):
    """By the definition: m k pairs."""
    pairs = (p[y == 1][:, None] > p[y == 0]) + 0.5 * (p[y == 1][:, None] == p[y == 0])
    m, k = pairs.shape
    deviation = np.sqrt(pairs.mean(1).var(ddof=1) / m + pairs.mean(0).var(ddof=1) / k)
    reach = norm.ppf((1 + level) / 2) * deviation
    return max(0, pairs.mean() - reach), min(1, pairs.mean() + reach)


def one_class(function):
    return lambda y, s, w: None if len(np.unique(y)) < 2 else function(y, s[:, 1], w)


measures = {
    ("accuracy", "-"): lambda y, s, w: sk.accuracy_score(y, predicted(s), sample_weight=w),
    ("precision", "average=macro"): lambda y, s, w: sk.precision_score(
        y, predicted(s), average="macro", sample_weight=w, zero_division=0),
    ("mcc", "-"): lambda y, s, w: mcc(y, predicted(s), w),
    ("log_loss", "-"): lambda y, s, w: sk.log_loss(y, s, sample_weight=w, labels=range(s.shape[1])),
    ("brier", "-"): brier,
    ("expected_calibration_error", "-"): lambda y, s, w: calibration_error(y, s, w, 10),
    ("roc_auc", "-"): one_class(lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w)),
    ("average_precision", "-"): one_class(
        lambda y, p, w: sk.average_precision_score(y, p, sample_weight=w)),
    ("ks", "-"): one_class(ks),
    ("lift", "at=0.1"): one_class(lambda y, p, w: lift(y, p, w, 0.1)),
    ("roc_auc", "average=weighted"): lambda y, s, w: None if len(np.unique(y)) < s.shape[1] else
    sk.roc_auc_score(y, s, multi_class="ovr", average="weighted", sample_weight=w),
}


def resampled(name, weighted, word, options, level, resamples, seed):
    y, s, w = load(name, weighted)
    if word == "roc_auc" and options == "-" and not weighted:
        return delong(y, s[:, 1], level)
    values = []
    for r in range(resamples):
        stream = philox.words(seed, "bootstrap", 0, r)
        rows = [philox.below(stream, len(y)) for _ in y]
        value = measures[word, options](y[rows], s[rows], w[rows]) if w[rows].sum() > 0 else None
        if value is not None:
            values.append(value)
    return np.quantile(values, [(1 - level) / 2, (1 + level) / 2])


with open(os.path.join(out, "intervals.txt"), "w") as f:
    for name, weighted, chosen in (
            ("ties", 0, "accuracy precision mcc log_loss brier expected_calibration_error roc_auc "
                        "average_precision ks lift"),
            ("ties", 1, "accuracy precision mcc log_loss roc_auc average_precision ks lift"),
            ("rare", 0, "roc_auc ks precision mcc"), ("gaps", 1, "precision"),
            ("four", 0, "precision log_loss roc_auc")):
        for word, options in measures:
            if word not in chosen.split() or (word == "roc_auc" and (name == "four") == (options == "-")):
                continue
            for level, resamples, seed in ((0.95, 60, 7), (0.8, 25, 0)):
                low, high = resampled(name, weighted, word, options, level, resamples, seed)
                f.write("%s %d %s %s %.17g %d %d %.17g %.17g\n"
                        % (name, weighted, word, options, level, resamples, seed, low, high))
