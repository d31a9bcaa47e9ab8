#!/usr/bin/env python3
"""How long does integrated_gradients take, here and with Captum?

The same network, rows, baseline and steps for both: relu networks of random weights, explained for
the first class with a zero baseline, 50 Gauss-Legendre points, one thread. The attributions of both
are compared first. Times are CPU times, best of some repetitions, so that other work on the machine
counts little:
  captum    attribute() alone, warm, with the internal_batch_size that is fastest of a few
  lunette   the whole process: start, reading model and rows, explaining, storing
  explain   Lunette's elapsed time (wall clock) of the explanation alone, as the store has it

    tests/bench/integrated_gradients.py build/lunette

It needs Python with torch, captum, numpy and onnx.
"""
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from captum.attr import IntegratedGradients

from networks import as_torch, make, save_onnx

NETWORKS = {"61-64-32-2": 1000, "784-512-256-10": 500}
STEPS = 50
REPETITIONS = 5


def captum_seconds(model, x):
    explainer, best, result = IntegratedGradients(model), float("inf"), None
    for size in (None, len(x), 5 * len(x), 20 * len(x)):
        for _ in range(REPETITIONS):
            start = time.process_time()
            result = explainer.attribute(x, target=0, n_steps=STEPS, internal_batch_size=size)
            best = min(best, time.process_time() - start)
    return best, result.detach().numpy()


def lunette_seconds(program, folder):
    script = os.path.join(folder, "bench.lua")
    with open(script, "w") as file:
        file.write('return experiment "bench" { model = onnx "m.onnx", inputs = npy "x.npy", target = 0,\n'
                   f'  explain = {{ integrated_gradients {{ steps = {STEPS} }} }} }}\n')
    explain = whole = float("inf")
    db = os.path.join(folder, "bench.db")
    for _ in range(REPETITIONS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([program, "run", script, "--db", db, "--threads", "1", "--quiet"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        whole = min(whole, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    with sqlite3.connect(db) as store:
        explain = store.execute("SELECT min(elapsed_ns) FROM explanation").fetchone()[0] * 1e-9
    out = os.path.join(folder, "out")
    subprocess.run([program, "export", "last", "--db", db, "-o", out], check=True, stdout=subprocess.DEVNULL)
    return whole, explain, np.load(os.path.join(out, "integrated_gradients.npy"))


def main():
    program = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/lunette")
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}; milliseconds on one thread, best of {REPETITIONS}, {STEPS} steps")
    print(f"{'network':16} {'rows':>5} {'captum':>8} {'lunette':>8} {'explain':>8} {'difference':>11}")
    for name, rows in NETWORKS.items():
        layers, x = make([int(size) for size in name.split("-")], rows)
        with tempfile.TemporaryDirectory() as folder:
            save_onnx(layers, os.path.join(folder, "m.onnx"))
            np.save(os.path.join(folder, "x.npy"), x)
            theirs, expected = captum_seconds(as_torch(layers), torch.from_numpy(x))
            whole, explain, ours = lunette_seconds(program, folder)
            # Where a step falls on the kink of a relu, the last bit decides between two gradients.
            difference = np.abs(ours - expected).max() / np.abs(expected).max()
            assert difference < 1e-3, f"{name}: the attributions differ by {difference}"
            print(f"{name:16} {rows:5} {theirs * 1e3:8.0f} {whole * 1e3:8.0f} {explain * 1e3:8.0f} {difference:11.0e}")


if __name__ == "__main__":
    main()
