"""Writes tests/reference/base/safetensors/*.safetensors with the format's own library;
tests/engine/test_tensor_safetensors.c knows the values. digits.safetensors holds the weights of a network
64-8-10 made by PyTorch (seed 0) under the names of nn.Sequential, and digits.npy its outputs for
x = (i mod 17) / 16, i = 0 .. 127, as two rows.

    python3 tests/reference/base/weights.py      (needs torch, safetensors, numpy)
"""
import os

import numpy as np
import torch
from safetensors.torch import save_file

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "safetensors")
os.makedirs(folder, exist_ok=True)


def path(name):
    return os.path.join(folder, name)


x = torch.arange(6, dtype=torch.float32).reshape(2, 3) / 4
halves = torch.tensor([0.0, -0.0, 1.5, -65504.0, 6e-8, float("inf"), float("nan"), 6.1e-5])
save_file({"x": x, "double": x.double() / 3, "half": halves.half(), "brain": halves.bfloat16(),
           "ids": torch.tensor([1, -2]), "scalar": torch.tensor(2.5), "none": torch.zeros(0, 3)},
          path("types.safetensors"), metadata={"format": "pt", "note": "a \"note\""})

torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(64, 8), torch.nn.ReLU(), torch.nn.Linear(8, 10))
save_file(net.state_dict(), path("digits.safetensors"))
rows = ((torch.arange(128) % 17).float() / 16).reshape(2, 64)
np.save(path("x.npy"), rows.numpy())
np.save(path("digits.npy"), net(rows).detach().numpy())
