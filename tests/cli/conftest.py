"""Run command lines in this process."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from gtk.cli.main import run


@dataclass(frozen=True)
class Result:
    """How a command line ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def gtk_command(capsys: pytest.CaptureFixture[str], one_table: None) -> Callable[..., Result]:
    """Return a function that runs `gtk ...` and returns exit code and output."""

    def command(*arguments: object) -> Result:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return command
