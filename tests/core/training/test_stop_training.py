"""A callback ends a training in order, and a resumed one goes on from there to the same bits."""

from pathlib import Path
from typing import Any

import pytest
from made_once import made_once

import gtk
from gtk.core.values.errors import GtkError, InvalidValue

pytestmark = pytest.mark.usefixtures("no_pictures")
OPTIONS: dict[str, Any] = {
    "plugin": "vae", "hidden_dims": (16,), "epochs": 3, "log_every": 5, "checkpoint_every": 33,
    "validation": 30, "quiet": True,
}  # fmt: skip


class Pruned(gtk.StopTraining):
    """A reason of a user's own."""


def stopping_in(hook: str, step: int, reason: str = "enough") -> object:
    """Return a callback that ends a training from one hook, at a step or later."""

    def stop(self: object, progress: gtk.Progress) -> None:
        if progress.step >= step:
            raise Pruned(reason)

    def stop_at(self: object, step: int) -> None:
        raise Pruned(reason)

    method = stop_at if hook == "gtk_evaluated" else stop
    return type("Stopping", (), {hook: gtk.hookimpl(method)})()


class Listener:
    """A callback that hears everything."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.stopped = ""

    @gtk.hookimpl
    def gtk_train_start(self) -> None:
        self.heard.append("start")

    @gtk.hookimpl
    def gtk_step_end(self, progress: gtk.Progress) -> None:
        self.heard.append(f"step {progress.step}")

    @gtk.hookimpl
    def gtk_epoch_end(self, progress: gtk.Progress) -> None:
        self.heard.append(f"epoch {progress.step}")

    @gtk.hookimpl
    def gtk_evaluated(self, split: str, step: int) -> None:
        self.heard.append(f"{split} {step}")

    @gtk.hookimpl
    def gtk_train_end(self, progress: gtk.Progress) -> None:
        self.heard.append(f"end {progress.step}")
        self.stopped = progress.stopped


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> gtk.Run:
    """A training that nothing stops; not to be written to."""

    def train(runs: Path) -> None:
        gtk.train(name="straight", runs=runs, **OPTIONS)

    return gtk.load(made_once(tmp_path_factory, "straight", train) / "straight")


#: The hook that stops from step 10 on, and the last events until then.
HOOKS = {
    "gtk_train_start": ["start", "step 1", "test 1", "end 1"],
    "gtk_step_end": ["step 10", "test 10", "end 10"],
    "gtk_epoch_end": ["step 20", "epoch 22", "step 22", "test 22", "end 22"],
    "gtk_evaluated": ["step 30", "validation 33", "step 33", "test 33", "end 33"],
}


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_ends_a_training_in_order_and_a_resume_goes_on(
    hook: str, straight: gtk.Run
) -> None:
    listener = Listener()
    callbacks = [stopping_in(hook, 0 if hook == "gtk_train_start" else 10), listener]
    run = gtk.train(name="stopped", callbacks=callbacks, **OPTIONS)
    last = HOOKS[hook]
    assert listener.heard[-len(last) :] == last
    assert listener.stopped == "stopped by Stopping: enough"
    step = int(last[-1].split()[1])
    assert run.checkpoints.steps() == [step]
    assert [(line["split"], line["step"]) for line in run.metrics()][-1] == ("test", step)
    run = gtk.train(resume="stopped", quiet=True)
    assert run.metrics() == straight.metrics()
    for name in ("model", "training"):
        file = Path("checkpoints") / "000000066" / f"{name}.safetensors"
        assert (run.path / file).read_bytes() == (straight.path / file).read_bytes()
    with pytest.raises(InvalidValue, match="is complete: 3 epochs, 66 steps"):
        gtk.train(resume="stopped", quiet=True)


def test_a_resume_that_is_stopped_at_its_start_takes_no_step() -> None:
    gtk.train(name="stopped", callbacks=[stopping_in("gtk_step_end", 10)], **OPTIONS)
    listener = Listener()
    callbacks = [stopping_in("gtk_train_start", 0), listener]
    run = gtk.train(resume="stopped", quiet=True, callbacks=callbacks)
    assert listener.heard == ["start", "test 10", "end 10"]
    assert [line["split"] for line in run.metrics()].count("test") == 1


@pytest.mark.parametrize("hook", ["gtk_epoch_end", "gtk_train_end"])
def test_after_the_last_step_there_is_nothing_to_stop(hook: str, straight: gtk.Run) -> None:
    listener = Listener()
    run = gtk.train(name="whole", callbacks=[stopping_in(hook, 66), listener], **OPTIONS)
    assert listener.stopped == ""
    assert run.metrics() == straight.metrics()
    with pytest.raises(InvalidValue, match="is complete"):
        gtk.train(resume="whole", quiet=True)


def test_the_first_of_two_is_the_reason_and_both_hear_the_rest() -> None:
    first, second, listener = (
        stopping_in("gtk_step_end", 10, reason) for reason in ("a \x1b[31m\nname", "another", "")
    )
    end = Listener()
    gtk.train(name="stopped", callbacks=[first, second, listener, end], **OPTIONS)
    assert end.stopped == r"stopped by Stopping: a \x1b[31m name"
    end = Listener()
    gtk.train(name="silent", callbacks=[listener, end], **OPTIONS)
    assert end.stopped == "stopped by Stopping"


def test_another_error_is_reported_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        @gtk.hookimpl
        def gtk_step_end(self) -> None:
            raise RuntimeError("StopTraining")

    run = gtk.train(name="whole", callbacks=[Failing()], **OPTIONS)
    assert run.checkpoints.steps()[-1] == 66
    assert "callback Failing failed in gtk_step_end" in caplog.text


def test_it_is_no_failure_of_gtk() -> None:
    assert not issubclass(gtk.StopTraining, GtkError)
