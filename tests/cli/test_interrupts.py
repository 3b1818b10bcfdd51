"""Ctrl-C, SIGTERM and SIGHUP end every command in order, and a callback ends a training."""

import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import processes
import pytest

import gtk

Command = Callable[..., Any]
CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
SIGNALLING = """
import os, signal, gtk
from gtk.plugins.callbacks import samples
class Signalling:
    @gtk.hookimpl
    def gtk_step_end(self):
        os.kill(os.getpid(), signal.{name})
samples.SamplePictures = Signalling
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_training_saves_its_step_and_says_how_to_go_on(name: str) -> None:
    line = ["train", "--plugin", "cvae", "--name", "long", "--quiet"]
    result = processes.python(SIGNALLING.format(name=name) + processes.command(*line))
    assert result.returncode == CODES[name]
    assert "Stopped; saved up to step 51. Go on: gtk train --resume long" in result.stderr
    assert "Traceback" not in result.stderr
    assert gtk.load("long").checkpoints.steps() == [51]


def test_a_training_under_nohup_hears_no_hangup() -> None:
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    line = ["train", "--plugin", "vae", "--epochs", "3", "--name", "whole", "--quiet"]
    result = processes.python(code + SIGNALLING.format(name="SIGHUP") + processes.command(*line))
    assert (result.returncode, result.stderr) == (0, "")
    assert gtk.load("whole").checkpoints.steps() == [66]


def test_a_terminal_that_closes_ends_a_training_in_order() -> None:
    code = (
        "import os, pty, sys\n"
        "child, terminal = pty.fork()\n"
        "if child == 0:\n"
        "    from gtk.cli.main import main\n"
        "    sys.argv = 'gtk train --plugin vae --epochs 999999 --name lost'.split()\n"
        "    main()\n"
        "while b'images/s' not in os.read(terminal, 9999):\n"
        "    pass\n"
        "os.close(terminal)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert processes.python(code).returncode == 129
    assert gtk.load("lost").checkpoints.steps()


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("line", ["sample small --out it.png", "export small --out it.onnx"])
def test_a_command_that_is_interrupted_leaves_no_file(
    small_run: gtk.Run,
    gtk_command: Command,
    monkeypatch: pytest.MonkeyPatch,
    workplace: Path,
    line: str,
    name: str,
) -> None:
    write = Path.write_bytes

    def interrupted(self: Path, content: bytes) -> int:
        write(self, content)
        os.kill(os.getpid(), signal.Signals[name])
        return 0

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)
    result = gtk_command(*line.split(), "--runs", small_run.path.parent)
    assert result.code == CODES[name]
    assert "Traceback" not in result.err
    assert list(workplace.iterdir()) == []
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)) == before


def early(workplace: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that is interrupted when it imports a module."""
    (workplace / "path").mkdir()
    code = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    (workplace / "path" / f"{module}.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(workplace / "path")}
    return subprocess.run(
        [sys.executable, "-m", "gtk", *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("module", ["click", "numpy", "pluggy", "torch"])
def test_an_interrupt_of_an_import_is_no_traceback(workplace: Path, module: str) -> None:
    result = early(workplace, module, "train", "--plugin", "vae", "--epochs", "1")
    assert result.returncode == 130
    assert result.stderr.strip() == ""


def test_an_interrupt_while_python_ends_is_no_traceback(workplace: Path) -> None:
    code = "import atexit, os, signal\natexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
    (workplace / "sitecustomize.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(workplace)}
    command = [sys.executable, "-m", "gtk", "recipes"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (-signal.SIGINT, "")


def test_the_console_script_is_guarded_as_well() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"gtk": "gtk.__main__:main"}


STOPPING = """
import gtk
from gtk.plugins.callbacks import samples
class Stopping:
    @gtk.hookimpl
    def gtk_epoch_end(self):
        raise gtk.StopTraining("enough")
samples.SamplePictures = Stopping
"""


def test_a_callback_that_stops_a_training_is_named_and_the_exit_code_is_0() -> None:
    line = ["train", "--plugin", "vae", "--hidden-dims", "16", "--epochs", "3", "--name", "stopped"]
    result = processes.python(STOPPING + processes.command(*line))
    assert result.returncode == 0
    assert result.stderr.endswith("stopped by Stopping: enough\n")
    assert "gtk train --resume stopped\n" in result.stdout
    assert gtk.load("stopped").report.exists()
    result = processes.python(STOPPING + processes.command(*line[:1], "--resume", "stopped"))
    assert gtk.load("stopped").checkpoints.steps() == [22, 44]
