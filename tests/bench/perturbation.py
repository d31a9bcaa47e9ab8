#!/usr/bin/env python3
"""How long do the perturbation methods take, here and in shap, lime and Captum?

The same networks of random weights, rows, backgrounds and budgets for both, one thread. Times are CPU
times a row, best of some repetitions:
  peer      the call alone, warm
  lunette   what a row more costs, explaining and storing: a run of all rows less one of a quarter of them,
            which had the same start, model and background
  process   a whole run, with start and reading
Attributions are not compared here (the tests do).

    tests/bench/perturbation.py build/lunette [NAME ...]

It needs Python with torch, shap, numpy and onnx; of captum and lime what the cases named ask for. How fast shap is
depends much on its version: kernel_shap of 0.44 takes three to four times as long as that of 0.51.
"""
import os
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import shap
import torch

from networks import as_torch, make, save_onnx

REPETITIONS = 3


def cpu(call, rows):
    best = float("inf")
    for _ in range(REPETITIONS):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best / rows


def lunette(program, folder, explainer, rows):
    """CPU seconds of a row more, and of a row of a whole run."""
    few, best = rows // 4, {}
    np.save(os.path.join(folder, "few.npy"), np.load(os.path.join(folder, "x.npy"))[:few])
    for inputs in ("x", "few"):
        with open(os.path.join(folder, inputs + ".lua"), "w") as file:
            file.write(f'return experiment "bench" {{ model = onnx "m.onnx", inputs = npy "{inputs}.npy", target = 0,\n'
                       f"  explain = {{ {explainer} }} }}\n")
    for _ in range(REPETITIONS):
        for inputs in ("x", "few"):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([program, "run", os.path.join(folder, inputs + ".lua"), "--db",
                            os.path.join(folder, "bench.db"), "--threads", "1", "--quiet"], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            best[inputs] = min(best.get(inputs, float("inf")), spent)
    return (best["x"] - best["few"]) / (rows - few), best["x"] / rows


def mlp(folder, sizes, rows, background):
    layers, x = make(sizes, rows)
    save_onnx(layers, os.path.join(folder, "m.onnx"))
    np.save(os.path.join(folder, "x.npy"), x)
    reference = np.random.default_rng(3).standard_normal((background, sizes[0])).astype("f4")
    np.save(os.path.join(folder, "b.npy"), reference)
    net = as_torch(layers)

    def predict(rows):
        with torch.no_grad():
            return net(torch.from_numpy(np.asarray(rows, dtype=np.float32))).numpy()

    return net, predict, x, reference


def kernel(program, folder):
    _, predict, x, reference = mlp(folder, [30, 64, 32, 2], 100, 100)
    explainer = shap.KernelExplainer(lambda rows: predict(rows)[:, 0], reference)
    theirs = cpu(lambda: explainer.shap_values(x[:3], nsamples=2048, l1_reg=0, silent=True), 3)
    return theirs, lunette(program, folder, 'kernel_shap { samples = 2048, background = npy "b.npy" }', 100)


def masked(program, folder, kind, budget, ours, sizes):
    _, predict, x, reference = mlp(folder, sizes, 100, 100)
    masker = shap.maskers.Independent(reference, max_samples=100)
    explainer = kind(lambda rows: predict(rows)[:, 0], masker)
    theirs = cpu(lambda: explainer(x[:5], **budget), 5)
    return theirs, lunette(program, folder, ours, 100)


def permutation(program, folder):
    return masked(program, folder, shap.explainers.Permutation, {"max_evals": 500, "silent": True},
                  'permutation_shap { evaluations = 500, background = npy "b.npy" }', [30, 64, 32, 2])


def exact(program, folder):
    return masked(program, folder, shap.explainers.Exact, {"silent": True},
                  'shapley_exact { background = npy "b.npy" }', [10, 64, 32, 2])


def lime(program, folder):
    _, predict, x, reference = mlp(folder, [30, 64, 32, 2], 100, 400)
    from lime.lime_tabular import LimeTabularExplainer
    explainer = LimeTabularExplainer(reference.astype("f8"), random_state=0)

    def probability(rows):
        z = predict(rows)
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def run():
        for row in x[:3].astype("f8"):
            explainer.explain_instance(row, probability, labels=(0,), num_samples=5000)

    return cpu(run, 3), lunette(program, folder, 'lime { background = npy "b.npy" }', 100)


def sampling(program, folder):
    net, _, x, _ = mlp(folder, [30, 64, 32, 2], 1000, 1)
    from captum.attr import ShapleyValueSampling
    explainer = ShapleyValueSampling(net)
    inputs = torch.from_numpy(x)
    theirs = cpu(lambda: explainer.attribute(inputs, target=0, n_samples=25), len(x))
    return theirs, lunette(program, folder, "shapley_sampling", len(x))


def occlusion(program, folder):
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 10, 5), torch.nn.MaxPool2d(2), torch.nn.ReLU(), torch.nn.Conv2d(10, 20, 5),
        torch.nn.MaxPool2d(2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(320, 50), torch.nn.ReLU(),
        torch.nn.Linear(50, 10)).eval()
    x = torch.randn(20, 1, 28, 28)
    torch.onnx.export(net, x, os.path.join(folder, "m.onnx"), input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, dynamo=False, verbose=False)
    np.save(os.path.join(folder, "x.npy"), x.numpy())
    from captum.attr import Occlusion
    explainer, theirs = Occlusion(net), float("inf")
    for at_once in (1, 25, 125):
        theirs = min(theirs, cpu(lambda: explainer.attribute(
            x[:5], sliding_window_shapes=(1, 4, 4), target=0, perturbations_per_eval=at_once), 5))
    return theirs, lunette(program, folder, "occlusion { window = { 1, 4, 4 } }", len(x))


def memory(program):
    """Peak of kernel_shap with 1,000 background rows of 100 features, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        mlp(folder, [100, 64, 32, 2], 4, 1000)
        script = os.path.join(folder, "memory.lua")
        with open(script, "w") as file:
            file.write('return experiment "m" { model = onnx "m.onnx", inputs = npy "x.npy", target = 0,\n'
                       '  explain = { kernel_shap { background = npy "b.npy" } } }\n')
        measured = subprocess.run(["/usr/bin/time", "-f", "%M", program, "run", script, "--quiet", "--db",
                                   os.path.join(folder, "m.db")], check=True, capture_output=True, text=True)
        return int(measured.stderr.split()[-1]) / 1024


CASES = {"kernel_shap": kernel, "permutation_shap": permutation, "shapley_exact": exact, "lime": lime,
         "shapley_sampling": sampling, "occlusion": occlusion}


def main():
    program = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/lunette")
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, shap {shap.__version__}, onnx {onnx.__version__}; CPU milliseconds a row, "
          f"best of {REPETITIONS}")
    print(f"{'':18} {'peer':>9} {'lunette':>9} {'times':>7} {'process':>9} {'times':>7}")
    for name in sys.argv[2:] or CASES:
        with tempfile.TemporaryDirectory() as folder:
            theirs, (ours, process) = CASES[name](program, folder)
        print(f"{name:18} {theirs * 1e3:9.2f} {ours * 1e3:9.3f} {theirs / ours:7.1f} {process * 1e3:9.3f} "
              f"{theirs / process:7.1f}", flush=True)
    if os.path.exists("/usr/bin/time") and not sys.argv[2:]:
        print(f"kernel_shap, background 1,000 x 100: {memory(program):.0f} MB at most")


if __name__ == "__main__":
    main()
