#!/usr/bin/env python3
"""How fast are forward passes and input gradients, here, in PyTorch and (forward) in ONNX Runtime?

    tests/bench/engine.py build/bench-engine [NETWORK[@BATCH] ...] [--threads 1,2] [--rounds N] [--memory]
                          [--numerics fast]

Each network is made by PyTorch with random weights, saved as ONNX and read by all. In one run the
programs take turns, so that what else the machine does falls on all of them; of each the fastest
turn counts. On one thread it is processor time, on more it is time on the clock. `torch` is the better of
eager with plain and with channels_last tensors (and of torch.compile with --compile). A number in a
column `x` says how many times as fast Lunette is. GFLOP/s count two for each multiplication with an
addition of convolutions and matrix products (of the gradient: twice those of forward), `peak` is
their share of what fused multiply-adds of the widest registers reach here (above 100 % where Winograd's
kernels make fewer of them).

The results are compared before anything is timed. With --memory: what a gradient of the batch adds to
the resident memory of each after loading (a process each), in place of times.

It needs Python with torch, torchvision, onnx, onnxscript, onnxruntime and numpy; `make bench-engine
PYTHON=...` builds build/bench-engine and runs it."""
import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import onnxruntime
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

warnings.filterwarnings("ignore")


class LSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(32, 64, batch_first=True)
        self.head = nn.Linear(64, 5)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class Block(nn.Module):
    """A transformer's layer as vision transformers have it, in operations that every exporter knows."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        tokens, width = x.shape[1], x.shape[2]
        parted = lambda t: t.reshape(-1, tokens, self.heads, width // self.heads).transpose(1, 2)
        y = self.before(x)
        q, k, v = parted(self.q(y)), parted(self.k(y)), parted(self.v(y))
        weights = torch.softmax(q @ k.transpose(2, 3) * self.scale, -1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(-1, tokens, width))
        return x + self.narrow(nn.functional.gelu(self.wide(self.after(x))))


class Transformer(nn.Module):
    def __init__(self, width=64, tokens=32, heads=4, layers=2):
        super().__init__()
        self.embed = nn.Linear(16, width)
        self.place = nn.Parameter(0.1 * torch.randn(1, tokens, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.blocks(self.embed(x) + self.place).mean(1))


def mlp():
    return nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2))


def mnist():
    return nn.Sequential(
        nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(10, 20, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(320, 50), nn.ReLU(), nn.Linear(50, 10))


# name: how it is made, the shape of a row, batches, whether it has images
NETWORKS = {
    "mlp": (mlp, (30,), (1, 50, 569), False),
    "mnist": (mnist, (1, 28, 28), (1, 100), True),
    "resnet18": (torchvision.models.resnet18, (3, 224, 224), (8,), True),
    "mobilenet_v2": (torchvision.models.mobilenet_v2, (3, 224, 224), (8,), True),
    "transformer": (Transformer, (32, 16), (32,), False),
    "lstm": (LSTM, (20, 32), (32,), False),
}


def make(name):
    torch.manual_seed(0)
    model = NETWORKS[name][0]().eval()
    for module in model.modules():  # statistics that a trained network would have
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model


def save(model, row, path):
    torch.onnx.export(model, torch.randn(2, *row), path, dynamo=False, input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "N"}, "y": {0: "N"}}, opset_version=17)


def gradient_of(model, x):
    x = x.detach().requires_grad_(True)
    model(x)[:, 0].sum().backward()
    return x.grad


class Torch:
    """PyTorch in this process, in one memory format, perhaps compiled."""

    def __init__(self, model, x, last=False, compiled=False):
        form = torch.channels_last if last else torch.contiguous_format
        self.model = model.to(memory_format=form) if last else model
        self.x = x.to(memory_format=form) if last else x
        if compiled:
            self.model = torch.compile(self.model)

    def run(self, kind):
        if kind == "gradient":
            return gradient_of(self.model, self.x)
        with torch.no_grad():
            return self.model(self.x)

    def time(self, kind, count):
        return fastest(lambda: self.run(kind), count)


class Runtime:
    """ONNX Runtime in this process."""

    def __init__(self, path, x, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0" if threads == 1 else "1")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.x = {"x": x.numpy()}

    def run(self, kind):
        return torch.from_numpy(self.session.run(["y"], self.x)[0])

    def time(self, kind, count):
        return fastest(lambda: self.run(kind), count)


class Lunette:
    """A process of build/bench-engine that has the model loaded."""

    def __init__(self, program, model, rows, threads, numerics):
        self.process = subprocess.Popen([program, model, rows, str(threads), numerics], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("bench-engine stopped")
        return answer

    def run(self, kind, path):
        self.ask(f"{kind} 1")
        self.ask(f"save {kind} {path}")
        return torch.from_numpy(np.load(path))

    def time(self, kind, count):
        return np.array([float(word) for word in self.ask(f"{kind} {count}").split()])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def fastest(call, count):
    best = np.array([np.inf, np.inf])  # on the clock, of the processor
    for _ in range(count):
        clock, processor = time.perf_counter(), time.process_time()
        call()
        best = np.minimum(best, (time.perf_counter() - clock, time.process_time() - processor))
    return best


def peak_gflops():
    """What fused multiply-adds in registers reach on one core."""
    each = lambda text: " ".join(text.replace("@", str(i)) for i in range(12))
    source = """
    #include <time.h>
    typedef float vector __attribute__((vector_size(WIDTH)));
    double peak(void) {
        vector b, c; """ + each("vector a@ = {0};") + """
        double best = 0;
        for (int i = 0; i < WIDTH / 4; i++) { b[i] = 0.999f; c[i] = 0.001f; }
        for (int round = 0; round < 30; round++) {
            struct timespec s, e; const long steps = 1000000;
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &s);
            for (long k = 0; k < steps; k++) { """ + each('a@ = a@ * b + c; __asm__ volatile("" : "+v"(a@));') + """ }
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &e);
            double took = (double)(e.tv_sec - s.tv_sec) + 1e-9 * (double)(e.tv_nsec - s.tv_nsec);
            double rate = 12.0 * 2 * WIDTH / 4 * (double)steps / took * 1e-9;
            if (rate > best) best = rate;
        }
        return best; }"""
    wide = "avx512f" in open("/proc/cpuinfo").read()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "peak.c")
        with open(path, "w") as file:
            file.write(source.replace("WIDTH", "64" if wide else "32"))
        library = os.path.join(folder, "peak.so")
        subprocess.run(["gcc", "-O3", "-march=native", "-mprefer-vector-width=512", "-shared", "-fPIC", "-o",
                        library, path], check=True)
        peak = ctypes.CDLL(library).peak
        peak.restype = ctypes.c_double
        return peak()


def compare(name, ours, theirs):
    """By their norm: where a number falls on the kink of a relu, rounding decides between two gradients."""
    difference = ((ours.reshape(theirs.shape) - theirs).norm() / theirs.norm()).item()
    if not difference < 0.02:
        sys.exit(f"{name}: the results differ by {difference:.2%}")


def time_all(programs, kind, rounds):
    """The fastest turn of each, on the clock and of the processor; slow calls get fewer turns."""
    once = {name: program.time(kind, 3)[0] for name, program in programs.items()}
    best = {name: np.array([np.inf, np.inf]) for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            count = int(min(max(0.05 / once[name], 1), 2000))
            best[name] = np.minimum(best[name], program.time(kind, count))
    return best


def bench(options, name, batch, threads, peak):
    row, images = NETWORKS[name][1], NETWORKS[name][3]
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model, x = make(name), torch.randn(batch, *row)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x)
    with tempfile.TemporaryDirectory() as folder:
        path, rows, results = (os.path.join(folder, file) for file in ("m.onnx", "x.npy", "r.npy"))
        save(model, row, path)
        np.save(rows, x.numpy())
        programs = {"lunette": Lunette(options.program, path, rows, threads, options.numerics), "torch": Torch(model, x)}
        if images:
            programs["torch last"] = Torch(make(name), x, last=True)
        if options.compile:
            programs["torch compiled"] = Torch(make(name), x, compiled=True)
        for kind in ("forward", "gradient"):
            compare(f"{name} {kind}", programs["lunette"].run(kind, results), programs["torch"].run(kind))
        for kind in ("forward", "gradient"):
            runtime = {"onnxruntime": Runtime(path, x, threads)} if kind == "forward" else {}
            best = time_all({**programs, **runtime}, kind, options.rounds)
            times = {key: value[1 if threads == 1 else 0] for key, value in best.items()}
            ours = times.pop("lunette")
            ort = times.pop("onnxruntime", None)
            theirs = min(times, key=times.get)
            rate = counter.get_total_flops() * (1 if kind == "forward" else 2) / ours * 1e-9
            print(f"{name:13} {batch:5} {threads:7} {kind:8} {ours * 1e3:10.3f} {times[theirs] * 1e3:10.3f} "
                  f"{theirs:14} {times[theirs] / ours:7.2f} "
                  + (f"{ort * 1e3:10.3f} {ort / ours:7.2f}" if ort else f"{'':18}")
                  + f" {rate:8.1f} {rate / peak / threads:6.0%}", flush=True)
        programs["lunette"].close()


TORCH_MEMORY = """
import re, sys, torch
sys.path.insert(0, sys.argv[1])
import engine
torch.set_num_threads(1)
model, x = engine.make(sys.argv[2]), torch.randn(int(sys.argv[3]), *engine.NETWORKS[sys.argv[2]][1])
if sys.argv[4] == "last":
    model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
