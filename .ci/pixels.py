"""Hold the pictures of the examples against PyTorch's: pixels.py python, or node.

In the folder of .ci/apps: runs/app, runs/game and runs/steps, and app-python.png and so on; for
Node runs/flow, too, whose file is a denoiser.
"""

import sys

import numpy as np
from PIL import Image

import gtk

COLUMNS, ROWS, SEED = [3, 8, 1], 4, 5

for name in ("app", "game", "steps", *(["flow"] if sys.argv[1] == "node" else [])):
    run = gtk.load(name)
    noise = run.load_model().noise.draw(len(COLUMNS) * ROWS, SEED)
    # Twelve small images as one picture, in rows of three.
    expected = run.generate(noise, COLUMNS * ROWS, seed=SEED).astype(int)
    count, height, width = expected.shape
    grid = expected.reshape(ROWS, len(COLUMNS), height, width).transpose(0, 2, 1, 3)
    with Image.open(f"{name}-{sys.argv[1]}.png") as image:
        found = np.asarray(image).astype(int)
    distances = abs(found - grid.reshape(ROWS * height, -1))
    if distances.max() > 1:
        sys.exit(f"{name}: the example in {sys.argv[1]} draws other pictures than PyTorch")
    print(f"{name}: {count} images, {np.count_nonzero(distances)} pixels differ by one level")
