"""The checks of every kind of plugin: its package, its import and its options."""

import json
import os
import subprocess
import sys
from dataclasses import fields
from typing import Any

from gtk.core.models.suited_settings import suggestion
from gtk.core.registry.discovery import find
from gtk.core.registry.installed import CONDITIONER, LOSS, MODEL, SAMPLER, Kind, installed
from gtk.core.registry.options import as_table, make_config, options_of
from gtk.core.registry.train_config import TrainConfig, check_suited
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import GtkError
from gtk.testing.check import CheckFailed, CheckSkipped, Specimen, checks_in, needs, refuse_changes

#: Libraries that take long to import and that `gtk train --plugin NAME --help` does not need.
HEAVY = frozenset(
    {
        "torch", "torchvision", "torchaudio", "lightning", "tensorflow", "jax", "transformers",
        "diffusers", "datasets", "sklearn", "scipy", "pandas", "matplotlib", "cv2", "skimage",
        "onnx", "onnxruntime", "IPython", "sympy", "numba",
    }
)  # fmt: skip
#: gtk and numpy load about 250 modules; a plugin that loads more than this is slow to import.
MOST_MODULES = 700
#: The data for which a model's spec is asked for settings, and numbers of training images.
DATA, IMAGES = DataSpec("photos", 3, 64, 64, None), (1, 1_000, 1_000_000)
#: Characters of a summary that fit into a line of a listing.
LONGEST_SUMMARY = 100
#: How a spec names a target that is imported only when it is used.
NAMED = 'name it in the spec as a string: target="package.module:Name"'

#: Begins the line with the result, since a plugin may print other lines.
_FOUND = "gtk.testing found: "
_IMPORT = """
import json, sys
import {module}
print()
print({found!r} + json.dumps(sorted(sys.modules)))
"""
#: Some libraries, such as rich, draw from Python's generator when they are imported, which is
#: harmless. So only the keys of the generator are compared: seeding changes them, a few draws after
#: the first do not.
_RESOLVE = """
import json, random
from gtk.core.models.suited_settings import suggestion
from gtk.core.registry.discovery import find
from gtk.core.registry.installed import KINDS
from gtk.testing.process_state import Snapshot
random.random()
keys = random.getstate()[1][:-1]
before = Snapshot()
kind = next(item for item in KINDS if item.name == {kind!r})
find(kind, {name!r}).spec.resolve()
changes = before.changes()
if random.getstate()[1][:-1] == keys:
    changes = [change for change in changes if change != "the generator of random"]
print()
print({found!r} + json.dumps(changes))
"""


def check_owner(specimen: Specimen) -> None:
    """Exactly one package has a plugin of this kind and name."""
    package, _, name = specimen.name.rpartition("/")
    owners = sorted({str(item) for item in installed(specimen.kind) if item.name == name})
    if not owners:
        raise CheckFailed(
            f"no installed package has a {specimen.kind.name} {name!r}: give it an entry point in "
            f'[project.entry-points."{specimen.kind.group}"] and install it again (pip install .)'
        )
    if len(owners) > 1:
        message = f"{' and '.join(owners)} both have a {specimen.kind.name} {name!r}"
        if package:
            raise CheckSkipped(f"{message}; this check uses the one of {package}")
        remedy = "rename the plugin, or uninstall one"
        raise CheckFailed(f"{message}, so users must name the package: {remedy}")


@needs(check_owner)
def check_spec(specimen: Specimen) -> None:
    """The plugin can be loaded; its spec has a summary, a target, known names and settings."""
    spec = specimen.plugin.spec
    if not spec.summary.strip() or "\n" in spec.summary or len(spec.summary) > LONGEST_SUMMARY:
        remedy = f"write one line of at most {LONGEST_SUMMARY} characters that says what it is"
        raise CheckFailed(f"its summary is {spec.summary!r:.60}: {remedy}")
    target: Any = spec.resolve()
    if not callable(target):
        remedy = "name a class or function"
        raise CheckFailed(f"its target {spec.target} is {type(target).__name__}: {remedy}")
    defaults = getattr(spec, "defaults", {})
    check_suited(defaults, make_config(TrainConfig, defaults, "its spec's defaults"))
    if specimen.kind is not MODEL:
        return
    for images in IMAGES if spec.suggest is not None else ():
        suggestion(specimen.plugin, spec.config(), DATA, images)
    kinds: tuple[Kind[Any], ...] = LOSS, CONDITIONER, SAMPLER
    for kind in kinds:
        name = getattr(spec, kind.name)
        try:
            find(kind, name)
        except GtkError as error:
            remedy = f"{error} Add it to your package, or depend on the package that has it"
            raise CheckFailed(f"its spec names {kind.name} {name!r}: {remedy}") from error