status = lambda what: int(re.search(what + r":\\s+(\\d+)", open("/proc/self/status").read()).group(1))
before = status("VmRSS")
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
engine.gradient_of(model, x)
print(status("VmHWM") - before)
"""


def memory(options, name, batch, threads):
    here = os.path.dirname(os.path.abspath(__file__))
    row = NETWORKS[name][1]
    with tempfile.TemporaryDirectory() as folder:
        path, rows = os.path.join(folder, "m.onnx"), os.path.join(folder, "x.npy")
        save(make(name), row, path)
        np.save(rows, torch.randn(batch, *row).numpy())
        lunette = Lunette(options.program, path, rows, threads, options.numerics)
        before = int(lunette.ask("memory").split()[1])
        lunette.ask("gradient 1")
        ours = int(lunette.ask("memory").split()[0]) - before
        lunette.close()
    theirs = min(int(subprocess.run([sys.executable, "-c", TORCH_MEMORY, here, name, str(batch), form], check=True,
                                    capture_output=True, text=True).stdout) for form in ("plain", "last"))
    print(f"{name:13} {batch:5} {threads:7} gradient {ours / 1024:8.1f} MiB   torch {theirs / 1024:8.1f} MiB   "
          f"share {ours / theirs:6.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("networks", nargs="*", help="resnet18, mlp@50 ...; all by default")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--numerics", default="strict", choices=("strict", "fast"), help="of Lunette")
    parser.add_argument("--compile", action="store_true", help="torch.compile takes part, where it runs")
    options = parser.parse_args()
    cases = []
    for wanted in options.networks or NETWORKS:
        name, _, batch = wanted.partition("@")
        cases += [(name, size) for size in ([int(batch)] if batch else NETWORKS[name][2])]
    print(f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, numerics {options.numerics}, {options.rounds} rounds")
    peak = 0
    if not options.memory:
        peak = peak_gflops()
        print(f"fused multiply-adds on one core: {peak:.0f} GFLOP/s; times in milliseconds\n")
        print(f"{'network':13} {'batch':>5} {'threads':>7} {'pass':8} {'lunette':>10} {'torch':>10} {'which':14} "
              f"{'x':>7} {'ort':>10} {'x':>7} {'GFLOP/s':>8} {'peak':>6}")
    for threads in (int(word) for word in options.threads.split(",")):
        for name, batch in cases:
            if options.memory:
                memory(options, name, batch, threads)
            else:
                bench(options, name, batch, threads, peak)


if __name__ == "__main__":
    main()
