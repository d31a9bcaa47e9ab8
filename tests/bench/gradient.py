#!/usr/bin/env python3
"""How long do gradient methods and rules take, here and with Captum and Zennit?

    tests/bench/gradient.py build [NETWORK ...] [--methods WORD,...] [--threads 1,2] [--rounds N]
                                  [--storing] [--memory]

The same networks (random weights), rows and settings for both, target 0, in one run:

    mlp       30-64-32-2, relu, 569 rows; mlp-1: one single row
    cnn       MNIST's: conv 10 5x5, pool, conv 20 5x5, pool, dense 50, dense 10, relu; 100 images
    resnet18  torchvision's, 4 images at 224; resnet18-1: one of them

Timed is what attribute() does: the explainer called on rows in memory, results in memory, warm. Ours is
build/bench-explain, where a call makes the job (its plans) anew, runs it and frees it; `run` is the run of a
job that is there, what each further piece of rows costs in a script. Calls are repeated on the same rows, and our
model knows outputs of rows that it has passed before (engine/model/known.h); `anew` are calls with rows and a
background that it never saw, all of them different, which compute these too. In one run the programs take turns; of
each the fastest counts, on the clock and of the processor (user and system, of all threads). `x` says how many
times as fast Lunette is. The attributions of methods without draws are compared first.

With --storing there is one more column, processor milliseconds of the whole program: what a script that explains
COPIES times takes, less what it takes to explain none, by COPIES: storing the attributions counts.

With --memory: MiB at the peak in place of times: what a call adds to the resident memory, as the `first` of all
and `then`, when one row has been explained before, the peer's in these columns. Ours is prepared: its job was
made and freed, no row was run, but weights are packed, which counts as loading (`ready` is that, from the model
read). `whole` is all that the process holds at the peak of the first call, the peer's with Python and torch.

It needs Python with torch, torchvision, captum, zennit, numpy and onnx; `make bench-gradient PYTHON=...` builds
and runs it.
"""
import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import types
import warnings

import numpy as np
import torch
import torchvision
from captum import attr
from torch import nn
from zennit.attribution import Gradient
from zennit.composites import EpsilonPlus
from zennit.core import Composite
from zennit.rules import Epsilon
from zennit.types import Linear

TURN = 0.1  # seconds of a program's turn, about


def block(self, x):
    """A residual block whose relus are two, as Captum wants them."""
    y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
    return self.relu2(y + (x if self.downsample is None else self.downsample(x)))


def resnet():
    net = torchvision.models.resnet18()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics that a trained network would have
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
        if isinstance(module, torchvision.models.resnet.BasicBlock):
            module.relu, module.relu2 = nn.ReLU(), nn.ReLU()
            module.forward = types.MethodType(block, module)
    net.relu = nn.ReLU()
    return net


NETWORKS = {  # how it is made, its rows
    "mlp": (lambda: nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2)),
            (569, 30)),
    "mlp-1": (lambda: NETWORKS["mlp"][0](), (1, 30)),
    "cnn": (lambda: nn.Sequential(nn.Conv2d(1, 10, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(10, 20, 5), nn.ReLU(),
                                  nn.MaxPool2d(2), nn.Flatten(), nn.Linear(320, 50), nn.ReLU(), nn.Linear(50, 10)),
            (100, 1, 28, 28)),
    "resnet18": (resnet, (4, 3, 224, 224)),
    "resnet18-1": (resnet, (1, 3, 224, 224)),
}


def make(name):
    torch.manual_seed(3)
    net = NETWORKS[name][0]().eval()
    return net, torch.rand(NETWORKS[name][1])


def epsilon(module):
    rule = Epsilon(epsilon=1e-9)
    return Composite(module_map=lambda ctx, name, m: rule if isinstance(m, Linear) else None)


