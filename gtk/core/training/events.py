"""The events of a training, and how callbacks are told: one that fails does not end it."""

import logging
from collections.abc import Iterable, Mapping

import pluggy

from gtk.core.contracts.model import Model
from gtk.core.registry.discovery import describe
from gtk.core.registry.hooks import hookspec, misfit
from gtk.core.storage.run import Run
from gtk.core.training.progress import Progress
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import PluginError
from gtk.core.values.text import visible

logger = logging.getLogger("gtk")


class EventHooks:
    """Told to callbacks while a training runs, one callback at a time."""

    @hookspec
    def gtk_work(self, what: str, done: int, total: int) -> None:
        """Hear how far long work before the training has come, such as decoding the data.

        Told once before the first of `total` items, with 0, and after each; `what` is done with
        them, as "decoding faces". Work that fails is told no more.
        """

    @hookspec
    def gtk_note(self, note: str) -> None:
        """Hear, once the data are loaded, what the user should know of them, a sentence each.

        Such as how many images were skipped. It may quote names of files as they are.
        """

    @hookspec
    def gtk_train_start(self, run: Run, progress: Progress) -> None:
        """Hear that a training begins or goes on; `progress` says where and how far it will go."""

    @hookspec
    def gtk_step_end(self, run: Run, progress: Progress) -> None:
        """Hear, every `log_every` steps and after the last, the averaged terms and the speed."""

    @hookspec
    def gtk_epoch_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Hear that an epoch is over; the model is in eval mode, its averaged weights if it has.

        `dataset` is what is trained on, whole: images held out for validation are in its `train`.
        """

    @hookspec
    def gtk_evaluated(self, run: Run, split: str, terms: Mapping[str, float], step: int) -> None:
        """Hear the figures of held-out images, which metrics.jsonl has by then.

        `split` is "validation", with each checkpoint where there are such images, or "test", once
        at the end; `terms` are means over all of them, and `step` is that of the weights.
        """

    @hookspec
    def gtk_train_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Hear that the training is over: finished, stopped early, interrupted or failed.

        The model has the weights of the last step, their average if there is one, and is in eval
        mode.
        """


class Events:
    """The callbacks of one training, with a method for each event, named after its hook.

    Args:
        callbacks: objects whose methods, marked with `gtk.hookimpl`, implement event hooks.

    Raises:
        PluginError: one implements none, or a method has the name of no event, takes what is not
            given, or is marked as a wrapper or with an order, which events have not.
    """

    def __init__(self, callbacks: Iterable[object]) -> None:
        self._manager = pluggy.PluginManager("gtk")
        self._manager.add_hookspecs(EventHooks)
        self._hooks = self._manager.hook
        for callback in callbacks:
            try:
                self._manager.register(callback)
                self._manager.check_pending()
            except pluggy.PluginValidationError as error:
                raise _refused(callback, misfit(error, EventHooks)) from error
            self._check(callback)

    def _check(self, callback: object) -> None:
        """Refuse what pluggy would take and nobody would ever call, or call otherwise."""
        callers = self._manager.get_hookcallers(callback) or []
        if not callers:
            raise _refused(callback, "no method of it is marked with @gtk.hookimpl.")
        for implementation in (item for caller in callers for item in caller.get_hookimpls()):
            options = ("wrapper", "hookwrapper", "tryfirst", "trylast")
            if any(getattr(implementation, name) for name in options):
                reason = (
                    f"{implementation.function.__name__}() takes more than a plain @gtk.hookimpl."
                )
                raise _refused(implementation.plugin, reason)

    def work(self, what: str, done: int, total: int) -> None:
        """Tell `gtk_work`."""
        self._tell(self._hooks.gtk_work, what=what, done=done, total=total)

    def note(self, note: str) -> None:
        """Tell `gtk_note`."""
        self._tell(self._hooks.gtk_note, note=note)

    def train_start(self, run: Run, progress: Progress) -> None:
        """Tell `gtk_train_start`."""
        self._tell(self._hooks.gtk_train_start, run=run, progress=progress)

    def step_end(self, run: Run, progress: Progress) -> None:
        """Tell `gtk_step_end`."""
        self._tell(self._hooks.gtk_step_end, run=run, progress=progress)

    def epoch_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Tell `gtk_epoch_end`."""
        hook = self._hooks.gtk_epoch_end
        self._tell(hook, run=run, model=model, dataset=dataset, progress=progress)

    def evaluated(self, run: Run, split: str, terms: Mapping[str, float], step: int) -> None:
        """Tell `gtk_evaluated`."""
        self._tell(self._hooks.gtk_evaluated, run=run, split=split, terms=terms, step=step)

    def train_end(self, run: Run, model: Model, dataset: Dataset, progress: Progress) -> None:
        """Tell `gtk_train_end`."""
        hook = self._hooks.gtk_train_end
        self._tell(hook, run=run, model=model, dataset=dataset, progress=progress)

    def _tell(self, hook: pluggy.HookCaller, **facts: object) -> None:
        """Call every callback that implements the hook, in the order they were given.

        One that raises, or would end the program, is reported and left out from then on: pluggy's
        own call would stop at the first that raises, and the others would not hear.
        """
        for implementation in list(hook.get_hookimpls()):
            arguments = {name: facts[name] for name in implementation.argnames}
            try:
                implementation.function(**arguments)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a failing callback must not stop training
                self._manager.unregister(implementation.plugin)
                # It may quote what a terminal must not interpret, names of files for instance.
                reason = visible(" ".join(f"{type(error).__name__}: {error}".split()))
                logger.warning(
                    "callback %s failed in %s and is left out from here on: %s",
                    describe(implementation.plugin), hook.name, reason,
                )  # fmt: skip


def _refused(callback: object, reason: str) -> PluginError:
    return PluginError(
        f"callback {describe(callback)} cannot be used: {reason} Events are listed in "
        "docs/hooks.md."
    )
