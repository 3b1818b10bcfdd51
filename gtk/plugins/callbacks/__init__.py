"""Callbacks: displays, pictures and logs of a training."""

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.spec import CallbackSpec

#: Summaries by target; a callback has the name of its module.
CALLBACKS = {
    "progress:ProgressDisplay": "Step, epoch, speed, time left and the loss's terms, live.",
    "samples:SamplePictures": "A picture of samples after some epochs, always from the same noise.",
    "reconstructions:ReconstructionPictures": "Test images above their reconstructions.",
    "latents:LatentPictures": "Where the test images of each class lie in latent space.",
    "curves:CurvePictures": "The loss and its terms, for each split, as curves.",
    "judging:FinalFigures": "Class accuracy, distance and diversity of 1,000 samples, at the end.",
    "report:RunReport": "The whole run on one page, report.html, at the end.",
    "tensorboard:TensorBoard": "Event files for TensorBoard: figures, speed, samples and settings.",
}


@hookimpl
def gtk_callbacks() -> list[CallbackSpec]:
    """Return the built-in callbacks."""
    return [
        CallbackSpec(name=target.split(":")[0], summary=summary, target=f"{__name__}.{target}")
        for target, summary in CALLBACKS.items()
    ]