def zennit(net, x, composite):
    x = x.clone().requires_grad_()
    with Gradient(model=net, composite=composite) as attributor:
        y = net(x).detach()
        out = torch.eye(y.shape[1])[[0]]
        return attributor(x, out * y[:, :1])[1]


def steps(net, x, n):
    return attr.IntegratedGradients(net).attribute(x, target=0, n_steps=n, internal_batch_size=min(5, n) * len(x))


def cam(net, x):
    return attr.LayerGradCam(net, net[3] if isinstance(net, nn.Sequential) else net.layer4).attribute(x, target=0)


CAM_LAYERS = {"cnn": "3", **dict.fromkeys(("resnet18", "resnet18-1"), "/layer4/layer4.1/relu2/Relu")}
METHODS = {  # word: (parameters, peer, compared); of resnet18 only what its batch norm lets compare
    "saliency": ({}, lambda net, x: attr.Saliency(net).attribute(x, target=0), True),
    "input_x_gradient": ({}, lambda net, x: attr.InputXGradient(net).attribute(x, target=0), True),
    "integrated_gradients-16": ({"steps": 16}, lambda net, x: steps(net, x, 16), True),
    "integrated_gradients-50": ({"steps": 50}, lambda net, x: steps(net, x, 50), True),
    "integrated_gradients-200": ({"steps": 200}, lambda net, x: steps(net, x, 200), True),
    "guided_backprop": ({}, lambda net, x: attr.GuidedBackprop(net).attribute(x, target=0), True),
    "deconvnet": ({}, lambda net, x: attr.Deconvolution(net).attribute(x, target=0), True),
    "deeplift": ({}, lambda net, x: attr.DeepLift(net).attribute(x, target=0), False),
    "gradient_shap": ({"background": "base.npy"}, lambda net, x: attr.GradientShap(net).attribute(
        x, torch.zeros(10, *x.shape[1:]), target=0), False),
    "smooth_grad": ({"samples": 20}, lambda net, x: attr.NoiseTunnel(attr.Saliency(net)).attribute(
        x, nt_type="smoothgrad", nt_samples=20, stdevs=0.15, target=0, abs=False), False),
    "lrp": ({}, lambda net, x: zennit(net, x, epsilon(net)), False),
    "lrp-epsilon_plus": ({"composite": "epsilon_plus"}, lambda net, x: zennit(net, x, EpsilonPlus()), True),
    "grad_cam": ({"layer": "", "relu": "false", "upsample": "false"}, cam, True),
}
SKIPPED = {("mlp", "grad_cam"), ("mlp-1", "grad_cam"), ("resnet18", "integrated_gradients-50"),
           ("resnet18", "integrated_gradients-200"), ("resnet18-1", "integrated_gradients-200")}
UNCOMPARED = {(name, "lrp-epsilon_plus") for name in ("resnet18", "resnet18-1")}  # Zennit's batch norm is not
# folded, and passes all on


