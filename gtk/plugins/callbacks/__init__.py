"""Callbacks: what watches a training."""

from gtk.core.hooks import hookimpl
from gtk.core.spec import CallbackSpec


@hookimpl
def gtk_callbacks() -> list[CallbackSpec]:
    """Return all of them."""
    return [
        CallbackSpec(
            name="progress",
            summary="Step, epoch, speed, time left and the loss's terms, live.",
            target="gtk.plugins.callbacks.progress:ProgressDisplay",
        ),
        CallbackSpec(
            name="samples",
            summary="A picture of samples after some epochs, from the same noise every time.",
            target="gtk.plugins.callbacks.samples:SamplePictures",
        ),
    ]
