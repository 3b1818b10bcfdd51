"""In a run folder gtk knows what it made, follows no link, and clears what kills have left."""

import os
import re
import shutil
import zlib
from pathlib import Path

import pytest

import gtk
from gtk.cli import main
from gtk.core.storage.run import Run
from gtk.core.storage.runs import list_runs
from gtk.core.values.errors import UserError
from gtk.core.values.temporary import beside, is_temporary, owner

pytestmark = pytest.mark.usefixtures("no_pictures")

#: A process that has ended: no system gives out this number.
DEAD = 2**31 - 1


def left(path: Path, kind: str, process: int | str = DEAD) -> Path:
    """Return the name that gtk gives to a temporary file or folder of another process."""
    number = zlib.crc32(path.name.encode())
    return path.with_name(f".{path.name[:50]}.{number:08x}.{process}.{kind}")


@pytest.fixture
def run(small_run: Run, workplace: Path) -> Run:
    """A copy of a run with pictures, which a callback has a folder in."""
    path = shutil.copytree(small_run.path, workplace / "runs" / "mine")
    run = Run(path)
    run.folder("diary")
    return run


LINKS = [
    "run.json", "metrics.jsonl", "report.html", "pictures", "checkpoints", ".lock", "diary",
    "diary/test", "pictures/curves.png", "pictures/samples-0020.png", "pictures/latents.json",
    "pictures/latents-manifold.png", "checkpoints/000000440", "checkpoints/000000440/state.json",
    "checkpoints/000000440/model.safetensors", "checkpoints/.000000450.partial",
]  # fmt: skip


@pytest.mark.parametrize("name", LINKS)
def test_a_link_at_a_name_of_gtk_s_is_refused(run: Run, tmp_path: Path, name: str) -> None:
    path, target = run.path / name, tmp_path / "target"
    if path.exists():
        path.rename(target)
    else:
        target.mkdir()
    path.symlink_to(target)
    before = _contents(target)
    for work in (
        lambda: gtk.train(resume="mine", epochs=21, quiet=True),
        lambda: gtk.load("mine").load_model(),
    ):
        with pytest.raises(UserError, match=r"link") as error:
            work()
        assert "\n" not in str(error.value)
    assert _contents(target) == before
    assert path.is_symlink()


def test_commands_refuse_links_in_one_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    (run.path / "report.html").unlink()
    (run.path / "report.html").symlink_to("../precious")
    for arguments in (("report", "mine"), ("train", "--resume", "mine", "--epochs", "21")):
        assert main.run(arguments) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "report.html is a link, and gtk does not follow links there" in error
    assert not (run.path.parent / "precious").exists()


def test_what_is_linked_while_a_training_runs_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("years of work")

    class Link:
        @gtk.hookimpl
        def gtk_train_start(self, run: Run) -> None:
            run.metrics_file.path.unlink(missing_ok=True)
            run.metrics_file.path.symlink_to(tmp_path / "precious")

    with pytest.raises(UserError, match=r"metrics\.jsonl cannot be written: it is a link"):
        gtk.train(plugin="vae", epochs=1, quiet=True, callbacks=[Link()])
    assert (tmp_path / "precious").read_text() == "years of work"


def test_other_people_s_links_are_left_alone(run: Run, tmp_path: Path) -> None:
    for name in ("notes", "pictures/best.png", "checkpoints/.ssh", "checkpoints/best"):
        (run.path / name).symlink_to(tmp_path)
    gtk.train(resume="mine", epochs=21, quiet=True)
    assert (run.path / "checkpoints" / ".ssh").is_symlink()


def test_a_run_with_a_link_is_not_removed(run: Run, tmp_path: Path) -> None:
    shutil.rmtree(run.pictures)
    run.pictures.symlink_to(tmp_path)
    with pytest.raises(UserError, match="mine holds pictures, which is a link, so it is not"):
        gtk.train(plugin="vae", name="mine", epochs=1, quiet=True, overwrite=True)


@pytest.mark.parametrize("name", [".DS_Store", "README", "000000440.bak", ".0000000450.partial"])
def test_what_lies_among_checkpoints_is_not_removed_with_a_run(run: Run, name: str) -> None:
    (run.path / "checkpoints" / ".000000450.partial").mkdir()  # of a killed process
    run.check_removable()
    (run.path / "checkpoints" / name).write_text("years of work")
    with pytest.raises(UserError, match=rf"holds checkpoints/{re.escape(name)}, which is not gtk"):
        run.check_removable()


