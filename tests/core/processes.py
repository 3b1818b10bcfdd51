"""New processes that need not import torch first: forks of one that has, and has run nothing else.

A training that dies and one that resumes it need processes of their own, and importing torch,
matplotlib and scikit-learn would take most of each. `multiprocessing` keeps one process for
that a test worker; what it forks shares nothing with the test but the files.
"""

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path
from subprocess import CompletedProcess

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "gtk.cli.main",
        "gtk.core.training.training",
        "jinja2",
        "matplotlib.pyplot",
        "sklearn.datasets",
        "torch._dynamo",  # which the first step of an optimizer imports
    ]
)


def command(*arguments: str) -> str:
    """Return the lines of Python that `gtk` with these arguments is."""
    return f"import sys\nfrom gtk.cli.main import run\nsys.exit(run({list(arguments)!r}))\n"


def python(code: str) -> CompletedProcess[str]:
    """Run lines of Python in a new process, in this folder and with this environment."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("out", "err")]
        process = FORKS.Process(target=_execute, args=(code, dict(os.environ), *paths))
        process.start()
        process.join()
        assert process.exitcode is not None
        return CompletedProcess(code, process.exitcode, *(path.read_text() for path in paths))


def _execute(code: str, environment: dict[str, str], out: Path, err: Path) -> None:
    """Be that process."""
    os.environ.clear()
    os.environ.update(environment)
    for path, stream in ((out, sys.stdout), (err, sys.stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream.fileno())
    exec(code, {"__name__": "__main__"})  # noqa: S102 - lines of a test
