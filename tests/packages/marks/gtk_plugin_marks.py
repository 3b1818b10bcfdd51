"""Data sets from outside whose images have no classes: one with attributes, one with numbers."""

import gtk
import numpy as np


def marks(config, root):
    generator = np.random.default_rng(0)

    def split(count):
        labels = generator.integers(0, 2, (count, 2)).astype(np.float32)  # (N, n), 0 or 1
        images = generator.integers(0, 50, (count, 1, 8, 8), dtype=np.uint8)
        images[labels[:, 0] == 1, :, 0] += 200
        images[labels[:, 1] == 1, :, :, 0] += 200
        return gtk.Split(images, labels)

    condition = gtk.ConditionSpec(("roof", "wall"), "attributes")
    return gtk.Dataset(gtk.DataSpec("marks", 1, 8, 8, condition), split(200), split(20))


def ramps(config, root):
    generator = np.random.default_rng(0)

    def split(count):
        labels = generator.uniform((0, -30), (100, 30), (count, 2)).astype(np.float32)
        across = np.arange(9) - 4
        levels = 2 * labels[:, :1] + labels[:, 1:] * across / 4 + 30
        images = np.broadcast_to(levels[:, None, None], (count, 3, 9, 9)).astype(np.uint8)
        return gtk.Split(np.ascontiguousarray(images), labels)

    ranges = ((0.0, 100.0), (-30.0, 30.0))
    condition = gtk.ConditionSpec(("brightness", "slope"), "continuous", ranges)
    return gtk.Dataset(gtk.DataSpec("ramps", 3, 9, 9, condition), split(200), split(20))


@gtk.hookimpl
def gtk_datasets():
    return [
        gtk.DatasetSpec(name="marks", summary="A roof or a wall, or both.", target=marks),
        gtk.DatasetSpec(name="ramps", summary="Brighter or steeper.", target=ramps),
    ]
