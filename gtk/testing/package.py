"""The checks of every plugin, whatever its kind: its package, its import, its options."""

import json
import os
import subprocess
import sys
from dataclasses import fields
from typing import Any

from gtk.core.registry.discovery import CONDITIONER, LOSS, MODEL, Installed, Kind, find, installed
from gtk.core.registry.options import as_table, make_config, options_of
from gtk.core.registry.spec import ModelSpec
from gtk.core.registry.train_config import TrainConfig
from gtk.core.values.errors import GtkError
from gtk.testing.check import Check, CheckFailed, CheckSkipped, Specimen, needs

#: What takes long to import, and `gtk train --plugin NAME --help` has no use for.
HEAVY = frozenset(
    {
        "torch", "torchvision", "torchaudio", "lightning", "tensorflow", "jax", "transformers",
        "diffusers", "datasets", "sklearn", "scipy", "pandas", "matplotlib", "cv2", "skimage",
        "onnx", "onnxruntime", "IPython", "sympy", "numba",
    }
)  # fmt: skip
#: Importing gtk and numpy loads about 250 modules; who needs so many more is slow to import.
MOST_MODULES = 700
#: What the longest line of a listing has room for.
LONGEST_SUMMARY = 100

#: Begins the line that says what was found: a plugin may print before it, and after it.
_FOUND = "gtk.testing found: "
_IMPORT = """
import json, sys
import {module}
print()
print({found!r} + json.dumps(sorted(sys.modules)))
"""
#: What a library draws from Python's generator when it is imported, as rich does, harms nobody: of
#: the generator, its keys are compared, which seeding changes and some draws after a first do not.
_RESOLVE = """
import json, random
from gtk.core.registry.discovery import KINDS, find
from gtk.testing.process_state import Surroundings
random.random()
keys = random.getstate()[1][:-1]
before = Surroundings()
kind = next(item for item in KINDS if item.name == {kind!r})
find(kind, {name!r}).spec.resolve()
changes = before.changes()
if random.getstate()[1][:-1] == keys:
    changes = [change for change in changes if change != "the generator of random"]
print()
print({found!r} + json.dumps(changes))
"""


def check_owner(specimen: Specimen) -> None:
    """One distribution alone has a plugin of this kind and name."""
    package, _, name = specimen.name.rpartition("/")
    owners = sorted({str(item) for item in installed(specimen.kind) if item.name == name})
    if not owners:
        raise CheckFailed(
            f"no installed package has a {specimen.kind.name} '{name}': give it an entry point in "
            f'[project.entry-points."{specimen.kind.group}"] and install it again (pip install .)'
        )
    if len(owners) > 1:
        message = f"{' and '.join(owners)} both have a {specimen.kind.name} '{name}'"
        if package:
            raise CheckSkipped(f"{message}; that of {package} is the one that is looked at")
        raise CheckFailed(
            f"{message}, and users have to say which: choose another name, or uninstall one"
        )


@needs(check_owner)
def check_spec(specimen: Specimen) -> None:
    """The plugin can be loaded, and its spec says what it is and names what exists."""
    spec = specimen.plugin.spec
    if not spec.summary.strip() or "\n" in spec.summary or len(spec.summary) > LONGEST_SUMMARY:
        raise CheckFailed(
            f"its summary is {spec.summary!r:.60}: write one line of at most {LONGEST_SUMMARY} "
            "letters that says what it is"
        )
    target: Any = spec.resolve()
    if not callable(target):
        raise CheckFailed(
            f"its target {spec.target} is {type(target).__name__}: it should be a class or function"
        )
    if specimen.kind is MODEL:
        _check_model_spec(spec)


def _check_model_spec(spec: ModelSpec) -> None:
    wanted: tuple[tuple[Kind[Any], str], ...] = (
        (LOSS, spec.loss),
        (CONDITIONER, spec.conditioner),
    )
    for kind, name in wanted:
        try:
            find(kind, name)
        except GtkError as error:
            raise CheckFailed(
                f"its spec wants {kind.name} '{name}': {error} Have your package bring it, or "
                "depend on the one that does"
            ) from error
    make_config(TrainConfig, spec.defaults, "its spec's defaults")


