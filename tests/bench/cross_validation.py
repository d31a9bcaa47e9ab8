"""5 x 5 repeated cross-validation of the credit network, as one experiment, against scikit-learn's MLPClassifier with the
same layers on the same folds.

    python tests/bench/cross_validation.py build/lunette [FIELD=VALUE ...]

The experiment is experiments/cross_validation.lua; fields (train.epochs=8, train.optimizer.lr=1e-3,
train.optimizer.weight_decay=0) change both sides. Both train by Adam with the same rate, batches and epochs; scikit-learn's
alpha is divided by the batch, so that weight decay w is alpha = 32 w.

Needs numpy and scikit-learn. Prints both mean ROC AUCs and what each took."""
import csv, io, json, os, statistics, subprocess, sys, tempfile, time, warnings
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

warnings.filterwarnings("ignore")
binary = os.path.abspath(sys.argv[1])
data = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../experiments/data/german_credit.csv"))
script = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../experiments/cross_validation.lua"))
given = sys.argv[2:]


def field(name, default):
    values = [g.split("=", 1)[1] for g in given if g.startswith(name + "=")]
    return float(values[-1]) if values else default


BATCH = 32
epochs, rate = int(field("train.epochs", 20)), field("train.optimizer.lr", 3e-4)
decay = field("train.optimizer.weight_decay", 0.01)
with tempfile.TemporaryDirectory() as folder:
    start = time.perf_counter()
    subprocess.run([binary, "run", script, "--quiet", "--db", "lunette.db", *[o for g in given for o in ("--set", g)]], cwd=folder, check=True)
    ours_seconds = time.perf_counter() - start

    def query(sql):
        text = subprocess.run([binary, "query", sql, "--format", "json"], cwd=folder, check=True, capture_output=True, text=True).stdout
        return json.loads(text)

    ours = [r["value"] for r in query("SELECT value FROM metric WHERE name = 'roc_auc' ORDER BY run")]
    parts = query("SELECT r.run, s.idx, r.split FROM run_sample r JOIN sample s ON s.id = r.sample ORDER BY r.run, s.idx")

rows = list(csv.DictReader(open(data)))
labels = np.array([r["class"] == "bad" for r in rows])
names = [n for n in rows[0] if n != "class"]
numeric = [i for i, n in enumerate(names) if all(r[n].replace(".", "", 1).isdigit() for r in rows)]
table = np.array([[float(r[n]) if i in numeric else r[n] for i, n in enumerate(names)] for r in rows], dtype=object)
theirs, start = [], time.perf_counter()
for run in sorted({p["run"] for p in parts}):
    train = [p["idx"] for p in parts if p["run"] == run and p["split"] == "train"]
    test = [p["idx"] for p in parts if p["run"] == run and p["split"] == "test"]
    encode = ColumnTransformer([("n", StandardScaler(), numeric),
                                ("c", OneHotEncoder(handle_unknown="ignore"), [i for i in range(len(names)) if i not in numeric])])
    model = make_pipeline(encode, MLPClassifier((64, 32), batch_size=BATCH, learning_rate_init=rate, max_iter=epochs, alpha=decay * BATCH, random_state=run))
    model.fit(table[train], labels[train])
    theirs.append(roc_auc_score(labels[test], model.predict_proba(table[test])[:, 1]))
print(f"{len(ours)} folds: lunette {statistics.mean(ours):.4f} in {ours_seconds:.1f} s, scikit-learn {statistics.mean(theirs):.4f} in {time.perf_counter() - start:.1f} s, "
      f"difference {statistics.mean(ours) - statistics.mean(theirs):+.4f}")
