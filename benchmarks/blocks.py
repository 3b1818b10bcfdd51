"""Two sides of a measurement: a process that trains, and the one that has it train in blocks.

Every contender trains in a process of its own, so that memory and the time to the first step are
its own, and pythae can have its own environment. It waits on its standard input: a number of
seconds has it train for about so long and answer with images and seconds; at the end of the input
it answers with its peak of memory. Only the standard library is imported, so children start small.
"""

import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Timer
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent


class Blocks:
    """The side that trains: counts images, and stops where a block ends."""

    def __init__(self) -> None:
        # What libraries print must not get between the answers.
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._images, self._seconds, self._wanted = 0, 0.0, 0.0
        self._first = True
        self.resume()

    def resume(self) -> None:
        """Count the time from now on."""
        self._begun = time.perf_counter()

    def trained(self, images: int, **facts: Any) -> None:  # noqa: ANN401 - JSON
        """Note that steps on so many images are done; end the block if it has been long enough."""
        self._seconds += time.perf_counter() - self._begun
        self._images += images
        if self._first or self._seconds >= self._wanted:
            clock = {"time": time.time()} if self._first else {}
            self._answer({"images": self._images, "seconds": self._seconds, **clock, **facts})
            self._first, self._images, self._seconds = False, 0, 0.0
            self._wanted = self._next()
        self.resume()

    def _next(self) -> float:
        line = sys.stdin.readline()
        if not line:
            self._answer({"peak_mib": peak_mib()})
            os._exit(0)  # in the middle of a training
        return float(line)

    def _answer(self, document: dict[str, Any]) -> None:
        print(json.dumps(document), file=self._answers, flush=True)


def peak_mib() -> float:
    """Return this process's highest resident set in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


class ContenderFailedError(Exception):
    """A contender ended by itself; the message is the last line of what it wrote."""


class Contender:
    """The other side: a process that trains when it is told to.

    It is ended after `seconds`, if given, whatever it does.

    Attributes:
        first: what it answered after its first steps.
        first_seconds: from its start to then.
        latest: its latest answer.
    """

    def __init__(
        self,
        python: str,
        arguments: Sequence[str],
        environment: dict[str, str],
        seconds: float | None = None,
    ) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the process
        begun = time.time()
        self._deadline = time.monotonic() + (math.inf if seconds is None else seconds)
        self._process = start(python, arguments, environment, self._errors)
        self._alarm = None if seconds is None else alarm(self._process, seconds)
        self.first = self.latest = self._read()
        self.first_seconds = round(self.first["time"] - begun, 3)

    def block(self, seconds: float) -> float:
        """Have it train for about so many seconds; return images per second."""
        assert self._process.stdin is not None  # noqa: S101 - for type checkers
        print(seconds, file=self._process.stdin, flush=True)
        self.latest = self._read()
        return float(self.latest["images"] / self.latest["seconds"])

    def end(self) -> dict[str, Any]:
        """End it; return its peak of memory."""
        assert self._process.stdin is not None  # noqa: S101 - for type checkers
        self._process.stdin.close()
        answer = self._read()
        self.close()
        return answer

    def close(self) -> None:
        """End it, whatever it does."""
        if self._alarm is not None:
            self._alarm.cancel()
        if not self._errors.closed:
            self._process.kill()
            with self._errors, self._process:
                pass

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - for type checkers
        line = self._process.stdout.readline()
        if not line:
            with self._errors, self._process:
                late = time.monotonic() >= self._deadline
                raise ContenderFailedError("out of time" if late else last_line(self._errors))
        document: dict[str, Any] = json.loads(line)
        return document


def start(
    python: str, arguments: Sequence[str], environment: dict[str, str], errors: IO[str]
) -> subprocess.Popen[str]:
    """Start a module of this package in a process."""
    return subprocess.Popen(
        [python, "-m", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def alarm(process: subprocess.Popen[str], seconds: float) -> Timer:
    """End a process after so many seconds, unless the alarm is cancelled."""
    timer = Timer(max(0.0, seconds), process.kill)
    timer.daemon = True
    timer.start()
    return timer


def ask(
    arguments: Sequence[str], environment: dict[str, str], seconds: float | None = None
) -> dict[str, Any]:
    """Run a module of this package to its end; return the JSON of its last line.

    Raises:
        ContenderFailedError: it failed, or took longer than `seconds`.
    """
    with tempfile.TemporaryFile("w+") as errors:
        process = start(sys.executable, arguments, environment, errors)
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise ContenderFailedError("out of time") from error
        if process.returncode:
            raise ContenderFailedError(last_line(errors))
    document: dict[str, Any] = json.loads(output.splitlines()[-1])
    return document


def last_line(errors: IO[str]) -> str:
    """Return the last line of a file that a process wrote, "failed" without any."""
    errors.seek(0)
    return (errors.read().strip().splitlines() or ["failed"])[-1]
