"""A data set of the user's own, with an option: it reads a file that says how many there are."""

from dataclasses import dataclass, field

import numpy as np

import gtk


@dataclass(frozen=True)
class SquaresConfig:
    side: int = field(default=4, metadata={"help": "Pixels across a square."})

    def __post_init__(self):
        if self.side < 1:
            raise ValueError(f"side must be at least 1, not {self.side}")


def load(config, root):
    try:
        count = int(root.read_text())
    except (OSError, ValueError) as error:
        raise gtk.InvalidValue(f"{root} does not say how many squares there are") from error
    images = np.zeros((count, 1, 8, 8), np.uint8)
    images[:, :, : config.side, : config.side] = 255
    split = gtk.Split(images, np.zeros(count, np.int64))
    return gtk.Dataset(gtk.DataSpec("squares", 1, 8, 8, None), split, split)


@gtk.hookimpl
def gtk_datasets():
    return [
        gtk.DatasetSpec(
            name="squares",
            summary="As many squares as a file says.",
            target=load,
            config=SquaresConfig,
            root="required",
        )
    ]
