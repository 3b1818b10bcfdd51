"""A data set from outside: in colour, not square, of odd size, with names for its classes."""

import numpy as np

import gtk


def load(config, root):
    generator = np.random.default_rng(0)

    def split(count):
        labels = np.arange(count) % 2
        images = generator.integers(0, 50, (count, 3, 5, 9), dtype=np.uint8)
        images[labels == 0, :, ::2] += 200
        images[labels == 1, :, :, ::2] += 200
        return gtk.Split(images, labels)

    condition = gtk.ConditionSpec(("rows", "columns"))
    return gtk.Dataset(gtk.DataSpec("stripes", 3, 5, 9, condition), split(200), split(20))


@gtk.hookimpl
def gtk_datasets():
    return [gtk.DatasetSpec(name="stripes", summary="Stripes, across or down.", target=load)]
