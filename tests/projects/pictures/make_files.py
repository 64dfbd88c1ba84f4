"""Write 2000 pictures in two folders: a bright spot in the left or the right half, or none of both."""

from pathlib import Path

import numpy as np
from PIL import Image

rng = np.random.default_rng(0)
for kind in ("empty", "spot"):
    Path("pictures", kind).mkdir(parents=True)
    for number in range(1000):
        pixels = rng.integers(0, 80, (16, 16), dtype=np.uint8)
        if kind == "spot":
            row, column = rng.integers(0, 12, 2)
            pixels[row : row + 4, column : column + 4] = 200
        Image.fromarray(pixels).save(f"pictures/{kind}/{number}.png")
