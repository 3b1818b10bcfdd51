"""Write the report of a run when its training is over."""

from gtk.core.contracts.model import Model
from gtk.core.models.summary import parameter_count
from gtk.core.registry.hooks import hookimpl
from gtk.core.storage.run import Run
from gtk.pictures.report import write_report


class RunReport:
    """Writes report.html: finished, stopped early or interrupted, as far as there is anything."""

    @hookimpl
    def gtk_train_end(self, run: Run, model: Model) -> None:
        """Write it anew from what the run folder holds by now."""
        if not (run.metrics_file.path.exists() or run.pictures.exists()):
            return
        counts = {name: parameter_count(item) for name, item in model.networks().items()}
        write_report(run, counts)
