"""The commands that a user may type next for a run."""

import shlex
from pathlib import Path

from gtk.core.storage.early_stop import EarlyStop
from gtk.core.storage.run import Run
from gtk.core.storage.run_folder import has_checkpoint
from gtk.core.values.condition import Classes, ConditionSpec
from gtk.core.values.errors import UserError


def next_commands(run: Run) -> list[str]:
    """Return the commands that the run is ready for: to sample, evaluate, export, train on."""
    reference = command_reference(run)
    commands = []
    if has_checkpoint(run.path):
        commands.append(f"gtk sample {reference}{sample_condition(run)} -n 16 --out samples.png")
        commands.append(f"gtk evaluate {reference}")
        commands.append(f"gtk export {reference}")
    longer = train_on(run)
    return [*commands, longer] if longer else commands


def train_on(run: Run) -> str | None:
    """Return the command that trains on to the planned end, or to twice that if it is reached.

    None after an early stop, which would stop it again, or with damaged metrics.
    """
    epochs, patience = run.document["train"]["epochs"], run.document["train"].get("patience", 0)
    try:
        stop = EarlyStop(patience, run.metrics_file.lines() if patience else ())
        metrics = run.metrics()
    except UserError:
        return None
    if stop.reached:
        return None
    finished = bool(metrics) and metrics[-1]["epoch"] >= epochs
    command = f"gtk train --resume {command_reference(run)}"
    return f"{command} --epochs {2 * epochs}" if finished else command


def sample_condition(run: Run) -> str:
    """Return the option of `gtk sample` that asks for the last class, attribute or number."""
    condition = known_condition(run)
    if condition is None:
        return ""
    name = condition.names[-1]
    if isinstance(condition, Classes):
        # A name with control characters could do anything to the terminal, so use its number.
        typed = name if name.isprintable() else str(condition.count - 1)
        return f" --label {shlex.quote(typed)}"
    value = condition.examples()[-1, -1]
    return f" --condition {shlex.quote(f'{name}={value:g}')}"


def known_condition(run: Run) -> ConditionSpec | None:
    """Return what a sample is conditioned on, by the conditioner's name if it cannot be imported.

    Without torch or the plugin, any conditioner but "unconditional" is taken to use the data's.
    """
    try:
        return run.condition
    except (ImportError, UserError):
        name = run.document["conditioner"]["name"]
        return None if name == "unconditional" else run.data_spec.condition


def command_reference(run: Run) -> str:
    """Return the run's name as a command typed in this folder takes it."""
    return shlex.quote(run.name if run.path.parent == Path("runs") else str(run.path))
