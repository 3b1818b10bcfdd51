"""The events of a training; a callback may end it in order, and only a full disk by failing."""

import logging
from collections.abc import Iterable, Mapping

import pluggy

from gtk.core.contracts.model import Model
from gtk.core.registry.hooks import hookspec, misfit
from gtk.core.registry.installed import describe
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import PluginError, StopTraining, WorkFailed
from gtk.core.values.output import disk_failure
from gtk.core.values.text import one_line

logger = logging.getLogger("gtk")


class EventHooks:
    """The hooks that callbacks implement, called one callback after the other."""

    @hookspec
    def gtk_work(self, what: str, done: int, total: int) -> None:
        """Called with the progress of long work before the training, such as decoding the data.

        It is called before the first of `total` items, with 0, and after each; `what` names the
        work, as "decoding faces". It is not called after a failure.
        """

    @hookspec
    def gtk_note(self, note: str) -> None:
        """Called with each note on the data once they are loaded, such as skipped images.

        A note is a sentence, and may quote file names as they are.
        """

    @hookspec
    def gtk_train_start(self, run: Run, progress: Progress) -> None:
        """Called when a training starts or resumes."""

    @hookspec
    def gtk_step_end(self, run: Run, progress: Progress) -> None:
        """Called every `log_every` steps and after the last, with averaged terms and the speed."""

    @hookspec
    def gtk_epoch_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Called after each epoch; the model is in eval mode, with averaged weights if it has any.

        `dataset` is the whole data set: `train` has the images held out for validation, too.
        """

    @hookspec
    def gtk_evaluated(self, run: Run, split: str, terms: Mapping[str, float], step: int) -> None:
        """Called with terms of held-out images or figures of samples, once in metrics.jsonl.

        `split` is "validation", with each checkpoint if there are such images, "test", once at the
        end, or "generated", for the figures of metrics; terms are means over all images, and `step`
        is the step of the weights.
        """

    @hookspec
    def gtk_train_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Called when the training is over: finished, stopped early, interrupted or failed.

        The model is in eval mode, with the weights of the last step, averaged if it has averages.
        """


class Events:
    """The callbacks of one training, with a method for each event, named after its hook.

    Args:
        callbacks: objects whose methods, marked with `gtk.hookimpl`, implement event hooks.

    Attributes:
        stopped: which callback asked to end the training, and why; empty while none has.

    Raises:
        PluginError: a callback implements no hook, or a method has an unknown event's name, takes
            an unknown argument, or is marked as a wrapper or with an order.
    """

    def __init__(self, callbacks: Iterable[object]) -> None:
        self._manager = pluggy.PluginManager("gtk")
        self._manager.add_hookspecs(EventHooks)
        self._hooks = self._manager.hook
        self.stopped = ""
        for callback in callbacks:
            try:
                self._manager.register(callback)
                self._manager.check_pending()
            except pluggy.PluginValidationError as error:
                raise _refused(callback, misfit(error, EventHooks)) from error
            except ValueError as error:  # pluggy's, or of objects that cannot be compared
                raise _refused(callback, "it is given twice, or has no hooks.") from error
            self._check(callback)

    def _check(self, callback: object) -> None:
        """Check what pluggy accepts but gtk would never call, or call in another order."""
        callers = self._manager.get_hookcallers(callback) or []
        if not callers:
            raise _refused(callback, "no method of it is marked with @gtk.hookimpl.")
        for implementation in (item for caller in callers for item in caller.get_hookimpls()):
            options = ("wrapper", "hookwrapper", "tryfirst", "trylast")
            if any(getattr(implementation, name) for name in options):
                method = implementation.function.__name__
                raise _refused(callback, f"{method}() takes more than a plain @gtk.hookimpl.")

    def work(self, what: str, done: int, total: int) -> None:
        """Call `gtk_work`."""
        self._call(self._hooks.gtk_work, what=what, done=done, total=total)

    def note(self, note: str) -> None:
        """Call `gtk_note`."""
        self._call(self._hooks.gtk_note, note=note)

    def train_start(self, run: Run, progress: Progress) -> None:
        """Call `gtk_train_start`."""
        self._call(self._hooks.gtk_train_start, run=run, progress=progress)

    def step_end(self, run: Run, progress: Progress) -> None:
        """Call `gtk_step_end`."""
        self._call(self._hooks.gtk_step_end, run=run, progress=progress)

    def epoch_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Call `gtk_epoch_end`."""
        hook = self._hooks.gtk_epoch_end
        self._call(hook, run=run, model=model, dataset=dataset, progress=progress)

    def evaluated(self, run: Run, split: str, terms: Mapping[str, float], step: int) -> None:
        """Call `gtk_evaluated`."""
        self._call(self._hooks.gtk_evaluated, run=run, split=split, terms=terms, step=step)

    def train_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Call `gtk_train_end`."""
        hook = self._hooks.gtk_train_end
        self._call(hook, run=run, model=model, dataset=dataset, progress=progress)

    def _call(self, hook: pluggy.HookCaller, **given: object) -> None:
        """Call every callback that implements the hook, in the order they were given.

        A callback that raises or exits is reported and left out from then on, unless it raises
        StopTraining, of which the first counts. Pluggy's own call would stop at the first one that
        raises, before the others.

        Raises:
            WorkFailed: the disk is full or fails, so that a callback could not write a file. When
                the training resumes, it calls this event again.
        """
        failures: list[WorkFailed] = []
        for implementation in list(hook.get_hookimpls()):
            arguments = {name: given[name] for name in implementation.argnames}
            try:
                implementation.function(**arguments)
            except StopTraining as stop:
                self.stopped = self.stopped or _stopped(implementation.plugin, stop)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a failing callback must not stop training
                full = disk_failure(error)
                if full is not None:
                    failures.append(full)
                    continue
                self._manager.unregister(implementation.plugin)
                reason = one_line(f"{type(error).__name__}: {error}")
                logger.warning(
                    "callback %s failed in %s and is left out from here on: %s",
                    describe(implementation.plugin), hook.name, reason,
                )  # fmt: skip
        if failures:
            raise failures[0]


def _stopped(callback: object, stop: StopTraining) -> str:
    reason = one_line(stop)
    return f"stopped by {describe(callback)}{': ' if reason else ''}{reason}"


def _refused(callback: object, reason: str) -> PluginError:
    return PluginError(
        f"callback {describe(callback)} cannot be used: {reason} Events are listed in "
        "docs/hooks.md."
    )
