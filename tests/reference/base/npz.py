"""Writes tests/reference/base/npz/*.npz with NumPy: archives as savez and savez_compressed leave
them. tests/engine/test_tensor_npz.c knows the values.

    python3 tests/reference/base/npz.py      (needs numpy)
"""
import os
import zipfile

import numpy as np

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "npz")
os.makedirs(folder, exist_ok=True)


def path(name):
    return os.path.join(folder, name + ".npz")


x = (np.arange(6).reshape(2, 3) / 4).astype("<f4")
y = np.array([1, 0], dtype="<i8")
np.savez(path("stored"), x=x, y=y)
np.savez_compressed(path("deflated"), x=x, y=y, zeros=np.zeros((200, 500), dtype="|u1"))
np.savez(path("single"), x)
np.savez(path("objects"), x=np.array([{}, None]), y=y)
with zipfile.ZipFile(path("other"), "w") as archive:
    archive.writestr("readme.txt", "no arrays here")
