"""Writes tests/reference/base/npy/*.npy with NumPy: one array in every dtype, order and version
that Lunette reads. tests/engine/test_tensor_npy.c knows the values.

    python3 tests/reference/base/npy.py      (needs numpy)
"""
import os

import numpy as np
from numpy.lib import format as npy

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "npy")
os.makedirs(folder, exist_ok=True)


def save(name, array, version=(1, 0)):
    with open(os.path.join(folder, name + ".npy"), "wb") as file:
        npy.write_array(file, array, version=version, allow_pickle=False)


whole = np.arange(24).reshape(2, 3, 4) - 5
for code in ("i1", "i2", "i4", "i8"):
    save(code, whole.astype("<" + code))
    save(code + "_big", whole.astype(">" + code))
for code in ("u1", "u2", "u4"):
    save(code, abs(whole).astype("<" + code))
    save(code + "_big", abs(whole).astype(">" + code))
for code in ("f2", "f4", "f8"):
    save(code, (whole / 4).astype("<" + code))
    save(code + "_big", (whole / 4).astype(">" + code))
save("b1", whole % 3 == 0)
save("f4_fortran", np.asfortranarray((whole / 4).astype("<f4")))
save("i8_fortran_big", np.asfortranarray(whole.astype(">i8")))
save("f4_version2", (whole / 4).astype("<f4"), (2, 0))
save("f4_version3", (whole / 4).astype("<f4"), (3, 0))
save("scalar", np.array(2.5, "<f8"))
save("empty", np.zeros((3, 0, 2), "<f4"))
halves = [0.0, -0.0, 1.0, -2.0, 65504.0, 2.0**-14, 2.0**-24, 1023 * 2.0**-24, np.inf, -np.inf, np.nan, 1 / 3]
save("f2_special", np.array(halves, "<f2"))
save("extremes_u4", np.array([0, 2**31, 2**32 - 1], "<u4"))
save("extremes_u2", np.array([0, 2**15, 2**16 - 1], "<u2"))
save("extremes_i1", np.array([-128, 127], "|i1"))
save("extremes_i8", np.array([-(2**63), 2**63 - 1], "<i8"))
save("complex", np.zeros(2, "<c8"))
save("text", np.array(["ab", "c"]))
save("u8", np.zeros(2, "<u8"))
save("dates", np.zeros(2, "<M8[s]"))
save("record", np.zeros(2, [("x", "<f4"), ("y", "<i4")]))
