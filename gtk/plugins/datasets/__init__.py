"""Data sets of labelled images."""

from gtk.core.hooks import hookimpl
from gtk.core.spec import DatasetSpec


@hookimpl
def gtk_datasets() -> list[DatasetSpec]:
    """Return all of them."""
    return [
        DatasetSpec(
            name="digits",
            summary="1,797 handwritten digits of 8x8 pixels, embedded: nothing to download.",
            target="gtk.plugins.datasets.digits:load",
            root="none",
            # One thread: a second gains nothing on images this small, and waits for the first
            # wherever something else keeps a core busy.
            defaults={"epochs": 300, "batch_size": 64, "threads": 1},
        ),
        DatasetSpec(
            name="mnist",
            summary="70,000 handwritten digits of 28x28 pixels (LeCun, Cortes, Burges).",
            target="gtk.plugins.datasets.mnist:load",
        ),
        DatasetSpec(
            name="cifar10",
            summary="60,000 colour photographs of 32x32 pixels, ten kinds of things (Krizhevsky).",
            target="gtk.plugins.datasets.cifar10:load",
        ),
    ]
