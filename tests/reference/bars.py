"""The pictures of experiments/data/bars: bright bars on dark noise, lying or standing, 12 x 12, grey, as
PNG.

    python3 tests/reference/bars.py"""
import pathlib

import numpy as np
from PIL import Image

out = pathlib.Path(__file__).parents[2] / "experiments/data/bars"
rng = np.random.default_rng(5)
for kind in ("lying", "standing"):
    (out / kind).mkdir(parents=True, exist_ok=True)
    for number in range(40):
        image = rng.integers(0, 12, (12, 12)) * 5
        first, length = rng.integers(0, 4), rng.integers(6, 9)
        at = rng.integers(1, 10)
        image[at:at + 2, first:first + length] = rng.integers(130, 250)
        Image.fromarray((image if kind == "lying" else image.T).astype(np.uint8)).save(
            out / kind / f"{number:02}.png", optimize=True)
