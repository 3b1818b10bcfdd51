"""Pictures of the loss and its terms as curves."""

from gtk.core.registry.hooks import hookimpl
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.pictures.curves import loss_curves
from gtk.pictures.figure import write_figure
from gtk.plugins.callbacks.picture import picture_due


class CurvePictures:
    """Writes pictures/curves.png from metrics.jsonl."""

    @hookimpl
    def gtk_epoch_end(self, run: Run, progress: Progress) -> None:
        """Draw the curves so far if pictures are due; the last epoch's come at the end."""
        if picture_due(run, progress) and progress.epoch < progress.epochs:
            self.gtk_train_end(run)

    @hookimpl
    def gtk_train_end(self, run: Run) -> None:
        """Draw all curves, with the evaluation of the test images."""
        reports = run.metrics()
        if reports:  # none where the training ended before its first report
            run.pictures.mkdir(exist_ok=True)
            write_figure(loss_curves(reports), run.pictures / "curves.png")
