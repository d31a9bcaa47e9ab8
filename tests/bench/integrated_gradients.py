#!/usr/bin/env python3
"""How long does integrated_gradients take, here and with Captum?

The same network, rows, baseline and steps for both: relu networks of random weights, explained for
the first class with a zero baseline, 50 Gauss-Legendre points. What is timed is the explanation
itself (Captum's attribute(); here the elapsed_ns of the store), the best of some repetitions, and
for Lunette also the whole process with reading, storing and printing. Captum is timed with the
internal_batch_size that is fastest of a few. The attributions of both are compared first.

    tests/bench/integrated_gradients.py build/lunette

It needs Python with torch, captum, numpy and onnx.
"""
import os
import sqlite3
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import torch
from captum.attr import IntegratedGradients
from onnx import TensorProto, helper, numpy_helper

NETWORKS = {"61-64-32-2": 1000, "784-512-256-10": 500}
STEPS = 50
REPETITIONS = 5


def make(sizes, rows):
    random = np.random.default_rng(1)
    layers = [
        ((random.standard_normal((o, i)) / np.sqrt(i)).astype("f4"),
         (0.1 * random.standard_normal(o)).astype("f4"))
        for i, o in zip(sizes, sizes[1:])
    ]
    return layers, random.standard_normal((rows, sizes[0])).astype("f4")


def as_torch(layers):
    modules = []
    for k, (weight, bias) in enumerate(layers):
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data = torch.from_numpy(weight.copy())
        linear.bias.data = torch.from_numpy(bias.copy())
        modules += [linear, torch.nn.ReLU()] if k + 1 < len(layers) else [linear]
    return torch.nn.Sequential(*modules).eval()


def save_onnx(layers, path):
    nodes, weights, value = [], [], "x"
    for k, (weight, bias) in enumerate(layers):
        last = k + 1 == len(layers)
        weights += [numpy_helper.from_array(weight, f"w{k}"), numpy_helper.from_array(bias, f"b{k}")]
        nodes.append(helper.make_node("Gemm", [value, f"w{k}", f"b{k}"], ["y" if last else f"h{k}"], transB=1))
        if not last:
            nodes.append(helper.make_node("Relu", [f"h{k}"], [f"r{k}"]))
            value = f"r{k}"
    graph = helper.make_graph(
        nodes, "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, layers[0][0].shape[1]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, layers[-1][0].shape[0]])],
        weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)


def captum_seconds(model, x, threads):
    torch.set_num_threads(threads)
    explainer, best, result = IntegratedGradients(model), {}, None
    for size in (None, 500, 5000, 20000):
        for _ in range(REPETITIONS):
            start = time.perf_counter()
            result = explainer.attribute(x, target=0, n_steps=STEPS, internal_batch_size=size)
            elapsed = time.perf_counter() - start
            best[size] = min(best.get(size, elapsed), elapsed)
    return min(best.values()), result.detach().numpy()


def lunette_seconds(program, folder, threads):
    script = os.path.join(folder, "bench.lua")
    with open(script, "w") as file:
        file.write('return experiment "bench" { model = onnx "m.onnx", inputs = npy "x.npy", target = 0,\n'
                   f'  explain = {{ integrated_gradients {{ steps = {STEPS} }} }} }}\n')
    inner = outer = float("inf")
    for k in range(REPETITIONS):
        db = os.path.join(folder, f"{threads}-{k}.db")
        start = time.perf_counter()
        subprocess.run([program, "run", script, "--db", db, "--threads", str(threads), "--quiet"], check=True)
        outer = min(outer, time.perf_counter() - start)
        with sqlite3.connect(db) as store:
            inner = min(inner, store.execute("SELECT elapsed_ns FROM explanation").fetchone()[0] * 1e-9)
    out = os.path.join(folder, f"out-{threads}")
    subprocess.run([program, "export", "last", "--db", db, "-o", out], check=True, stdout=subprocess.DEVNULL)
    return inner, outer, np.load(os.path.join(out, "integrated_gradients.npy"))


def main():
    program = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/lunette")
    print(f"torch {torch.__version__}; milliseconds, best of {REPETITIONS}, {STEPS} steps")
    print(f"{'network':16} {'rows':>5} {'threads':>7} {'captum':>8} {'lunette':>8} {'whole process':>14} {'difference':>11}")
    for name, rows in NETWORKS.items():
        layers, x = make([int(size) for size in name.split("-")], rows)
        model = as_torch(layers)
        with tempfile.TemporaryDirectory() as folder:
            save_onnx(layers, os.path.join(folder, "m.onnx"))
            np.save(os.path.join(folder, "x.npy"), x)
            for threads in (1, 2):
                theirs, expected = captum_seconds(model, torch.from_numpy(x), threads)
                inner, outer, ours = lunette_seconds(program, folder, threads)
                difference = np.abs(ours - expected).max() / np.abs(expected).max()
                assert difference < 1e-4, f"{name}: the attributions differ by {difference}"
                print(f"{name:16} {rows:5} {threads:7} {theirs * 1e3:8.0f} {inner * 1e3:8.0f} {outer * 1e3:14.0f} "
                      f"{difference:11.0e}")


if __name__ == "__main__":
    main()
