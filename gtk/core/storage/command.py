"""The commands that go on from a run, as they are typed. Nothing here imports torch by itself."""

import shlex
from pathlib import Path

from gtk.core.storage.early_stop import EarlyStop
from gtk.core.storage.run import Run
from gtk.core.values.condition import Classes, ConditionSpec
from gtk.core.values.errors import UserError


def next_commands(run: Run) -> list[str]:
    """Return what to type next: draw, export, train on; only what the run is ready for."""
    reference = command_reference(run)
    commands = []
    if any((run.path / "checkpoints").glob("[0-9]*/state.json")):
        commands.append(f"gtk sample {reference}{sample_condition(run)} -n 16 --out samples.png")
        commands.append(f"gtk export {reference}")
    longer = train_on(run)
    return [*commands, longer] if longer else commands


def train_on(run: Run) -> str | None:
    """Return the command that trains on; None after an early stop, which only training anew ends.

    A training that was interrupted goes on to its planned end, a finished one to twice that.
    """
    train = run.document["train"]
    try:
        metrics = run.metrics()
    except UserError:  # nor could a training go on from these
        return None
    if EarlyStop(train.get("patience", 0), metrics).reached:
        return None
    command = f"gtk train --resume {command_reference(run)}"
    finished = bool(metrics) and metrics[-1]["epoch"] >= train["epochs"]
    return f"{command} --epochs {2 * train['epochs']}" if finished else command


def sample_condition(run: Run) -> str:
    """Return the option of `gtk sample` that asks for the last class, attribute or number."""
    condition = known_condition(run)
    if condition is None:
        return ""
    name = condition.names[-1]
    if isinstance(condition, Classes):
        # A name that would command the terminal it is printed on is given by its number.
        typed = name if name.isprintable() else str(condition.count - 1)
        return f" --label {shlex.quote(typed)}"
    value = condition.examples()[-1, -1]
    return f" --condition {shlex.quote(f'{name}={value:g}')}"


def known_condition(run: Run) -> ConditionSpec | None:
    """Return what a sample is conditioned on, also where the conditioner cannot be imported here.

    Then every conditioner but the one that is named for it is taken to use what the data have.
    """
    try:
        return run.condition
    except (ImportError, UserError):  # no torch, or not the plugin
        name = run.document["conditioner"]["name"]
        return None if name == "unconditional" else run.data_spec.condition


def command_reference(run: Run) -> str:
    """Return what a command typed in this folder calls the run."""
    return shlex.quote(run.name if run.path.parent == Path("runs") else str(run.path))
