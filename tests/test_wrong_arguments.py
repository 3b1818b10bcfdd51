"""A wrong argument of any public function is one line of gtk's own, never a raw error."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gtk
from gtk.cli.main import run as run_gtk
from gtk.core.evaluation import judge_training
from gtk.core.settings.choice import Choice
from gtk.core.training.training import Training
from gtk.exports import onnx, runtime
from gtk.exports.options import OptionValues


class Mute:
    """An object that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Foreign:
    """A path of another library."""

    def __fspath__(self) -> bytes:
        return b"x"


#: No argument takes any of these, but for None and empty collections where they are allowed.
WRONG: list[object] = [
    None, 3, 3.5, True, b"x", [], {}, object(), Mute(), Foreign(), "", "a\0b", "\ud800", "a\nb",
    "x" * 300, "x/" * 5000, [None], [object()], {3: 4}, -1, 10**30, 10**5000, float("nan"),
    np.zeros((2, 2)), np.array(["x"]), gtk.Run, lambda: None,
]  # fmt: skip
#: Every public function and its arguments.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "gtk.train": gtk.train,
    "gtk.evaluate": gtk.evaluate,
    "gtk.load": gtk.load,
    "gtk.export": gtk.export,
    "gtk.export_all": gtk.export_all,
    "gtk.track": gtk.track,
    "gtk.Run": gtk.Run,
    "runtime.load": runtime.load,
    "runtime.load_part": runtime.load_part,
    "runtime.scan": runtime.scan,
    "runtime.open_session": runtime.open_session,
}
#: Methods that users call.
METHODS = {
    "run": ("load_model", "sample", "generate", "folder"),
    "file": ("run", "sample", "generate", "draw_noise"),
}
CLASSES: dict[str, type] = {"run": gtk.Run, "file": runtime.Generator}
CVAE = Choice.by_name("cvae", "digits").options
OPTIONS = {
    "gtk.train": [option.name for option in CVAE],
    "gtk.export": [*OptionValues.__annotations__],
}
OURS = (gtk.GtkError, runtime.RequestError, runtime.ExportFileError, runtime.DeviceError)


def arguments(function: Callable[..., Any]) -> list[str]:
    """Return the names of a function's parameters, but for self and **options."""
    parameters = inspect.signature(function).parameters.values()
    return [it.name for it in parameters if it.name != "self" and it.kind is not it.VAR_KEYWORD]


CASES = [
    *((name, item) for name, it in FUNCTIONS.items() for item in arguments(it)),
    *((name, item) for name, items in OPTIONS.items() for item in items),
    *(
        (f"{of}.{name}", item)
        for of, names in METHODS.items()
        for name in names
        for item in arguments(getattr(CLASSES[of], name))
    ),
]


@pytest.fixture
def right(
    small_run: gtk.Run, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], dict[str, Any]]:
    """Return arguments that are right, for functions that train and translate nothing here."""
    monkeypatch.setattr(Training, "start", lambda *_: None)
    monkeypatch.setattr(Training, "go_on", lambda *_: None)
    monkeypatch.setattr(judge_training, "MOST_EPOCHS", 1)
    monkeypatch.setattr(onnx, "prepare", lambda *_: None)
    monkeypatch.setattr(onnx, "_finish", lambda *_, **__: [None])
    runs = small_run.path.parent
    noise = np.zeros((2, *small_run.load_model().noise.shape), np.float32)
    content = exported.read_bytes()
    given: dict[str, dict[str, Any]] = {
        "gtk.train": {"plugin": "cvae", "name": "new", "quiet": True, "epochs": 1},
        "gtk.evaluate": {
            "source": exported, "against": "digits", "metrics": ["diversity"], "samples": 2,
        },
        "gtk.load": {"reference": "small", "runs": runs},
        "gtk.export": {"run": small_run.path, "out": "a.onnx"},
        "gtk.export_all": {"run": small_run.path, "folder": "files"},
        "gtk.track": {"items": [1], "what": "x", "total": 1},
        "gtk.Run": {"path": small_run.path},
        "runtime.load": {"path": exported},
        "runtime.load_part": {"path": exported},
        "runtime.scan": {"content": content},
        "runtime.open_session": {"content": content},
        "run.sample": {"count": 2},
        "run.generate": {"noise": noise},
        "run.folder": {"name": "x" * 300},  # the run is not to be written to
        "file.sample": {"count": 2},
        "file.generate": {"noise": noise},
        "file.draw_noise": {"count": 2, "seed": 0},
        "file.run": {"inputs": {"z": noise, "label": [1, 2]}},
    }  # fmt: skip
    return lambda name: given.get(name, {})


def named_function(name: str, run: gtk.Run, exported: Path) -> Callable[..., Any]:
    """Return a function of gtk's, or the method of a run or an exported file."""
    of, _, method = name.partition(".")
    objects = {"run": run, "file": runtime.load(exported, "cpu") if of == "file" else None}
    function: Callable[..., Any] = FUNCTIONS.get(name) or getattr(objects[of], method)
    return function


@pytest.mark.parametrize(("name", "argument"), CASES)
def test_a_wrong_argument_is_one_line(
    right: Callable[[str], dict[str, Any]],
    small_run: gtk.Run,
    exported: Path,
    name: str,
    argument: str,
) -> None:
    function = named_function(name, small_run, exported)
    said: list[str] = []
    for wrong in WRONG:
        try:
            function(**{**right(name), argument: wrong})
        except OURS as error:
            said.append(str(error))
    assert all(map(str.isprintable, said))


