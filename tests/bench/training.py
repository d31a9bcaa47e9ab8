#!/usr/bin/env python3
"""How long does an epoch of training take, here and in PyTorch?

    tests/bench/training.py build/lunette [--threads 1,2] [--rounds N] [--images FOLDER]

The MNIST network (conv 10 5x5, pool, conv 20 5x5, pool, dense 50, dense 10; relu) on its 60,000 images
(`make data` brings them), batches of 100, Adam; PyTorch (eager) with plain and with channels_last tensors, the
images in memory as ours are. Ours is what a run of two epochs takes more than one of one does: an epoch with its
rows in the store. The two take turns; of each the fastest counts, on the clock and of the processor.

It needs Python with torch and numpy.
"""
import argparse
import gzip
import os
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from torch import nn

SCRIPT = """
return experiment "training" {
  seed  = 1,
  data  = arrays { inputs = idx "%(folder)s/train-images-idx3-ubyte.gz" { scale = 1/255 },
                   labels = idx "%(folder)s/train-labels-idx1-ubyte.gz", shape = { 1, 28, 28 } },
  model = network { conv2d { 10, kernel_size = 5 }, relu, max_pool2d { 2 },
                    conv2d { 20, kernel_size = 5 }, relu, max_pool2d { 2 },
                    flatten, dense { 50 }, relu, dense { 10 } },
  train = { epochs = 1, batch = 100, optimizer = adam { lr = 2e-3 } },
}
"""


def idx(folder, name, offset):
    with gzip.open(os.path.join(folder, name)) as file:
        return np.frombuffer(file.read(), np.uint8, offset=offset)


def lunette(program, script, threads, epochs, folder):
    store = os.path.join(folder, f"{threads}-{epochs}-{time.monotonic_ns()}.db")
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([program, "run", script, "--quiet", "--db", store, "--threads", str(threads),
                    "--set", f"train.epochs={epochs}"], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def network(last):
    net = nn.Sequential(nn.Conv2d(1, 10, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(10, 20, 5), nn.ReLU(),
                        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(320, 50), nn.ReLU(), nn.Linear(50, 10))
    net = net.to(memory_format=torch.channels_last) if last else net
    return net, torch.optim.Adam(net.parameters(), 2e-3)


def epoch(net, optimizer, x, y):
    start, used = time.monotonic(), time.process_time()
    order, loss = torch.randperm(len(x)), nn.CrossEntropyLoss()
    for first in range(0, len(x), 100):
        rows = order[first:first + 100]
        optimizer.zero_grad()
        loss(net(x[rows]), y[rows]).backward()
        optimizer.step()
    return time.monotonic() - start, time.process_time() - used


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", default="~/.cache/lunette/mnist")
    options = parser.parse_args()
    images = os.path.expanduser(options.images)
    x = idx(images, "train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28).astype(np.float32) / 255
    y = torch.tensor(idx(images, "train-labels-idx1-ubyte.gz", 8).astype(np.int64))
    x = torch.tensor(x)
    print(f"torch {torch.__version__}, {options.rounds} rounds; seconds an epoch")
    print("threads     torch  lunette      x   processor: torch  lunette      x")
    for threads in (int(number) for number in options.threads.split(",")):
        torch.set_num_threads(threads)
        nets = [network(last) for last in (False, True)]
        with tempfile.TemporaryDirectory() as folder:
            script = os.path.join(folder, "training.lua")
            with open(script, "w") as file:
                file.write(SCRIPT % {"folder": images})
            theirs, runs = [], {1: [], 2: []}
            for _ in range(options.rounds):
                theirs += [epoch(*net, x, y) for net in nets]
                for epochs, times in runs.items():
                    times.append(lunette(options.program, script, threads, epochs, folder))
        peer = [min(times[i] for times in theirs) for i in range(2)]
        own = [min(times[i] for times in runs[2]) - min(times[i] for times in runs[1]) for i in range(2)]
        print(f"{threads:7d} {peer[0]:9.2f} {own[0]:8.2f} {peer[0] / own[0]:6.2f}"
              f"              {peer[1]:8.2f} {own[1]:8.2f} {peer[1] / own[1]:6.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
