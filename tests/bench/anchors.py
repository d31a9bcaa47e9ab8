#!/usr/bin/env python3
"""How good are the rules of `anchors`, here and in the anchor package, and how long do they take?

For 20 rows each of German credit and of breast cancer data, with the networks of lime_reference.py, both with their
defaults (the package's beam is one rule, whatever it is given: its beam_size goes nowhere). The rules of both are
measured alike, by DRAWS rows of the package's own sampler:
  precision  the share that the model decides as the row; `kept`: of the rules that are said to reach the
             precision how many keep to 0.95 - 0.05, which is promised with probability 0.9 (the package says it
             of all that it finds)
  coverage   the share of training rows that fulfil the rule
  said       the precision that each says itself
  seconds    of processor time a row

    tests/bench/anchors.py build/lunette [credit | cancer]

It needs Python with anchor-exp, lime, scikit-learn and numpy.
"""
import csv
import json
import os
import re
import resource
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np
from anchor.anchor_base import AnchorBaseBeam
from anchor.anchor_tabular import AnchorTabularExplainer

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..", "reference", "explainers")
CREDIT = os.path.join(HERE, "..", "..", "experiments", "data", "german_credit.csv")
EXPLAINED, DRAWS, PROMISED = 20, 20000, 0.90

SCRIPT = {
    "credit": """return experiment "credit" {
  data = csv "credit.csv" { target = "class", positive = "bad", split = { column = "set" } },
  model = network { dense { 16, name = "a" }, relu, dense { 2, name = "b" }, weights = safetensors "r/lime.credit.safetensors" },
  inputs = rows { take = %d }, explain = { anchors } }""",
    "cancer": """return experiment "cancer" {
  model = network { input = { 30 }, dense { 16, name = "a" }, relu, dense { 2, name = "b" }, weights = safetensors "r/lime.cancer.safetensors" },
  inputs = npy "r/lime.cancer-x.npy", explain = { anchors { background = npy "r/lime.cancer-training.npy" } } } -- %d rows""",
}


def load(name):
    return np.load(os.path.join(FOLDER, name + ".npy"))


def network(name):
    """The class that the network says: dense, relu, dense, by the weights that lime_reference.py trained."""
    with open(os.path.join(FOLDER, name), "rb") as file:
        blob = file.read()
    size = struct.unpack("<Q", blob[:8])[0]
    weights = {}
    for key, entry in json.loads(blob[8:8 + size]).items():
        if key != "__metadata__":
            begin, end = entry["data_offsets"]
            weights[key] = np.frombuffer(blob[8 + size + begin:8 + size + end], np.float32).reshape(entry["shape"])

    def predict(rows):
        hidden = np.maximum(rows.astype(np.float32) @ weights["a.weight"].T + weights["a.bias"], 0)
        return (hidden @ weights["b.weight"].T + weights["b.bias"]).argmax(1)

    return predict


def credit():
    """Rows as numbers (categories by their place), the encoder of the network, and the names of categories."""
    with open(CREDIT, newline="") as file:
        header, *table = list(csv.reader(file))
    columns = [c for c in header if c != "class"]
    test = np.arange(len(table)) % 4 == 3
    coded, encoders, names = [], [], {}
    for k, c in enumerate(columns):
        raw = [row[header.index(c)] for row in table]
        try:
            values = np.array([float(v) for v in raw])
            mean, deviation = values[~test].mean(), values[~test].std()
            encoders.append(lambda v, m=mean, d=deviation or 1: ((v - m) / d)[:, None])
        except ValueError:
            names[k] = sorted(set(np.array(raw)[~test]))
            values = np.array([names[k].index(v) if v in names[k] else -1 for v in raw], dtype=float)
            encoders.append(lambda v, n=len(names[k]): (v[:, None] == np.arange(n)).astype(float))
        coded.append(values)
    coded = np.stack(coded, 1)
    predict = network("lime.credit.safetensors")
    return (columns, names, coded[~test], coded[test][:EXPLAINED],
            lambda rows: predict(np.concatenate([e(rows[:, k]) for k, e in enumerate(encoders)], 1)))


def cancer():
    training = load("lime.cancer-training").astype(np.float64)
    return (["input %d" % i for i in range(training.shape[1])], {}, training,
            load("lime.cancer-x").astype(np.float64), network("lime.cancer.safetensors"))


def explainer_of(setting):
    columns, names, training, _, _ = setting
    return AnchorTabularExplainer(["0", "1"], columns, training, dict(names), discretizer="quartile")