LINES: list[tuple[str, str, object, str]] = [
    ("gtk.train", "plugin", 3, "plugin must be a string or None, not 3"),
    ("gtk.train", "data", 3.5, "data must be a string or None, not 3.5"),
    ("gtk.train", "name", True, "name must be a string or None, not True"),
    ("gtk.train", "runs", None, "runs must be a path, not None"),
    ("gtk.train", "recipe", b"x", "recipe must be a string or a path or None, not b'x'"),
    ("gtk.train", "overwrite", "no", "overwrite must be True or False, not 'no'"),
    ("gtk.train", "callbacks", None, "callbacks must be a list, not None"),
    ("gtk.train", "callbacks", "tensorboard", "callbacks must be a list, not 'tensorboard'"),
    ("gtk.train", "callbacks", np.array(3), "callbacks must be a list, not array(3)"),
    ("gtk.train", "callbacks", [3], "callback int cannot be used"),
    ("gtk.train", "callbacks", ["x", 3], "unknown callback 'x'"),
    ("gtk.train", "data", "folder:a\0b", r"data: 'a\x00b' cannot be a path: embedded null"),
    ("gtk.train", "data", "folder:" + "x" * 300, "cannot be a path of 300 letters: a name"),
    ("gtk.train", "resume", "x" * 300, "resume: 'xxxx"),
    ("gtk.train", "epochs", 10**5000, "takes a whole number, not an integer of thousands of"),
    ("gtk.train", "network", np.zeros(2), "must be one of mlp, conv, not array([0., 0.])"),
    ("gtk.evaluate", "source", Mute(), "array of images, not a value of type Mute"),
    ("gtk.evaluate", "source", "a\0b", r"source: 'a\x00b' cannot be a path: embedded null"),
    ("gtk.evaluate", "metrics", [Mute()], "must be names of metrics, not a value of type Mute"),
    ("gtk.evaluate", "judge", 3, "judge must be a string or a path or None, not 3"),
    ("gtk.evaluate", "samples", 10**5000, "not an integer of thousands of digits"),
    ("gtk.load", "reference", Mute(), "must be a string or a path, not a value of type Mute"),
    ("gtk.load", "reference", "x" * 300, "reference: 'xxxx"),
    ("gtk.export", "run", 3, "run must be a Run or a string or a path, not 3"),
    ("gtk.export", "out", "a\0b.onnx", r"out: 'a\x00b.onnx' cannot be a path"),
    ("gtk.export", "dry_run", 1, "dry_run must be True or False, not 1"),
    ("run.sample", "labels", 3, "labels must be a list with a label for each image, not 3"),
    ("run.sample", "count", 10**30, "count must be at most 2147483648"),
    ("run.sample", "device", 0, "device must be a string, not 0"),
    ("run.generate", "noise", None, "noise must be an array with a row for each image, not N"),
    ("file.run", "inputs", [1], "inputs must be a mapping, not [1]"),
]


@pytest.mark.parametrize(
    ("name", "argument", "wrong", "message"), LINES, ids=[f"{it[0]}-{it[1]}" for it in LINES]
)
def test_the_line_names_argument_and_value(
    right: Callable[[str], dict[str, Any]],
    small_run: gtk.Run,
    exported: Path,
    name: str,
    argument: str,
    wrong: object,
    message: str,
) -> None:
    function = named_function(name, small_run, exported)
    with pytest.raises((gtk.UserError, runtime.RequestError), match=re.escape(message)):
        function(**{**right(name), argument: wrong})


def test_every_public_function_is_tried() -> None:
    for module in (gtk, runtime):
        for name in module.__all__:
            if inspect.isfunction(getattr(module, name)):
                assert f"{module.__name__.rpartition('.')[2]}.{name}" in FUNCTIONS


def test_unknown_arguments_are_a_type_error_as_elsewhere() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'nmae'"):
        gtk.load(nmae="x")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        gtk.load()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "line",
    ["sample NAME", "sample RUN --out absent/NAME.png", "train --plugin cvae --data folder:NAME",
     "train --plugin NAME", "train --plugin cvae --recipe NAME.toml", "train --recipe NAME",
     "train --plugin cvae --name NAME", "train --plugin cvae --loss NAME", "data NAME",
     "train --plugin cvae --data NAME", "train --plugin cvae --data-root NAME --data mnist",
     "train --plugin cvae --runs NAME --device NAME", "train --plugin cvae --callback NAME",
     "train --resume NAME", "plugins check NAME", "recipes NAME", "NAME",
     "train --NAME 3", "inspect NAME.onnx", "inspect RUN --part NAME", "report NAME",
     "compare RUN NAME", "reconstruct RUN NAME", "sample RUN --label NAME --out a.png",
     "sample RUN --checkpoint NAME --out a.png", "export RUN --out absent/NAME.onnx",
     "export RUN --part NAME", "plugins new NAME --kind model"],
)  # fmt: skip
@pytest.mark.parametrize(
    "name",
    ["x" * 300, "x" * 5000, "a\nb", "x/" * 2500, "\udce7"],
    ids=["300", "5000", "two-lines", "folders", "no-utf8"],
)
def test_any_name_on_the_command_line_is_one_line(
    small_run: gtk.Run, capsys: pytest.CaptureFixture[str], line: str, name: str
) -> None:
    words = [
        word.replace("NAME", name).replace("RUN", str(small_run.path)) for word in line.split()
    ]
    assert run_gtk(words) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert printed.err.startswith("gtk: error: ")
    assert len(printed.err) < 1500
