"""The runtime in both of its forms: the package, and the single file that is made of it."""

import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from gtk.exports.single_file import START, single_file


@pytest.fixture(autouse=True)
def quick(no_pictures: None, one_table: None) -> None:
    """Leave out what has no part in exported files, and repeat nothing that is always the same."""


@pytest.fixture(scope="session")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The single file as a module, `drawing`, which is none of gtk's."""
    path = tmp_path_factory.mktemp("single") / "drawing.py"
    path.write_text(single_file(), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("drawing", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(params=["package", "single file"])
def each_form(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, drawing: ModuleType
) -> None:
    """Have what a file of tests imports from the runtime be the package's, then the single file's.

    Rooms of the package and names in them alike: a test sees no difference.
    """
    if request.param == "package":
        return
    for name, value in list(vars(request.module).items()):
        room = isinstance(value, ModuleType)
        origin = value.__name__ if room else getattr(value, "__module__", None)
        if f"{origin}.".startswith(f"{START}."):
            monkeypatch.setattr(request.module, name, drawing if room else getattr(drawing, name))