def worth(sample, conditions, training_rows):
    """Precision and coverage of a rule of the package's sampler: indices of its conditions."""
    _, _, labels = sample(conditions, DRAWS)
    return labels.mean(), training_rows[:, conditions].all(1).mean()


def fulfilled(explainer, row, mapping):
    """(training rows, conditions) whether each fulfils each."""
    coded, own = explainer.d_train, explainer.disc.discretize(row.reshape(1, -1))[0]
    columns = []
    for k in range(len(mapping)):
        f, op, value = mapping[k]
        columns.append(coded[:, f] == own[f] if op == "eq" else
                       coded[:, f] <= value if op == "leq" else coded[:, f] > value)
    return np.stack(columns, 1)


def of_package(setting, explainer):
    """Rules as conditions of the package's sampler, what it says of them, whether it takes them for anchors, and seconds a row."""
    rules, said, start = [], [], time.process_time()
    np.random.seed(0)
    for row in setting[3]:
        sample, _ = explainer.get_sample_fn(row, setting[4])
        found = AnchorBaseBeam.anchor_beam(sample, delta=0.1, epsilon=0.15, batch_size=100, desired_confidence=0.95)
        rules.append(found["feature"])
        said.append(found["mean"][-1] if found["mean"] else found["all_precision"])
    return rules, said, [True] * len(rules), (time.process_time() - start) / len(setting[3])


def conditions(text, setting, mapping):
    """A rule in words as conditions of the package's sampler."""
    columns, names, training, _, _ = setting
    place = {condition: k for k, condition in mapping.items()}

    def bound(column, number):
        bounds = np.unique(np.percentile(training[:, column], [25, 50, 75]))
        return int(np.abs(bounds - number).argmin())

    found = []
    for part in [] if text == "any row" else text.split(" AND "):
        between = re.fullmatch(r"(\S+) < (.+) <= (\S+)", part)
        one = re.fullmatch(r"(.+) (<=|>|=) (.+)", part)
        name = between.group(2) if between else one.group(1)
        column = columns.index(name)
        if between:
            found.append((column, "geq", bound(column, float(between.group(1)))))
            found.append((column, "leq", bound(column, float(between.group(3)))))
        elif one.group(2) == "=":
            found.append((column, "eq", float(names[column].index(one.group(3)))))
        else:
            found.append((column, "leq" if one.group(2) == "<=" else "geq", bound(column, float(one.group(3)))))
    return [place[condition] for condition in found]


def of_lunette(lunette, name, setting, explainer):
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.abspath(FOLDER), os.path.join(folder, "r"))
        with open(CREDIT) as file, open(os.path.join(folder, "credit.csv"), "w") as marked:
            for i, line in enumerate(file):
                marked.write(line.rstrip("\n") + "," + ("set" if i == 0 else "test" if i % 4 == 0 else "train") + "\n")
        script = os.path.join(folder, "script.lua")
        with open(script, "w") as file:
            file.write(SCRIPT[name] % EXPLAINED)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([lunette, "run", script, "--db", folder + "/s.db", "--quiet", "--threads", "1"], check=True,
                       stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        rows = sqlite3.connect(folder + "/s.db").execute(
            "SELECT json_extract(params, '$.rule'), value, reason IS NULL FROM metric WHERE label = 'anchor_precision' "
            "AND scope = 'attribution' ORDER BY attribution").fetchall()
    rules = [conditions(text, setting, explainer.get_sample_fn(row, setting[4])[1])
             for (text, _, _), row in zip(rows, setting[3])]
    return rules, [value for _, value, _ in rows], [reached for _, _, reached in rows], (after.ru_utime - before.ru_utime) / EXPLAINED


def report(who, setting, explainer, rules, said, reached, seconds):
    found = []
    for row, rule in zip(setting[3], rules):
        sample, mapping = explainer.get_sample_fn(row, setting[4])
        found.append(worth(sample, rule, fulfilled(explainer, row, mapping)))
    found, reached = np.array(found), np.array(reached, dtype=bool)
    print("  %-8s precision %.4f (said %.4f), kept %2d of %d, coverage %.4f, %.1f conditions, %.3f s a row" % (
        who, found[:, 0].mean(), np.mean(said), (found[reached, 0] >= PROMISED).sum(), reached.sum(), found[:, 1].mean(),
        np.mean([len(rule) for rule in rules]), seconds))


if __name__ == "__main__":
    for name in sys.argv[2:] or ["credit", "cancer"]:
        print(name)
        given = {"credit": credit, "cancer": cancer}[name]()
        made = explainer_of(given)
        report("lunette", given, made, *of_lunette(os.path.abspath(sys.argv[1]), name, given, made))
        report("package", given, made, *of_package(given, made))
