"""Metrics on 1e6 and 1e7 scores against scikit-learn's functions, in one alternating run.

    python tests/bench/metrics.py build/lunette [ROUNDS] [ties] [single]

Needs numpy and scikit-learn. Lunette is timed as a whole process with all its binary metrics and curves, less the same
process without a metric (start-up, reading the arrays, opening the store); scikit-learn's functions are called in
this process, with the arrays in memory. `ties`: scores of 1,000 values; `single`: also each metric alone (the least of
several, since a process spreads by some milliseconds). Prints seconds (median) of processor time, which a busy machine changes less than the clock, and the ratio. Both sides use one core
for this."""
import os, resource, statistics, subprocess, sys, tempfile, time
import numpy as np
from sklearn import metrics as sk

binary = os.path.abspath(sys.argv[1])
options = sys.argv[2:]
rounds = next((int(o) for o in options if o.isdigit()), 3)
words = [w.split("\t")[0] for w in subprocess.run([binary, "list", "metrics", "--format", "tsv"], capture_output=True, text=True).stdout.splitlines()[1:]]
peers = {
    "accuracy": lambda y, s, p: sk.accuracy_score(y, p), "precision": lambda y, s, p: sk.precision_score(y, p),
    "recall": lambda y, s, p: sk.recall_score(y, p), "f1": lambda y, s, p: sk.f1_score(y, p),
    "balanced_accuracy": lambda y, s, p: sk.balanced_accuracy_score(y, p), "mcc": lambda y, s, p: sk.matthews_corrcoef(y, p),
    "cohen_kappa": lambda y, s, p: sk.cohen_kappa_score(y, p), "roc_auc": lambda y, s, p: sk.roc_auc_score(y, s),
    "average_precision": lambda y, s, p: sk.average_precision_score(y, s), "log_loss": lambda y, s, p: sk.log_loss(y, s),
    "brier": lambda y, s, p: sk.brier_score_loss(y, s), "confusion_matrix": lambda y, s, p: sk.confusion_matrix(y, p),
    "roc_curve": lambda y, s, p: sk.roc_curve(y, s), "pr_curve": lambda y, s, p: sk.precision_recall_curve(y, s),
}
both = [w for w in words if w in peers]
print("both have:", ", ".join(both))


def ours(folder, list_of_words):
    with open(os.path.join(folder, "s.lua"), "w") as f:
        f.write('return experiment "m" { scores = npy "s.npy", labels = npy "y.npy", evaluate = { %s } }' % ", ".join(list_of_words))
    db = os.path.join(folder, "t.db")
    for end in ('', '-wal', '-shm'):
        if os.path.exists(db + end):
            os.remove(db + end)
    start = spent()
    subprocess.run([binary, "run", "s.lua", "--db", "t.db", "--quiet"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return spent() - start


def spent():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


for n in (10**6, 10**7):
    rng = np.random.default_rng(0)
    s = rng.integers(1, 1000, n) / 1000 if "ties" in options else rng.random(n)
    y = (rng.random(n) < s).astype(np.int32)
    with tempfile.TemporaryDirectory() as folder:
        np.save(os.path.join(folder, "s.npy"), s)
        np.save(os.path.join(folder, "y.npy"), y)
        a, b, c = [], [], []
        for _ in range(rounds):
            a.append(ours(folder, both))
            b.append(ours(folder, []))
            start = time.process_time()
            p = (s >= 0.5).astype(np.int32)
            for w in both:
                peers[w](y, s, p)
            c.append(time.process_time() - start)
        mine, theirs = statistics.median(a) - statistics.median(b), statistics.median(c)
        print(f"n = {n:>9,}: lunette {mine:6.2f} s (process {statistics.median(a):.2f} s), scikit-learn {theirs:6.2f} s, ratio {theirs / mine:.1f}")
        for w in both if "single" in options else []:
            a, b, c = [], [], []
            for _ in range(rounds * (3 if n < 10**7 else 1)): # some milliseconds are lost in a process's own spread
                a.append(ours(folder, [w]))
                b.append(ours(folder, []))
                start = time.process_time()
                peers[w](y, s, (s >= 0.5).astype(np.int32))
                c.append(time.process_time() - start)
            mine, theirs = max(min(a) - min(b), 1e-3), min(c)
            print(f"    {w:<18} lunette {mine:7.3f} s, scikit-learn {theirs:7.3f} s, ratio {theirs / mine:.1f}")