@needs(check_spec)
def check_thin_import(specimen: Specimen) -> None:
    """The entry point's module imports no slow library, so that help appears at once."""
    chosen = specimen.plugin.installed
    modules = set(_in_new_process(_IMPORT.format(module=chosen.module, found=_FOUND)))
    heavy = sorted({name.partition(".")[0] for name in modules} & HEAVY)
    target: Any = specimen.plugin.spec.target
    own = not isinstance(target, str) and getattr(target, "__module__", "") == chosen.module
    if "torch" in heavy and own:
        # Subclassing gtk's contracts imports torch, which imports sympy.
        heavy = [name for name in heavy if name not in ("torch", "sympy")]
        if not heavy:
            raise CheckSkipped(
                f"{chosen.module} defines the target itself, so gtk train --help imports torch for "
                f"it. For quick help move it to a module of its own and {NAMED}"
            )
    if heavy:
        raise CheckFailed(
            f"importing {chosen.module} imports {', '.join(heavy)}, which slows every command that "
            f"names the plugin: import it in the module of the target, and {NAMED}"
        )
    if len(modules) > MOST_MODULES and "torch" not in modules:
        raise CheckFailed(
            f"importing {chosen.module} loads {len(modules)} modules, which slows every command "
            f"that names the plugin: import libraries where they are used, {MOST_MODULES} at most"
        )


@needs(check_spec)
def check_import_globals(specimen: Specimen) -> None:
    """Importing the plugin leaves the global state of the process unchanged."""
    chosen = specimen.plugin.installed
    name = f"{chosen.package}/{chosen.name}"
    changes = _in_new_process(_RESOLVE.format(kind=specimen.kind.name, name=name, found=_FOUND))
    remedy = "leave it unchanged, or restore it after each change"
    refuse_changes("importing it", changes, remedy)


@needs(check_spec)
def check_config(specimen: Specimen) -> None:
    """The options have defaults, survive JSON, and become flags."""
    config = specimen.plugin.spec.config
    try:
        default = config()
    except ValueError as error:
        remedy = f"{error}. Give it defaults that work"
        raise CheckFailed(f"{config.__name__}() refuses its own defaults: {remedy}") from error
    where = f"{specimen.kind.name} {specimen.name!r}"
    try:
        text = json.dumps(as_table(default), allow_nan=False)
    except ValueError as error:
        raise CheckFailed(
            f"{config.__name__}() has a number that JSON lacks ({error}): use a finite default"
        ) from error
    again = make_config(config, json.loads(text), where)
    if again != default:
        name = next(
            item.name
            for item in fields(config)
            if getattr(again, item.name) != getattr(default, item.name)
        )
        raise CheckFailed(
            f"{config.__name__}.{name} is {getattr(default, name)!r}, and {getattr(again, name)!r} "
            "when it is read from run.json: give it a default of its annotated type, and do not "
            "change it in __post_init__"
        )
    # It raises for a field that cannot be a flag.
    options_of({"train": TrainConfig, specimen.kind.name: config})


@needs(check_config)
def check_help(specimen: Specimen) -> None:
    """Every option has a help text, for `gtk train --plugin NAME --help`."""
    config = specimen.plugin.spec.config
    for option in options_of({"train": TrainConfig, specimen.kind.name: config}):
        if option.table != "train" and not option.help.strip():
            raise CheckFailed(
                f"{config.__name__}.{option.field} lacks a help text: write "
                'field(default=..., metadata={"help": "What it does."})'
            )


def _in_new_process(code: str) -> list[str]:
    """Run a program, and return the list in its last line that begins with `_FOUND`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)  # noqa: S603 - this Python and a program of ours
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or [f"exit code {result.returncode}"])[-1]
        raise CheckFailed(f"it cannot be imported in a process of its own: {reason}")
    lines = [line for line in result.stdout.splitlines() if line.startswith(_FOUND)]
    if not lines:
        remedy = "remove sys.exit() and os._exit() from the code that is run on import"
        raise CheckFailed(f"importing it ends the process: {remedy}")
    found: list[str] = json.loads(lines[-1].removeprefix(_FOUND))
    return found


CHECKS = checks_in(globals())