class Lunette:
    """A process of build/bench-explain that has the network's model and rows loaded."""

    def __init__(self, build, folder, threads):
        self.folder = folder
        self.process = subprocess.Popen([os.path.join(build, "bench-explain"), "m.onnx", "x.npy", str(threads)],
                                        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)

    def ask(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("bench-explain stopped")
        return answer

    def choose(self, method, params):
        self.ask(" ".join([method.split("-")[0]] + [f"{name}={value}" for name, value in params.items()]))

    def time(self, what, count):
        return np.array([float(word) for word in self.ask(f"{what} {count}").split()])

    def found(self):
        self.ask("call 1")
        self.ask("save found.npy")
        return np.load(os.path.join(self.folder, "found.npy"))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def peer_time(peer, net, x, count):
    best = np.array([np.inf, np.inf])  # on the clock, of the processor
    for _ in range(count):
        clock, processor = time.perf_counter(), time.process_time()
        peer(net, x)
        best = np.minimum(best, (time.perf_counter() - clock, time.process_time() - processor))
    return best


def time_all(programs, rounds):
    """The fastest turn of each, on the clock and of the processor; slow calls get fewer turns."""
    once = {name: program(2)[0] for name, program in programs.items()}
    best = {name: np.array([np.inf, np.inf]) for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            best[name] = np.minimum(best[name], program(int(min(max(TURN / once[name], 1), 5000))))
    return best


# ---------------------------------------------------------------- the whole program

def process_seconds(build, folder, words, threads):
    script = os.path.join(folder, "bench.lua")
    with open(script, "w") as file:
        file.write('return experiment "bench" { model = onnx "m.onnx", inputs = npy "x.npy", target = 0,\n'
                   "  explain = { %s } }\n" % ", ".join(words))
    best = float("inf")
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([os.path.join(build, "lunette"), "run", script, "--db", os.path.join(folder, "bench.db"),
                        "--threads", str(threads), "--quiet"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def storing_seconds(build, folder, method, params, threads):
    fields = {name: value if isinstance(value, int) or value in ("true", "false") or value.isdigit()
              else f'npy "{value}"' if value.endswith(".npy") else f'"{value}"' for name, value in params.items()}
    word = method.split("-")[0] + " { %s }" % ", ".join(f"{name} = {value}" for name, value in fields.items())
    nothing = process_seconds(build, folder, [], threads)
    copies = 4
    while True:
        whole = process_seconds(build, folder, [word] * copies, threads)
        if whole - nothing > 0.05 or copies >= 400:
            return (whole - nothing) / copies
        copies *= 4


# ---------------------------------------------------------------- the table

def params_of(name, method):
    params = dict(METHODS[method][0])
    if "layer" in params:
        params["layer"] = CAM_LAYERS[name]
    return params


def compare(name, method, found, expected):
    rows = np.abs(found.reshape(expected.shape) - expected).reshape(len(expected), -1).max(1) / np.abs(expected).max()
    # Where a number falls on the kink of a relu, rounding decides between two gradients: that happens to single
    # rows (against float64, to Captum's as to ours), by a share of a path's steps.
    most, median = (5e-2, 5e-2) if name.startswith("resnet18") else (1e-2, 1e-4)
    assert rows.max() < most and np.median(rows) < median, f"{name} {method}: they differ by {rows.max()}"
    return rows.max()


def bench(options, folder, name, net, x, method, threads):
    params, peer, compared = params_of(name, method), METHODS[method][1], METHODS[method][2]
    lunette = Lunette(options.build, folder, threads)
    lunette.choose(method, params)
    difference = ""
    if compared and (name, method) not in UNCOMPARED:
        difference = f"{compare(name, method, lunette.found(), peer(net, x).detach().numpy()):.0e}"
    best = time_all({"peer": lambda count: peer_time(peer, net, x, count),
                     "call": lambda count: lunette.time("call", count),
                     "anew": lambda count: lunette.time("anew", count),
                     "run": lambda count: lunette.time("run", count)}, options.rounds)
    lunette.close()
    theirs, call, anew, run = (1e3 * best[key] for key in ("peer", "call", "anew", "run"))
    line = (f"{name:11}{method:25}{threads:3} {theirs[0]:9.3f} {call[0]:8.3f} {theirs[0] / call[0]:6.1f} "
            f"{anew[0]:8.3f} "
            f"{theirs[0] / anew[0]:6.1f} {run[0]:8.3f} "
            f"{theirs[0] / run[0]:6.1f}  {theirs[1]:9.3f} {call[1]:8.3f} {theirs[1] / call[1]:6.1f} {difference:>8}")
    if options.storing:
        storing = 1e3 * storing_seconds(options.build, folder, method, params, threads)
        line += f" {storing:8.3f} {theirs[1] / storing:6.1f}"
    print(line, flush=True)


def peak_kib(call):
    """What a call adds to the resident memory at its peak, and that peak."""
    status = lambda what: int(re.search(what + r":\s+(\d+)", open("/proc/self/status").read()).group(1))
    before = status("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew
    call()
    return status("VmHWM") - before, status("VmHWM")


def peer_memory(name, method, threads, warm):
    torch.set_num_threads(threads)
    net, x = make(name)
    if warm:
        METHODS[method][1](net, x[:1])
    print(*peak_kib(lambda: METHODS[method][1](net, x)))


def our_memory(options, folder, name, method, threads, warm):
    lunette = Lunette(options.build, folder, threads)
    lunette.choose(method, params_of(name, method))
    read = int(lunette.ask("memory").split()[1])
    lunette.ask("one" if warm else "prepare")
    ready = int(lunette.ask("memory").split()[1])
    lunette.ask("call 1")
    peak = int(lunette.ask("memory").split()[0])
    lunette.close()
    return peak - ready, peak, ready - read


def memory(options, folder, name, method, threads):
    cells = []
    for warm in (False, True):
        ours = our_memory(options, folder, name, method, threads, warm)
        command = [sys.executable, __file__, options.build, name, "--methods", method, "--threads", str(threads),
                   "--peer-memory", "warm" if warm else "first"]
        theirs = [int(word) for word in subprocess.run(command, check=True, capture_output=True,
                                                       text=True).stdout.split()]
        cells += [theirs[0] / 1024, ours[0] / 1024, ours[0] / max(theirs[0], 1)]
        if not warm:
            whole = theirs[1] / 1024, ours[1] / 1024, ours[2] / 1024
    print(f"{name:11}{method:25}{threads:3} " + " ".join("%9.1f %9.1f %6.2f" % tuple(cells[at:at + 3]) for at in (0, 3))
          + " %9.1f %9.1f %8.1f" % whole, flush=True)


def main():
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="where bench-explain and lunette are")
    parser.add_argument("networks", nargs="*", help="mlp, mlp-1, cnn, resnet18, resnet18-1; all by default")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--storing", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--peer-memory", choices=("first", "warm"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    threads = [int(word) for word in options.threads.split(",")]
    if options.peer_memory:
        return peer_memory(options.networks[0], options.methods, threads[0], options.peer_memory == "warm")
    print(f"torch {torch.__version__}, {options.rounds} rounds; " + ("MiB at the peak" if options.memory else
          "milliseconds on the clock, of the processor" + (", and of it with storing" if options.storing else "")))
    times = (f"{'peer':>8} {'call':>8} {'x':>6} {'anew':>8} {'x':>6} {'run':>8} {'x':>6}  "
             + f"{'peer':>9} {'call':>8} {'x':>6} {'differs':>8}"
             + (f" {'storing':>8} {'x':>6}" if options.storing else ""))
    adds = "".join(f" {word:>9} {'lunette':>9} {'share':>6}" for word in ("first", "then"))
    print(f"{'network':11}{'method':23}threads"
          + (adds[2:] + f" {'whole':>9} {'lunette':>9} {'ready':>8}" if options.memory else times))
    for name in options.networks or NETWORKS:
        net, x = make(name)
        with tempfile.TemporaryDirectory() as folder:
            torch.onnx.export(net, x[:1], os.path.join(folder, "m.onnx"), dynamic_axes={"x": [0], "y": [0]},
                              input_names=["x"], output_names=["y"], dynamo=False)
            np.save(os.path.join(folder, "x.npy"), x.numpy())
            np.save(os.path.join(folder, "base.npy"), np.zeros((10, *x.shape[1:]), np.float32))
            for method in options.methods.split(","):
                for count in threads:
                    torch.set_num_threads(count)
                    if (name, method) not in SKIPPED:
                        (memory if options.memory else lambda *a: bench(a[0], a[1], a[2], net, x, a[3], a[4]))(
                            options, folder, name, method, count)


if __name__ == "__main__":
    main()
