"""Callbacks: what watches a training."""

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.spec import CallbackSpec


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
        CallbackSpec(
            name="reconstructions",
            summary="Test images above what a model with a latent code makes of them.",
            target="gtk.plugins.callbacks.reconstructions:ReconstructionPictures",
        ),
        CallbackSpec(
            name="latents",
            summary="Where the test images of each class lie in latent space.",
            target="gtk.plugins.callbacks.latents:LatentPictures",
        ),
        CallbackSpec(
            name="curves",
            summary="The loss and its terms, for each split, as curves.",
            target="gtk.plugins.callbacks.curves:CurvePictures",
        ),
        CallbackSpec(
            name="report",
            summary="The whole run on one page, report.html, at the end.",
            target="gtk.plugins.callbacks.report:RunReport",
        ),
        CallbackSpec(
            name="tensorboard",
            summary="Event files for TensorBoard: figures, speed, samples and settings.",
            target="gtk.plugins.callbacks.tensorboard:TensorBoard",
        ),
    ]
