"""Folders that callbacks have in a run: they are the run's, and nobody else's are."""

import pytest

import gtk
from gtk.core.values.errors import InvalidValue, UserError


class Writer:
    @gtk.hookimpl
    def gtk_train_start(self, run: gtk.Run) -> None:
        (run.folder("diary") / "day.txt").write_text("dear diary")


def small(**options: object) -> gtk.Run:
    return gtk.train(plugin="vae", name="mine", epochs=1, quiet=True, **options)  # type: ignore[arg-type]


def test_a_callback_s_folder_belongs_to_the_run() -> None:
    run = small(callbacks=[Writer()])
    assert gtk.load(run.path).document["folders"] == ["diary"]
    gtk.load(run.path).check_removable()
    run = small(overwrite=True)
    assert not (run.path / "diary").exists()
    assert "folders" not in run.document


def test_a_run_that_goes_on_keeps_it() -> None:
    run = small(callbacks=[Writer()])
    gtk.train(resume=run.path, epochs=2, quiet=True, callbacks=[Writer()])
    assert gtk.load(run.path).document["folders"] == ["diary"]


def test_somebody_else_s_folder_is_never_taken() -> None:
    run = small()
    (run.path / "diary").mkdir()
    with pytest.raises(UserError, match="diary exists and is not gtk's"):
        run.folder("diary")
    with pytest.raises(UserError, match="holds diary, which is not gtk's"):
        run.check_removable()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/tmp", "pictures", "run.json", ".lock"])  # noqa: S108 - a bad name
def test_a_folder_has_a_name_that_can_be_one(small_run: gtk.Run, name: str) -> None:
    with pytest.raises(InvalidValue, match="cannot be a callback's folder"):
        small_run.folder(name)


@pytest.mark.parametrize("folders", ["5", "[5]"])
def test_a_damaged_list_of_folders_is_named(folders: str) -> None:
    run = small()
    file = run.path / "run.json"
    file.write_text(file.read_text().replace("{", f'{{"folders": {folders},', 1))
    with pytest.raises(UserError, match="run.json is damaged"):
        gtk.load(run.path)
