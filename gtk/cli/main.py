"""The command `gtk`: finds its commands when they are named, and ends every failure in one line."""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from gtk.cli.lazy_group import LazyGroup
from gtk.core.values.errors import TRACEBACK_VARIABLE, GtkError
from gtk.core.values.setting import settings_as_options
from gtk.core.values.text import visible

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130

#: What an environment that only draws from exported files may lack.
HEAVY = {
    "filelock",
    "jinja2",
    "onnx",
    "onnx_ir",
    "onnxruntime",
    "onnxscript",
    "platformdirs",
    "safetensors",
    "sklearn",
    "torch",
    "torchvision",
}

#: What each command is for; its module is imported when it is named.
COMMANDS = {
    "train": "Train a model, from its first step or on from a run's last.",
    "data": "Show a data set: size, labels and images; or list all.",
    "sample": "Draw images and write them as a PNG grid.",
    "reconstruct": "Encode and decode test images, or your own, and show what is left.",
    "interpolate": "Draw what lies between images, conditions or random points.",
    "traverse": "Sweep each latent dimension, or draw the manifold of two.",
    "animate": "Make a GIF or APNG of a training, or of a walk in latent space.",
    "export": "Write parts of a run's model as ONNX files, proven equal to PyTorch.",
    "inspect": "Show what an exported file, or a run's part, takes, gives and is made of.",
    "bench": "Measure an exported file or a run, with eager PyTorch beside it.",
    "report": "Write a run's report, one page that opens anywhere.",
    "compare": "Show how runs differ: settings, last figures, curves, samples.",
    "runs": "List runs: plugin, data, how far they came, last loss and age.",
    "plugins": "List installed plugins, check one, or begin one of your own.",
    "recipes": "List recipes by name, data, model and summary, or print one.",
}


@click.group(
    cls=LazyGroup, listed=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="generative-toolkit", prog_name="gtk")
def gtk() -> None:
    """Train generative image models, look at what they make, and export them to ONNX.

    Begin with: gtk train --plugin cvae
    """


@settings_as_options()
def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: 0 done, 1 failed, 2 usage, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        result = gtk.main(list(arguments) or ["--help"], prog_name="gtk", standalone_mode=False)
        if sys.stdout is not None:  # it is when a shell has closed it
            sys.stdout.flush()
    except click.UsageError as error:
        hint = f" See: {error.ctx.command_path} --help" if error.ctx else ""
        message = " ".join(error.format_message().split())
        stop = "." if hint and message[-1:].isalnum() else ""
        return _fail(f"{message}{stop}{hint}", EXIT_USAGE)
    except GtkError as error:
        return _fail(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in HEAVY:
            failed = _plugin_failed(error)
            if failed is None:
                raise
            return failed
        return _fail(
            f"this needs {missing}, which is not installed here: what is for exported files alone "
            "lacks torch and more. Install gtk with everything it needs, by the first command "
            "of its README",
            EXIT_USAGE,
        )
    except BaseException as error:  # a plugin that would end the program has failed, too
        failed = _plugin_failed(error)
        if failed is not None:
            return failed
        if isinstance(error, OSError):  # the disk is full, a file vanished
            return _fail(str(error), EXIT_FAILED)
        raise
    return result if isinstance(result, int) else 0


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    sys.exit(run())


def _plugin_failed(error: BaseException) -> int | None:
    """Say so where a plugin's own code has failed, and return the exit code; else None."""
    # Then no plugin was ever looked for, nor is pluggy here.
    if "gtk.core.registry.discovery" not in sys.modules:
        return None
    from gtk.core.registry.plugin_failure import plugin_failure

    failure = plugin_failure(error)
    return None if failure is None else _fail(str(failure), failure.exit_code)


def _fail(message: str, code: int) -> int:
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exc()
    # A message may hold names from somebody's data, which a terminal must not interpret.
    click.echo(f"gtk: error: {visible(' '.join(message.split()))}", err=True)
    return code
