"""A training that goes on: what a run needs to be resumed, and what there is left to do."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gtk.core.registry.options import as_table, make_config
from gtk.core.registry.train_config import TrainConfig
from gtk.core.storage.early_stop import EarlyStop
from gtk.core.storage.run import Run
from gtk.core.storage.run_data import check_place, has_changed_files
from gtk.core.storage.run_document import image_counts
from gtk.core.training.arithmetic import Arithmetic
from gtk.core.training.training import Training
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue
from gtk.core.values.output import check_writable_folder
from gtk.core.values.setting import setting


def resumed_training(
    run: Run,
    *,
    epochs: int | None,
    data_root: Path | None,
    device: str | None,
    callbacks: Iterable[object],
) -> Training:
    """Prepare to resume a run, to its planned end or to `epochs`.

    Raises:
        InvalidValue: the run is complete, or the data are not those it was trained on.
    """
    run.check_links()
    settings = run.settings
    table = as_table(settings.train) | ({} if epochs is None else {"epochs": epochs})
    train = make_config(TrainConfig, table, "training")
    settings = replace(settings, train=train, data_root=data_root or settings.data_root)
    if data_root is None:
        check_place(run)
    check_writable_folder(run.path / "metrics.jsonl", run.path)
    place = run.document["device"] if device is None else device
    training = Training(settings, place, callbacks, arithmetic=Arithmetic.of_run(run))
    _check_data(run, training)
    _note_changed_files(run, training)
    _check_incomplete(run, training)
    return training


def _note_changed_files(run: Run, training: Training) -> None:
    """Tell the callbacks if the files of the data have changed since the run began.

    It is not an error, since files that were copied have other times, too.
    """
    if has_changed_files(run, training.dataset):
        training.note(
            "the files of the data have changed since the training began, or were copied: it "
            "goes on with them as they are now"
        )


def _check_data(run: Run, training: Training) -> None:
    """Check that a training has the data that the run was trained on."""
    dataset = training.dataset
    # The data are named after their folder, which may have been renamed.
    if replace(dataset.spec, name=run.data_spec.name) != run.data_spec:
        raise InvalidValue(
            f"the data in {training.settings.data_root} are not those that {run.path} was trained "
            "on: classes or image size differ"
        )
    found = image_counts(dataset)
    if run.document.get("images", found) != found:  # older versions did not write it
        then, now = (
            " and ".join(f"{count} {split} images" for split, count in counts.items())
            for counts in (run.document["images"], found)
        )
        raise InvalidValue(
            f"{run.path} was trained on {then}, and now there are {now}, so it cannot be resumed. "
            "Put the images back, or train anew."
        )


def _check_incomplete(run: Run, training: Training) -> None:
    """Check that a training has steps to take, or anything to write that follows the last."""
    config, total = run.settings.train, training.trainer.schedule.total_steps
    planned, reached = config.epochs, run.checkpoints.latest() or 0
    lines: Iterable[Mapping[str, Any]] = ()
    if config.patience and reached:
        known = run.checkpoints.state(reached)["metrics_bytes"]
        lines = run.metrics_file.whole_lines(known)
    stop = EarlyStop(config.patience, lines)
    if not stop.reached and reached < total:
        return
    finished = _finished(run, training.dataset)
    if not finished and reached <= total:
        return
    if not finished:
        raise InvalidValue(
            f"{run.path} has come further than {training.settings.train.epochs} epochs: {reached} "
            f"steps of {planned} planned epochs. Leave {setting('epochs')} out to go on, or ask "
            f"for {planned} or more."
        )
    if stop.reached:
        raise InvalidValue(
            f"{run.path} is complete: {stop}. To train longer, train anew with more "
            f"{setting('patience')} than {config.patience}."
        )
    raise InvalidValue(
        f"{run.path} is complete: {planned} epochs, {reached} steps. To train on, ask for more "
        f"epochs in all: {setting('epochs', 2 * planned)}"
    )


def _finished(run: Run, dataset: Dataset) -> bool:
    """Return whether a run has all that follows its last step."""
    finished: bool | None = run.document.get("finished")
    if finished is None:  # older versions marked none: the test line was the last of metrics
        lines = run.metrics_file.whole_lines()
        return not len(dataset.test) or any(line["split"] == "test" for line in lines)
    return finished
