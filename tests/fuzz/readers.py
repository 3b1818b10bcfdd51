"""What gtk does with each kind of file that may come from a stranger, and what it may not do."""

import io
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType
from unittest.mock import patch

import inputs
from PIL import Image

from gtk.cli.main import run as run_gtk
from gtk.core.registry.spec import NoConfig
from gtk.core.registry.train_request import TrainRequest
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import GtkError, UserError
from gtk.exports import inspection
from gtk.exports.runtime import ExportFileError, load_part
from gtk.pictures.embedded import Picture, fitting
from gtk.plugins.datasets import FolderConfig
from gtk.plugins.datasets.decoding import BadImage, decode_image
from gtk.plugins.datasets.folder import load as load_folder
from gtk.plugins.datasets.npz import load as load_npz
from gtk.train_function import choose

#: Seconds and bytes that one input may take.
MOST_SECONDS, MOST_BYTES = 10, 1 << 30
#: What no output may hold: it came from a file, and a terminal would act on it.
ACTING = set("\x1b\x07\u202e\0")


class Fault(BaseException):
    """Something that must not happen; not an Exception, which gtk may catch."""


@dataclass(frozen=True)
class Kind:
    """A kind of input: how one is made, and how gtk reads it from a file in this folder.

    Attributes:
        make: returns the content of a file, or a command line's arguments.
        read: reads it; only a `GtkError` may leave it.
    """

    make: Callable[[Random], bytes | list[str]]
    read: Callable[[bytes | list[str]], None]


def attempt(kind: Kind, content: bytes | list[str]) -> None:
    """Read an input in the folder that is current.

    Raises:
        Fault: it took too long.
        BaseException: any exception but gtk's own, `MemoryError` for more than `MOST_BYTES`.
    """
    with _limited():
        try:
            kind.read(content)
        except GtkError as error:
            str(error).encode("utf-8", "backslashreplace")


@contextmanager
def _limited() -> Iterator[None]:
    """Limit the time and the memory of what is done inside."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Fault(f"more than {MOST_SECONDS} seconds")

    before = resource.getrlimit(resource.RLIMIT_AS)
    status = Path("/proc/self/statm")
    used = int(status.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") if status.exists() else 0
    heard = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    if used:
        resource.setrlimit(resource.RLIMIT_AS, (used + MOST_BYTES, before[1]))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGALRM, heard)


def command(*arguments: str) -> None:
    """Run a command line, and check its exit code and what it prints."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run_gtk(arguments)
    shown = out.getvalue() + err.getvalue()
    shown.encode()
    wrong = [shown.find(text) for text in (*ACTING, "Traceback") if text in shown]
    if wrong:
        raise Fault(f"{list(arguments)} printed {shown[max(0, wrong[0] - 500) :][:1500]!r}")
    if code not in (0, 1, 2) or (code and err.getvalue().count("gtk: error: ") != 1):
        raise Fault(f"{list(arguments)} ended with {code}: {shown[-1500:]!r}")


def read_recipe(content: bytes) -> None:
    Path("mine.toml").write_bytes(content)
    command("train", "--recipe", "mine.toml", "--help")
    choose(TrainRequest(recipe="mine.toml")).settle({}, None)


def read_metadata(content: bytes) -> None:
    root = Path("things")
    if not root.exists():
        root.mkdir()
        for number in range(4):
            Image.new("L", (8, 8), number).save(root / f"{number}.png")
    (root / "metadata.csv").write_bytes(content)
    load_folder(FolderConfig(bad_images="skip"), root)


def read_labels(content: bytes) -> None:
    """Read one of the files of labels; the first line names it."""
    root = Path("labelled")
    if not root.exists():
        root.mkdir()
        for number in range(4):
            Image.new("L", (8, 8), number).save(root / f"{number}.png")
    for path in root.glob("*.json*"):
        path.unlink()
    name, _, text = content.partition(b"\n")
    (root / name.decode()).write_bytes(text)
    for note in load_folder(FolderConfig(bad_images="skip"), root).notes:
        if "\n" in note or len(note) > 2000:
            raise Fault(f"a note is {note[:200]!r}")


def read_npz(content: bytes) -> None:
    Path("things.npz").write_bytes(content)
    load_npz(NoConfig(), Path("things.npz"))


def read_png(content: bytes) -> None:
    path = Path("samples-0001.png")
    path.write_bytes(content)
    picture = Picture.read(path)
    if picture is not None:
        fitting({"samples": {1: picture}}, 60)
    try:
        decode_image(path, DataSpec("x", 1, 8, 8, None))
    except BadImage as error:
        str(error).encode()


def inspect(*options: str) -> None:
    """Inspect a file, opened in this process: a process for each input would take most time."""
    with patch.object(inspection, "_open_apart", _open_here):
        command("inspect", "run.onnx", *options)


def _open_here(path: Path) -> None:
    try:
        load_part(path, device="cpu")
    except ExportFileError as error:
        raise UserError(str(error)) from error


def read_onnx(content: bytes) -> None:
    Path("run.onnx").write_bytes(content)
    inspect()
    inspect("--json")
    command("sample", "run.onnx", "-n", "2", "--out", "out.png", "--overwrite")


def read_sidecar(content: bytes) -> None:
    Path("run.json").write_bytes(content)
    inspect()


def read_arguments(arguments: list[str]) -> None:
    for path in Path().glob("*.png"):
        path.unlink()
    command(*arguments)


#: The kinds that need no run or exported file.
ALONE: dict[str, Kind] = {
    "recipe": Kind(inputs.recipe, read_recipe),  # type: ignore[arg-type]
    "metadata": Kind(inputs.metadata, read_metadata),  # type: ignore[arg-type]
    "labels": Kind(inputs.labels, read_labels),  # type: ignore[arg-type]
    "npz": Kind(inputs.npz, read_npz),  # type: ignore[arg-type]
    "png": Kind(inputs.png, read_png),  # type: ignore[arg-type]
    "arguments": Kind(inputs.arguments, read_arguments),  # type: ignore[arg-type]
}


def file_kinds(exported: Path) -> dict[str, Kind]:
    """Return the kinds that are damaged variants of an exported file, of its manifest and sidecar.

    The files are to be in the folder that is current, as run.onnx and run.json.
    """
    import json

    import onnx

    content, sidecar = exported.read_bytes(), json.loads(exported.with_suffix(".json").read_bytes())
    proto = onnx.load_from_string(content)
    manifest = json.loads({item.key: item.value for item in proto.metadata_props}["gtk"])
    del proto.metadata_props[:]
    bare = proto.SerializeToString()

    def read_manifest(changed: bytes) -> None:
        read_onnx(inputs.with_manifest(bare, changed))

    def read_file(changed: bytes) -> None:
        read_onnx(changed)

    def make_manifest(random: Random) -> bytes:
        return inputs.changed_document(random, manifest)

    def make_sidecar(random: Random) -> bytes:
        return inputs.changed_document(random, sidecar)

    def make_file(random: Random) -> bytes:
        return inputs.damaged(random, content)

    return {
        "manifest": Kind(make_manifest, read_manifest),  # type: ignore[arg-type]
        "sidecar": Kind(make_sidecar, read_sidecar),  # type: ignore[arg-type]
        "onnx": Kind(make_file, read_file),  # type: ignore[arg-type]
    }
