"""The command `gtk`: imports a command when it is named, and reports every failure in one line."""

import errno
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import click

from gtk.cli.console import prepare_streams, print_line
from gtk.cli.lazy_group import LazyGroup
from gtk.cli.memory_advice import memory_advice
from gtk.core.values.errors import TRACEBACK_VARIABLE, GtkError
from gtk.core.values.interrupt import interrupt_code, interruptible
from gtk.core.values.memory import within_memory
from gtk.core.values.output import DISK
from gtk.core.values.setting import settings_as_options
from gtk.core.values.text import one_line

EXIT_FAILED, EXIT_USAGE = 1, 2

#: Packages that an environment which only draws from exported files may lack.
HEAVY = {
    "filelock", "jinja2", "msgspec", "onnx", "onnx_ir", "onnxruntime", "onnxscript", "platformdirs",
    "safetensors", "sklearn", "torch", "torchvision",
}  # fmt: skip

#: What click says of a number of thousands of digits, which Python refuses to read.
DIGITS = re.compile(r"(?<=\d{100}') is not a valid integer( range)?")

#: What each command is for; its module is imported when it is named.
COMMANDS = {
    "train": "Train a model, from its first step or on from a run's last.",
    "data": "Show a data set: size, labels and images; or list all.",
    "sample": "Draw images and write them as a PNG grid.",
    "reconstruct": "Show test images, or your own, beside their reconstructions.",
    "interpolate": "Draw what lies between images, conditions or random points.",
    "traverse": "Sweep each latent dimension, or draw the manifold of two.",
    "animate": "Make a GIF or APNG of a training, of a walk in latent space, or of drawing.",
    "export": "Write parts of a run's model as ONNX files, proven equal to PyTorch.",
    "inspect": "Show the inputs, outputs and proof of an exported file or a run.",
    "bench": "Measure an exported file or a run, with eager PyTorch beside it.",
    "evaluate": "Compute figures of a run, a file or images, with their protocol.",
    "reproduce": "Train by a recipe, and check its published figures.",
    "report": "Write a run's report, one page that opens anywhere.",
    "compare": "Show how runs differ: settings, last figures, curves, samples.",
    "runs": "List runs: plugin, data, epochs, last loss and age.",
    "plugins": "List installed plugins, check one, or start your own.",
    "recipes": "List recipes by name, data, model and summary, or print one.",
}


@click.group(
    cls=LazyGroup, listed=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="generative-toolkit", prog_name="gtk")
def gtk() -> None:
    """Train generative image models, look at what they make, and export them to ONNX.

    Start with: gtk train --plugin cvae
    """


@settings_as_options()
def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    0 done, 1 failed, 2 usage; interrupted: 130 by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
    """
    prepare_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        name = next(iter(arguments), None)
        memory = within_memory(f"running gtk {name}", memory_advice(name))
        with interruptible(at_once=True), memory:
            result = gtk.main(list(arguments) or ["--help"], prog_name="gtk", standalone_mode=False)
            sys.stdout.flush()
    except click.UsageError as error:
        hint = f" See: {error.ctx.command_path} --help" if error.ctx else ""
        message = " ".join(_usage_message(error).split())
        stop = "." if hint and message[-1:].isalnum() else ""
        return _fail(f"{message}{stop}{hint}", EXIT_USAGE)
    except GtkError as error:
        return _interrupted(error) or _fail(str(error), error.exit_code)
    except BrokenPipeError:  # the reader, such as `head`, has stopped reading
        _drop_output()
        return EXIT_FAILED
    except BaseException as error:  # SystemExit, too: a plugin that raises it has failed
        failed = _interrupted(error) or _known_failure(error)
        if failed is None:
            raise
        return failed
    return result if isinstance(result, int) else 0


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    sys.exit(run())


def _interrupted(error: BaseException) -> int | None:
    """Return the exit code of an error that is an interrupt or came from one, else None."""
    code = interrupt_code(error)
    if code is not None:
        _drop_output()  # the terminal may be closed
    return code


def _drop_output() -> None:
    """Drop output that a closed pipe or terminal does not take; Python would fail on it at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _usage_message(error: click.UsageError) -> str:
    """Return the message; click would suggest any option with similar letters."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return DIGITS.sub(" has too many digits", error.format_message())
    from gtk.core.registry.suggestion import OPTIONS, suggestion  # only errors need the table

    parameters = error.ctx.command.get_params(error.ctx)
    flags = [flag for item in parameters for flag in (*item.opts, *item.secondary_opts)]
    options = [flag for flag in flags if flag.startswith("-")]
    near = suggestion(error.option_name, options, OPTIONS)
    if not near and "--plugin" in options and error.ctx.obj is None:
        near = " Plugins have options of their own: name the model with --plugin NAME."
    return f"{error.message}{near}"


def _known_failure(error: BaseException) -> int | None:
    """Report a failure of the installation, a plugin or the disk, and return the exit code."""
    if isinstance(error, click.Abort):  # click's word for an EOFError, too
        error = error.__cause__ or error
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing in HEAVY:
        return _fail(
            f"this command needs {missing}, which is not installed here: an environment for "
            "exported files alone lacks torch and more. Install gtk with everything it needs, by "
            "the first command of its README",
            EXIT_USAGE,
        )
    # Only where this module is imported can a plugin have been loaded, and is pluggy installed.
    if "gtk.core.registry.discovery" in sys.modules:
        from gtk.core.registry.plugin_failure import plugin_failure

        failure = plugin_failure(error)
        if failure is not None:
            return _fail(str(failure), failure.exit_code)
    if not isinstance(error, OSError):
        return None
    if error.errno == errno.ENAMETOOLONG:
        return _fail(f"{error.filename}: a name is too long for a file", EXIT_USAGE)
    if error.filename is None and error.errno in DISK:  # whatever writes a file names it
        return _fail(f"standard output cannot be written: {error.strerror}", EXIT_FAILED)
    return _fail(str(error), EXIT_FAILED)  # the disk is full, a file vanished, ...


def _fail(message: str, code: int) -> int:
    if os.environ.get(TRACEBACK_VARIABLE):
        import traceback  # --help starts faster without

        traceback.print_exc()
    with suppress(OSError):  # nobody can be told where the disk of standard error is full
        print_line(f"gtk: error: {one_line(message)}", err=True)
    return code
