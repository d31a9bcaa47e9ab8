"""5 x 5 repeated cross-validation of the credit network, as one experiment, against scikit-learn's MLPClassifier with the
same layers on the same folds.

    python tests/bench/cross_validation.py build/lunette

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
script = """return experiment "cv" {
  data = csv "%s" { target = "class", positive = "bad", split = { folds = 5, repeats = 5 } },
  model = network { dense { 64 }, relu, dense { 32 }, relu, dense { 2 } },
  train = { epochs = 8, batch = 32, optimizer = adam { lr = 1e-3 } },
  evaluate = { roc_auc },
}""" % data
with tempfile.TemporaryDirectory() as folder:
    open(os.path.join(folder, "cv.lua"), "w").write(script)
    start = time.perf_counter()
    subprocess.run([binary, "run", "cv.lua", "--quiet"], cwd=folder, check=True)
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
    model = make_pipeline(encode, MLPClassifier((64, 32), batch_size=32, learning_rate_init=1e-3, max_iter=8, alpha=0, random_state=run))
    model.fit(table[train], labels[train])
    theirs.append(roc_auc_score(labels[test], model.predict_proba(table[test])[:, 1]))
print(f"{len(ours)} folds: lunette {statistics.mean(ours):.4f} in {ours_seconds:.1f} s, scikit-learn {statistics.mean(theirs):.4f} in {time.perf_counter() - start:.1f} s, "
      f"difference {statistics.mean(ours) - statistics.mean(theirs):+.4f}")
