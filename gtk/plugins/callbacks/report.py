"""The report of a run, written when its training ends."""

from gtk.core.registry.hooks import hookimpl
from gtk.core.storage.run import Run
from gtk.pictures.report import write_report


class RunReport:
    """Writes report.html of a training that finished, stopped early or was interrupted."""

    @hookimpl
    def gtk_train_end(self, run: Run) -> None:
        """Write it from the run folder, if that has metrics or pictures."""
        if run.metrics_file.path.exists() or run.pictures.exists():
            write_report(run)