def test_left_overs_of_kills_block_no_name(run: Run, tmp_path: Path) -> None:
    runs = run.path.parent
    for name in ("run.json", "report.html", "mine-decoder.onnx"):
        left(run.path / name, "partial").write_text("half")
    left(run.pictures / "curves.png", "partial").write_text("half")
    removed = runs / ".mine.removed"  # of an older gtk
    for path in (removed, left(run.path, "removed"), left(run.path, "partial")):
        (path / "checkpoints").mkdir(parents=True)
    assert [item.name for item in list_runs(runs)] == ["mine"]
    gtk.train(resume="mine", epochs=21, quiet=True)
    found = [item.name for item in run.path.rglob(".*.partial")]
    assert found == [left(run.path / "mine-decoder.onnx", "partial").name], "an export's"
    gtk.train(plugin="vae", name="mine", epochs=1, quiet=True, overwrite=True)
    assert [item.name for item in runs.iterdir()] == ["mine"]


def test_a_folder_that_a_kill_left_without_run_json_is_taken(tmp_path: Path) -> None:
    for name in ("empty", "begun"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    left(tmp_path / "runs" / "begun" / "run.json", "partial").write_text("{")
    assert list_runs(tmp_path / "runs") == []
    for name in ("empty", "begun"):
        with pytest.raises(UserError, match=r"add overwrite=True to replace it$"):
            gtk.train(plugin="vae", name=name, epochs=1, quiet=True)
        run = gtk.train(plugin="vae", name=name, epochs=1, quiet=True, overwrite=True)
        assert not list(run.path.glob(".*.partial"))


def test_what_a_living_process_writes_is_left_alone(run: Run) -> None:
    partial = left(run.path / "report.html", "partial", os.getppid())
    partial.write_text("half")
    gtk.train(resume="mine", epochs=21, quiet=True)
    with pytest.raises(UserError, match=f"is being written to by process {os.getppid()}. Wait"):
        gtk.train(plugin="vae", name="mine", epochs=1, quiet=True, overwrite=True)
    assert partial.exists()


@pytest.mark.parametrize(
    "name", [".notes.partial", ".run.json.00000000.7.partial", ".run.json.7.partial", "run.json"]
)
def test_like_names_are_other_people_s(run: Run, name: str) -> None:
    assert not is_temporary(name)
    if name != "run.json":
        (run.path / name).write_text("years of work")
        with pytest.raises(UserError, match="which is not gtk's"):
            run.check_removable()


def test_temporary_names_are_known_again(tmp_path: Path) -> None:
    for name in ("run.json", "a" * 200, "\N{SNOWMAN}.png", "a\nb.onnx", ".mine"):
        assert is_temporary(beside(tmp_path / name, "partial").name)


def test_an_older_removed_folder_with_other_files_stays(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / ".mine.removed"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("years of work")
    gtk.train(plugin="vae", name="mine", epochs=1, quiet=True)
    gtk.train(plugin="vae", name="mine", epochs=1, quiet=True, overwrite=True)
    assert (folder / "thesis.txt").read_text() == "years of work"


def _contents(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    return {str(item): item.read_bytes() for item in files}


def test_a_temporary_name_with_process_0_belongs_to_no_process() -> None:
    start = f".run.json.{zlib.crc32(b'run.json'):08x}"
    assert owner(f"{start}.0.partial") is None
    assert owner(f"{start}.{os.getppid()}.partial") == os.getppid()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells")
def test_a_process_that_got_the_number_of_a_killed_one_owns_nothing(run: Run) -> None:
    """As after a restart, or in a container, where few numbers are in use."""
    partial = left(run.path / "report.html", "partial", f"{os.getppid()}-7")
    partial.write_text("half")
    assert owner(partial.name) is None
    run.check_removable()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells")
def test_a_temporary_name_has_the_process_and_its_start(tmp_path: Path) -> None:
    number, name = os.getppid(), beside(tmp_path / "run.json", "partial").name
    begun = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19]
    mine = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    assert f".{os.getpid()}-{mine}." in name
    assert owner(name.replace(f".{os.getpid()}-{mine}.", f".{number}-{begun}.")) == number