@needs(check_spec)
def check_thin_import(specimen: Specimen) -> None:
    """The entry point's module imports nothing that takes long, so that help is shown at once."""
    chosen = specimen.plugin.installed
    modules = set(_in_new_process(_IMPORT.format(module=chosen.module, found=_FOUND)))
    heavy = sorted({name.partition(".")[0] for name in modules} & HEAVY)
    if "torch" in heavy and _in_one_file(specimen, chosen):
        # Subclassing gtk's contracts takes torch, and torch takes sympy.
        heavy = [name for name in heavy if name not in ("torch", "sympy")]
        if not heavy:
            raise CheckSkipped(
                f"{chosen.module} holds the target itself, so gtk train --help imports torch for "
                "it. For a quick help move it to a module of its own and name it as text: "
                'target="package.module:Name"'
            )
    if heavy:
        raise CheckFailed(
            f"importing {chosen.module} imports {', '.join(heavy)}, which every command that names "
            "the plugin waits for: import it where it is used, in the module of the target, which "
            'the spec names as text: target="package.module:Name"'
        )
    if len(modules) > MOST_MODULES and "torch" not in modules:
        raise CheckFailed(
            f"importing {chosen.module} loads {len(modules)} modules, which every command that "
            f"names the plugin waits for: import what it needs where it is used (up to "
            f"{MOST_MODULES} are fine)"
        )


@needs(check_spec)
def check_import_globals(specimen: Specimen) -> None:
    """Importing the plugin changes nothing that is the whole process's."""
    chosen = specimen.plugin.installed
    name = f"{chosen.package}/{chosen.name}"
    code = _RESOLVE.format(kind=specimen.kind.name, name=name, found=_FOUND)
    changes = _in_new_process(code)
    if changes:
        raise CheckFailed(
            f"importing it changes {', '.join(changes)} for the whole process: leave it alone, or "
            "change it for a while where it is needed, and then back"
        )


@needs(check_spec)
def check_config(specimen: Specimen) -> None:
    """The options construct by default, go through JSON and back, and become flags."""
    config = specimen.plugin.spec.config
    try:
        default = config()
    except ValueError as error:
        raise CheckFailed(
            f"{config.__name__}() refuses its own defaults: {error}. Give it defaults that work"
        ) from error
    where = f"{specimen.kind.name} '{specimen.name}'"
    try:
        text = json.dumps(as_table(default), allow_nan=False)
    except ValueError as error:
        raise CheckFailed(
            f"{config.__name__}() holds a number that JSON has not ({error}): use a finite default"
        ) from error
    again = make_config(config, json.loads(text), where)
    if again != default:
        name = next(
            item.name
            for item in fields(config)
            if getattr(again, item.name) != getattr(default, item.name)
        )
        raise CheckFailed(
            f"{config.__name__}.{name} is {getattr(default, name)!r} and {getattr(again, name)!r} "
            "after it went through run.json: give it a default of the type it is said to have, and "
            "change nothing in __post_init__"
        )
    options_of({"train": TrainConfig, specimen.kind.name: config})  # which refuses what is no flag


@needs(check_config)
def check_help(specimen: Specimen) -> None:
    """Every option says what it does, for `gtk train --plugin NAME --help`."""
    config = specimen.plugin.spec.config
    for option in options_of({"train": TrainConfig, specimen.kind.name: config}):
        if option.table != "train" and not option.help.strip():
            raise CheckFailed(
                f"{config.__name__}.{option.field} has no help: write "
                'field(default=..., metadata={"help": "What it does."})'
            )


def _in_one_file(specimen: Specimen, chosen: Installed) -> bool:
    """Say whether what does the work is defined where the hook is."""
    target = specimen.plugin.spec.resolve()
    return not isinstance(specimen.plugin.spec.target, str) and (
        getattr(target, "__module__", "") == chosen.module
    )


def _in_new_process(code: str) -> list[str]:
    """Run a program and return the list in the last line that begins as `_FOUND`.

    Raises:
        CheckFailed: it ends with an error, or before it has said anything.
    """
    path = os.pathsep.join(item for item in sys.path if item)
    result = subprocess.run(  # noqa: S603 - this Python and a program of ours
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or [f"exit code {result.returncode}"])[-1]
        raise CheckFailed(f"it cannot be imported in a process of its own: {reason}")
    lines = [line for line in result.stdout.splitlines() if line.startswith(_FOUND)]
    if not lines:
        raise CheckFailed(
            "importing it in a process of its own ends that process: leave sys.exit() and "
            "os._exit() to the program that imports it"
        )
    found: list[str] = json.loads(lines[-1].removeprefix(_FOUND))
    return found


CHECKS: tuple[Check, ...] = (
    check_owner,
    check_spec,
    check_thin_import,
    check_import_globals,
    check_config,
    check_help,
)
