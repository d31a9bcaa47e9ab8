#!/usr/bin/env python3
"""How much processor time do gradient methods and rules take, here and with Captum and Zennit?

    tests/bench/gradient.py [build/lunette] [WORD ...]

The same networks (random weights), rows and settings for both, target 0, in one run:

    mlp    30-64-32-2, relu, 569 rows; and one single row
    cnn    MNIST's: conv 10 5x5, pool, conv 20 5x5, pool, dense 50, dense 10, relu; 100 images

Processor time (user and system, of all threads), best of some repetitions, so that other work on the machine counts
little; with one thread and with two. The peer's is attribute() alone, warm. Ours is what the whole process takes
for a script that explains COPIES times, less what it takes to explain none (start, reading, predicting, storing the
run), by COPIES: storing the attributions counts. `ratio` is theirs by ours. The attributions of methods without draws are
compared first.

It needs Python with torch, captum, zennit, numpy and onnx.
"""
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import torch
from captum import attr
from torch import nn
from zennit.attribution import Gradient
from zennit.composites import EpsilonPlus
from zennit.rules import Epsilon
from zennit.types import Linear
from zennit.core import Composite

REPETITIONS = 3


def networks():
    torch.manual_seed(3)
    mlp = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2))
    cnn = nn.Sequential(nn.Conv2d(1, 10, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(10, 20, 5), nn.ReLU(),
                        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(320, 50), nn.ReLU(), nn.Linear(50, 10))
    return {"mlp": (mlp.eval(), torch.randn(569, 30)), "mlp-1": (mlp.eval(), torch.randn(1, 30)),
            "cnn": (cnn.eval(), torch.rand(100, 1, 28, 28))}


def epsilon(module):
    rule = Epsilon(epsilon=1e-9)
    return Composite(module_map=lambda ctx, name, m: rule if isinstance(m, Linear) else None)


def zennit(net, x, composite):
    out = torch.eye(net(x[:1]).shape[1])[[0]]
    with Gradient(model=net, composite=composite) as attributor:
        y = net(x).detach()
        return attributor(x, out * y[:, :1])[1]


def steps(net, x, n):
    return attr.IntegratedGradients(net).attribute(x, target=0, n_steps=n, internal_batch_size=min(5, n) * len(x))


METHODS = {  # word: (script, peer, compared)
    "saliency": ("saliency", lambda net, x: attr.Saliency(net).attribute(x, target=0), True),
    "input_x_gradient": ("input_x_gradient", lambda net, x: attr.InputXGradient(net).attribute(x, target=0), True),
    "integrated_gradients-16": ("integrated_gradients { steps = 16 }", lambda net, x: steps(net, x, 16), True),
    "integrated_gradients-50": ("integrated_gradients { steps = 50 }", lambda net, x: steps(net, x, 50), True),
    "integrated_gradients-200": ("integrated_gradients { steps = 200 }", lambda net, x: steps(net, x, 200), True),
    "guided_backprop": ("guided_backprop", lambda net, x: attr.GuidedBackprop(net).attribute(x, target=0), True),
    "deeplift": ("deeplift", lambda net, x: attr.DeepLift(net).attribute(x, target=0), False),
    "gradient_shap": ('gradient_shap { background = npy "base.npy" }', lambda net, x: attr.GradientShap(net).attribute(
        x, torch.zeros(10, *x.shape[1:]), target=0), False),
    "smooth_grad": ("smooth_grad { samples = 20 }", lambda net, x: attr.NoiseTunnel(attr.Saliency(net)).attribute(
        x, nt_type="smoothgrad", nt_samples=20, stdevs=0.15, target=0, abs=False), False),
    "lrp": ("lrp", lambda net, x: zennit(net, x, epsilon(net)), False),
    "lrp-epsilon_plus": ('lrp { composite = "epsilon_plus" }', lambda net, x: zennit(net, x, EpsilonPlus()), True),
    "grad_cam": ("grad_cam { layer = 3, relu = false, upsample = false }",
                 lambda net, x: attr.LayerGradCam(net, net[3]).attribute(x, target=0), True),
}


def peer_seconds(peer, net, x):
    best = float("inf")
    for _ in range(REPETITIONS):
        start = time.process_time()
        made = peer(net, x.clone().requires_grad_())
        best = min(best, time.process_time() - start)
    return best, made.detach().numpy()


def process_seconds(program, folder, words, threads):
    script = os.path.join(folder, "bench.lua")
    with open(script, "w") as file:
        file.write('return experiment "bench" { model = onnx "m.onnx", inputs = npy "x.npy", target = 0,\n'
                   "  explain = { %s } }\n" % ", ".join(words))
    best = float("inf")
    for _ in range(REPETITIONS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([program, "run", script, "--db", os.path.join(folder, "bench.db"), "--threads", str(threads),
                        "--quiet"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def our_seconds(program, folder, word, threads, least):
    nothing = process_seconds(program, folder, [], threads)
    copies = 4
    while True:
        whole = process_seconds(program, folder, [word] * copies, threads)
        if whole - nothing > least or copies >= 400:
            return (whole - nothing) / copies
        copies *= 4


def compare(program, folder, expected):
    out = os.path.join(folder, "out")
    subprocess.run([program, "export", "last", "--db", os.path.join(folder, "bench.db"), "-o", out], check=True,
                   stdout=subprocess.DEVNULL)
    name = next(n for n in sorted(os.listdir(out)) if n.endswith(".npy") and n != "prediction.npy")
    got = np.load(os.path.join(out, name)).reshape(expected.shape)
    return np.abs(got - expected).max() / np.abs(expected).max()


def main():
    warnings.simplefilter("ignore")
    program = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/lunette")
    chosen = sys.argv[2:] or list(METHODS)
    print(f"torch {torch.__version__}; processor milliseconds, best of {REPETITIONS}")
    print(f"{'network':8} {'method':26} {'threads':>7} {'peer':>9} {'lunette':>9} {'ratio':>7} {'difference':>11}")
    for name, (net, x) in networks().items():
        for word in chosen:
            script, peer, compared = METHODS[word]
            if word == "grad_cam" and name != "cnn":
                continue
            for threads in (1, 2):
                with tempfile.TemporaryDirectory() as folder:
                    torch.onnx.export(net, x[:1], os.path.join(folder, "m.onnx"), dynamic_axes={"x": [0], "y": [0]},
                                      input_names=["x"], output_names=["y"], dynamo=False)
                    np.save(os.path.join(folder, "x.npy"), x.numpy())
                    np.save(os.path.join(folder, "base.npy"), np.zeros((10, *x.shape[1:]), np.float32))
                    torch.set_num_threads(threads)
                    theirs, expected = peer_seconds(peer, net, x)
                    ours = our_seconds(program, folder, script, threads, 0.05)
                    difference = compare(program, folder, expected) if compared else float("nan")
                    assert not difference > 2e-3, f"{word}: the attributions differ by {difference}"
                    print(f"{name:8} {word:26} {threads:7} {theirs * 1e3:9.2f} {ours * 1e3:9.2f} "
                          f"{theirs / ours:7.1f} {difference:11.0e}", flush=True)


if __name__ == "__main__":
    main()
