"""A training that was stopped anywhere goes on, in a new process, to the same bits."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import processes
import pytest
import torch
import toys
from safetensors.torch import load_file, save_file

import gtk
from gtk.core.models.device import resolve_device
from gtk.core.registry.spec import NoConfig
from gtk.core.storage.run import Run
from gtk.core.storage.run_document import write_json
from gtk.core.values.errors import InvalidValue, UserError

OPTIONS = {"epochs": 3, "log_every": 5, "checkpoint_every": 11, "validation": 30, "quiet": True}
KILLED = """
import os, sys, gtk
{before}
from gtk.core.storage.checkpoint import CheckpointFolder
from gtk.core.registry.spec import NoConfig
save = CheckpointFolder.save
def save_and_die(self, checkpoint):
    save(self, checkpoint)
    if checkpoint.step == {step}:
        os._exit(9)
CheckpointFolder.save = save_and_die
gtk.train(name="stopped", {options})
"""


def contents(run: Run) -> dict[str, bytes]:
    """Return every file of a run but its description, which holds the time it was made, and the
    time that its steps took.

    The report says these and the run's name; it is returned without them.
    """
    files = {
        str(path.relative_to(run.path)): path.read_bytes()
        for path in sorted(run.path.rglob("*"))
        if path.is_file() and path.name not in ("run.json", "timing.json", ".lock")
    }
    report = files["report.html"]
    for word in (run.name, run.document["created"], run.document["created"].partition("T")[0]):
        report = report.replace(word.encode(), b"")
    files["report.html"] = re.sub(rb"trained in [\d:]+", b"", report)
    return files


def start_and_kill(step: int, before: str = "", plugin: str = "cvae", **extra: object) -> None:
    """Train in another process, and have it die without a word after a checkpoint."""
    given = {"plugin": plugin, **OPTIONS, **extra}
    options = ", ".join(f"{name}={value!r}" for name, value in given.items())
    code = KILLED.format(before=before, step=step, options=options)
    assert processes.python(code).returncode == 9


def resume(*arguments: str) -> None:
    line = processes.command("train", "--resume", "stopped", "--quiet", *arguments)
    processes.python(line).check_returncode()


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training that nothing has stopped; not to be written to."""
    with pytest.MonkeyPatch.context() as patching:
        patching.chdir(tmp_path_factory.mktemp("straight"))  # its report names its runs
        run = gtk.train(plugin="cvae", name="straight", **OPTIONS)  # type: ignore[arg-type]
        return Run(run.path.resolve())


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that died at step 33, in the middle of an epoch; not to be written to."""
    with pytest.MonkeyPatch.context() as patching:
        patching.chdir(tmp_path_factory.mktemp("dead"))
        start_and_kill(33)
        return gtk.load("stopped").path.resolve()


@pytest.fixture
def stopped(dead: Path, workplace: Path) -> Run:
    """A copy of it among this test's runs."""
    return Run(shutil.copytree(dead, workplace / "runs" / "stopped"))


def test_a_process_that_hashes_strings_otherwise_goes_on_to_the_same_bits(
    straight: Run, stopped: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other tests resume in forks of one process, which share its hash seed."""
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    command = [sys.executable, "-m", "gtk", "train", "--resume", "stopped", "--quiet"]
    subprocess.run(command, check=True, capture_output=True)
    assert contents(stopped) == contents(straight)


def test_a_flow_with_dropped_conditions_and_optimal_transport_goes_on_to_the_same_bits() -> None:
    options = {"condition_dropout": 0.2, "coupling": "ot", "width": 16, "depth": 1}
    whole = gtk.train(plugin="flow", name="whole", **OPTIONS, **options)  # type: ignore[arg-type]
    start_and_kill(33, plugin="flow", **options)
    resume()
    assert contents(gtk.load("stopped")) == contents(whole)


def test_binary_pixels_of_a_likelihood_go_on_to_the_same_bits() -> None:
    options = {"likelihood": "binarized-bernoulli", "activation": "tanh", "hidden_dims": (8, 8),
               "loss": "iwae", "decay": "multistep", "adam_epsilon": 1e-4}  # fmt: skip
    whole = gtk.train(plugin="vae", name="whole", **OPTIONS, **options)  # type: ignore[arg-type]
    start_and_kill(33, plugin="vae", **options)
    resume()
    assert contents(gtk.load("stopped")) == contents(whole)


# 22 steps an epoch: 22 is an epoch's end, 33 its middle and 5 steps do not divide it.
@pytest.mark.parametrize(("step", "average_decay"), [(22, 0.0), (33, 0.0), (33, 0.9)])
def test_a_killed_training_goes_on_to_the_same_bits(step: int, average_decay: float) -> None:
    straight = gtk.train(plugin="cvae", name="straight", average_decay=average_decay, **OPTIONS)  # type: ignore[arg-type]
    start_and_kill(step, average_decay=average_decay)
    assert gtk.load("stopped").checkpoints.steps()[-1] == step
    resume()
    assert contents(gtk.load("stopped")) == contents(straight)


def test_metrics_written_after_the_last_checkpoint_are_not_repeated(
    straight: Run, stopped: Run
) -> None:
    run = stopped
    run.metrics_file.append({"step": 35, "split": "train", "terms": {}})
    with run.metrics_file.path.open("a") as file:
        file.write('{"step": 40, "spl')
    resume()
    assert run.metrics_file.path.read_bytes() == straight.metrics_file.path.read_bytes()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "name"),
    [(flip, "training.safetensors"), (flip, "state.json"), (Path.unlink, "model.safetensors")],
)
def test_a_damaged_checkpoint_is_trained_again_from_the_one_before(
    straight: Run,
    stopped: Run,
    damage: Callable[[Path], None],
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    damage(stopped.checkpoints.folder(33) / name)
    gtk.train(resume="stopped", quiet=True)
    assert contents(stopped) == contents(straight)
    assert len(caplog.records) == 1
    assert f"000000033/{name} is " in caplog.text
    assert ": the checkpoint of step 22 is used instead" in caplog.text


def test_a_run_whose_last_checkpoint_is_damaged_is_completed_again(
    straight: Run, workplace: Path
) -> None:
    run = Run(shutil.copytree(straight.path, workplace / "runs" / "stopped"))
    for name in ("model", "training"):
        flip(run.checkpoints.folder(66) / f"{name}.safetensors")
    line = processes.command("train", "--resume", "stopped", "--quiet")
    result = processes.python(line)
    assert result.returncode == 0
    assert result.stderr.count("\n") == 1
    assert "model.safetensors is damaged: the checkpoint of step 55 is used" in result.stderr
    assert contents(run) == contents(straight)


def test_where_all_are_damaged_one_line_says_what_is_possible(straight: Run, stopped: Run) -> None:
    for step in stopped.checkpoints.steps():
        flip(stopped.checkpoints.folder(step) / "training.safetensors")
    with pytest.raises(InvalidValue, match="is damaged, .* sample and export them with checkpoin"):
        gtk.train(resume="stopped", quiet=True)
    assert stopped.sample(count=1, checkpoint=33).any()
    for step in stopped.checkpoints.steps():
        flip(stopped.checkpoints.folder(step) / "model.safetensors")
    with pytest.raises(
        InvalidValue, match="is damaged. Remove (.*), which has no intact checkpoint"
    ):
        gtk.train(resume="stopped", quiet=True)
    shutil.rmtree(stopped.path / "checkpoints")
    gtk.train(resume="stopped", quiet=True)
    assert contents(stopped) == contents(straight)


def test_a_part_of_a_checkpoint_is_not_taken_for_saved(straight: Run, stopped: Run) -> None:
    """As a disk that fails may leave it, at the name of one that is yet to come."""
    for step in (44, 66):
        folder = shutil.copytree(stopped.checkpoints.folder(33), stopped.checkpoints.folder(step))
        (folder / "state.json").unlink()
    gtk.train(resume="stopped", quiet=True)
    assert contents(stopped) == contents(straight)


def shortened(lines: list[bytes]) -> list[bytes]:
    return lines[:3]


def cut(lines: list[bytes]) -> list[bytes]:
    return [*lines[:3], lines[3][:20]]


def without_one(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], *lines[3:]]


def glued(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2][:20], *lines[3:]]


@pytest.mark.parametrize(
    ("damage", "left"), [(shortened, 3), (cut, 3), (without_one, -1), (glued, -2)]
)
def test_lost_metrics_are_repaired_and_named(
    straight: Run,
    stopped: Run,
    damage: Callable[[list[bytes]], list[bytes]],
    left: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = stopped.metrics_file.path
    known = stopped.checkpoints.state(33)["metrics_bytes"]
    before = file.read_bytes()[:known].splitlines(keepends=True)
    file.write_bytes(b"".join(damage(before)))
    gtk.train(resume="stopped", quiet=True)
    kept = left if left > 0 else len(before) + left
    after, whole = (run.metrics_file.path.read_bytes() for run in (stopped, straight))
    assert after.endswith(whole[known:])
    assert after.count(b"\n") == whole.count(b"\n") - len(before) + kept
    assert [line for line in stopped.metrics() if line not in straight.metrics()] == []
    assert f"has lost lines from before step 33: {kept} complete lines left" in caplog.text


def test_a_figure_that_was_changed_is_told_once(
    straight: Run, stopped: Run, caplog: pytest.LogCaptureFixture
) -> None:
    file = stopped.metrics_file.path
    changed = re.sub(rb'"loss": \d', b'"loss": 9', file.read_bytes(), count=1)
    file.write_bytes(changed)
    gtk.train(resume="stopped", quiet=True)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert told[0] == (
        "runs/stopped/metrics.jsonl is not as it was at step 33: some of its figures were changed, "
        "and patience counts from these"
    )
    assert file.stat().st_size == straight.metrics_file.path.stat().st_size
    caplog.clear()
    gtk.train(resume="stopped", quiet=True, epochs=4)
    assert not caplog.records, "the next checkpoint knows the file as it is"


def test_a_training_killed_before_its_first_checkpoint_begins_anew(straight: Run) -> None:
    start_and_kill(11)
    for path in (gtk.load("stopped").path / "checkpoints").rglob("*.*"):
        path.unlink()
    (gtk.load("stopped").path / "checkpoints" / "000000011").rmdir()
    resume()
    assert contents(gtk.load("stopped")) == contents(straight)


class PressCtrlC:
    """A callback that interrupts its own training at a step."""

    step = 35

    @gtk.hookimpl
    def gtk_step_end(self, progress: gtk.Progress) -> None:
        if progress.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_saves_the_step_and_loses_nothing(straight: Run) -> None:
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        gtk.train(plugin="cvae", name="stopped", callbacks=[PressCtrlC()], **OPTIONS)  # type: ignore[arg-type]
    assert signal.getsignal(signal.SIGINT) is handler
    # The signal arrives while step 35 is being reported, or at the latest in the step after.
    run = gtk.load("stopped")
    assert run.checkpoints.steps()[-1] in (35, 36)
    resume()
    ours, theirs = contents(run), contents(straight)
    assert {name: ours[name] for name in theirs} == theirs


def test_a_longer_training_is_one_that_was_planned_longer() -> None:
    run = gtk.train(plugin="cvae", name="stopped", **OPTIONS)  # type: ignore[arg-type]
    resume("--epochs", "5")
    longer = gtk.train(plugin="cvae", name="longer", **{**OPTIONS, "epochs": 5})  # type: ignore[arg-type]
    run = gtk.load(run.path)
    assert run.document["train"]["epochs"] == 5
    for name in ("model", "training"):
        file = f"checkpoints/000000110/{name}.safetensors"
        assert contents(run)[file] == contents(longer)[file]


def test_metrics_that_are_lost_do_not_come_back_as_zeros(stopped: Run) -> None:
    run = stopped
    run.metrics_file.path.unlink()
    resume()
    assert run.metrics()[0]["step"] == 35
    assert b"\0" not in run.metrics_file.path.read_bytes()


def test_a_run_goes_on_where_it_was_with_as_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    run = gtk.train(plugin="cvae", name="done", epochs=1, quiet=True)
    assert run.document["device"] == str(resolve_device("auto"))
    assert run.document["threads"] == 1
    run.document.update(device="cpu", threads=2)
    write_json(run.path / "run.json", run.document)
    seen: list[object] = []

    class Look:
        @gtk.hookimpl
        def gtk_epoch_end(self, model: gtk.Model) -> None:
            seen.extend([torch.get_num_threads(), next(model.parameters()).device.type])

    gtk.train(resume="done", epochs=2, quiet=True, callbacks=[Look()])
    assert seen == [2, "cpu"]


def test_two_processes_cannot_train_one_run() -> None:
    run = gtk.train(plugin="cvae", name="done", epochs=1, quiet=True)
    before = contents(run)
    with run.locked():
        for request in (
            {"resume": "done", "epochs": 2},
            {"plugin": "vae", "name": "done", "overwrite": True},
        ):
            with pytest.raises(UserError, match="is being trained by another process"):
                gtk.train(**request, quiet=True)  # type: ignore[arg-type]
    assert contents(run) == before


def test_a_complete_run_says_so() -> None:
    gtk.train(plugin="cvae", name="done", epochs=1, quiet=True)
    with pytest.raises(InvalidValue, match=r"is complete: 1 epochs, 22 steps\. .*epochs=2"):
        gtk.train(resume="done", quiet=True)


def test_a_run_cannot_be_made_shorter_than_it_has_come(stopped: Run) -> None:
    with pytest.raises(InvalidValue, match="has come further than 1 epochs: 33 steps of 3 planned"):
        gtk.train(resume="stopped", epochs=1, quiet=True)


def test_settings_cannot_be_changed_on_the_way() -> None:
    gtk.train(plugin="cvae", name="done", epochs=1, quiet=True)
    with pytest.raises(InvalidValue, match="leave out batch_size, latent_dim"):
        gtk.train(resume="done", batch_size=3, latent_dim=4, epochs=2)
    with pytest.raises(InvalidValue, match="leave out data, overwrite"):
        gtk.train(resume="done", data="mnist", overwrite=True, epochs=2)


def test_a_checkpoint_that_does_not_fit_is_named() -> None:
    run = gtk.train(plugin="cvae", name="done", epochs=1, quiet=True)
    run.document["model"]["latent_dim"] = 17
    write_json(run.path / "run.json", run.document)
    with pytest.raises(UserError, match="000000022 does not fit the model that .* so train anew"):
        gtk.train(resume="done", epochs=2, quiet=True)


def test_a_tensor_that_does_not_fit_is_named(stopped: Run) -> None:
    """Fused Adam would run past its end, and the process would die."""
    folder = stopped.checkpoints.folder(33)
    (folder / "digests.json").unlink()  # as a checkpoint of an older version
    state = folder / "state.json"
    state.write_text(state.read_text().replace('"format": 2', '"format": 1'))
    tensors = load_file(folder / "training.safetensors")
    name = next(name for name in tensors if name.endswith("weight/exp_avg_sq"))
    save_file({**tensors, name: tensors[name][:1].clone()}, folder / "training.safetensors")
    with pytest.raises(
        UserError, match="000000033 does not fit the model .* so train anew"
    ) as error:
        gtk.train(resume="stopped", quiet=True)
    assert f"(tensor '{name.removeprefix('optimizer/')}' is float32 (1, " in str(error.value)
    assert "\n" not in str(error.value)


def test_other_data_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from gtk.plugins.datasets import digits

    gtk.train(plugin="cvae", name="done", epochs=1, quiet=True)
    load = digits.load

    def grown(config: NoConfig, root: Path | None) -> gtk.Dataset:
        data = load(config, root)
        spec = gtk.DataSpec("digits", 1, 8, 8, gtk.ConditionSpec(tuple("abcdefghij")))
        return gtk.Dataset(spec, data.train, data.test)

    monkeypatch.setattr(digits, "load", grown)
    with pytest.raises(InvalidValue, match="are not those that .* was trained on"):
        gtk.train(resume="done", epochs=2, quiet=True)


def test_more_images_than_there_were_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from gtk.plugins.datasets import digits

    run = gtk.train(plugin="cvae", name="done", epochs=1, quiet=True)
    assert run.document["images"] == {"train": 1440, "test": 357}
    load = digits.load

    def fewer(config: NoConfig, root: Path | None) -> gtk.Dataset:
        data = load(config, root)
        train = gtk.Split(data.train.images[:1439], data.train.labels[:1439])
        return gtk.Dataset(data.spec, train, data.test)

    monkeypatch.setattr(digits, "load", fewer)
    message = "on 1440 train images and 357 test images, and now there are 1439 train images"
    with pytest.raises(InvalidValue, match=message):
        gtk.train(resume="done", epochs=2, quiet=True)


EVERYTHING: dict[str, object] = {
    "adam_beta1": 0.5, "warmup_steps": 7, "decay": "cosine", "clip_norm": 0.3,
    "average_decay": 0.9, "batch_size": 32, "monitor": "second_loss", "patience": 2,
    "keep_checkpoints": 2,
}  # fmt: skip


@pytest.fixture
def duel(monkeypatch: pytest.MonkeyPatch) -> str:
    """Train the toys with batch normalization instead of vae; what a child must run first."""
    monkeypatch.setattr("gtk.plugins.vae.model.VariationalAutoencoder", toys.Normalized)
    monkeypatch.setattr("gtk.plugins.losses.elbo.ELBO", toys.Duel)
    return f"sys.path.insert(0, {str(Path(toys.__file__).parent)!r}); import toys; toys.install()"


# 22 steps an epoch, 66 in all; it dies before older checkpoints are removed.
@pytest.mark.parametrize("step", [22, 33, 66])
def test_everything_at_once_goes_on_to_the_same_bits(duel: str, step: int) -> None:
    options = {**OPTIONS, **EVERYTHING, "patience": 9}
    straight = gtk.train(plugin="vae", name="straight", **options)  # type: ignore[arg-type]
    start_and_kill(step, duel, "vae", **options)
    assert gtk.load("stopped").checkpoints.steps()[-1] == step
    gtk.train(resume="stopped", quiet=True)
    assert straight.checkpoints.steps()[-1] == 66
    assert contents(gtk.load("stopped")) == contents(straight)


@pytest.mark.parametrize("step", [33, 66])
def test_networks_of_a_loss_go_on_to_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The test line is of networks and model of the best step, here the first."""
    monkeypatch.setattr("gtk.plugins.losses.elbo.ELBO", toys.Judged)
    before = f"sys.path.insert(0, {str(Path(toys.__file__).parent)!r}); import toys"
    options = {**OPTIONS, "hidden_dims": (8,), "average_decay": 0.9, "monitor": "age"}
    straight = gtk.train(plugin="vae", name="straight", **options)  # type: ignore[arg-type]
    start_and_kill(step, f"{before}; toys.install_judged()", "vae", **options)
    assert gtk.load("stopped").checkpoints.steps()[-1] == step
    gtk.train(resume="stopped", quiet=True)
    assert contents(gtk.load("stopped")) == contents(straight)
    assert straight.document["loss_networks"] == {"critic": 545, "measure": 201}
    newest = straight.checkpoints.load(66)
    assert "networks/critic.0.weight" in newest.training
    assert not any("critic" in name for name in newest.model)
    best = straight.checkpoints.load(11)
    (line,) = [line for line in straight.metrics() if line["split"] == "test"]
    weight = best.training["networks/critic.0.weight"].mean().item()
    assert line["step"] == 11
    assert line["terms"]["weight"] == pytest.approx(weight)


GAMES: dict[str, dict[str, object]] = {
    "minimax": {"average_decay": 0.9, "conditioner": "conditional-norm"},
    "hinge": {"conditioner": "projection", "decay": "cosine"},
    "wasserstein-gp": {"discriminator_normalization": "group", "batch_size": 12, "r1": 0.5},
    "relativistic": {
        "discriminator_normalization": "spectral", "conditioner": "projection",
        "average_decay": 0.9, "r1_every": 5, "augment": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("loss", GAMES)
def test_a_game_goes_on_to_the_same_bits(loss: str) -> None:
    options = {**OPTIONS, **GAMES[loss], "loss": loss, "channels": (4, 6), "epochs": 2}
    options |= {"monitor": "discriminator_loss"}
    straight = gtk.train(plugin="cgan", name="straight", **options)  # type: ignore[arg-type]
    start_and_kill(33, plugin="cgan", **options)
    resume()
    assert contents(gtk.load("stopped")) == contents(straight)


@pytest.fixture
def best_at_step_22(monkeypatch: pytest.MonkeyPatch) -> str:
    """Have every figure be the distance from step 22; what a child must run first."""
    names = "first_loss", "second_loss"
    code = f"lambda *given: dict.fromkeys({names}, abs(float(given[3].step) - 22))"
    monkeypatch.setattr("gtk.core.training.reporter.evaluate", eval(code))  # noqa: S307
    return f"import gtk.core.training.reporter; gtk.core.training.reporter.evaluate = {code}"


# Patience 2 ends it at step 44: killed before a worse one, between the two, and in the last.
@pytest.mark.parametrize("step", [11, 33, 44])
def test_a_killed_training_stops_early_where_the_other_does(
    duel: str, best_at_step_22: str, step: int, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {**OPTIONS, **EVERYTHING, "log_every": 9}
    straight = gtk.train(plugin="vae", name="straight", **options)  # type: ignore[arg-type]
    assert [line["step"] for line in straight.metrics() if line["split"] == "validation"] == [
        11, 22, 33, 44,
    ]  # fmt: skip
    start_and_kill(step, f"{duel}\n{best_at_step_22}", "vae", **options)
    gtk.train(resume="stopped")
    assert "stopped early at step 44, epoch 2: no better validation second_loss since step 22" in (
        capsys.readouterr().err
    )
    assert contents(gtk.load("stopped")) == contents(straight)
    assert gtk.load("stopped").metrics()[-1]["step"] == straight.checkpoints.best() == 22
    for epochs in (None, 9):
        more = {} if epochs is None else {"epochs": epochs}
        with pytest.raises(
            InvalidValue, match="stopped is complete: stopped early at step 44, ep"
        ) as error:
            gtk.train(resume="stopped", quiet=True, **more)  # type: ignore[arg-type]
        assert "train anew with more patience than 2" in str(error.value)
        assert "\n" not in str(error.value)
    assert contents(gtk.load("stopped")) == contents(straight), "a refusal changes nothing"


#: What kills a training after its last checkpoint, at each of the steps that follow it.
FINISHING = {
    "before the test line": "from gtk.core.training.held_out import HeldOut as at; name = 'test'",
    "before the map": "import gtk.plugins.callbacks.latents as at; name = 'write_latent_map'",
    "before the report": "import gtk.plugins.callbacks.report as at; name = 'write_report'",
    "after the report": "from gtk.core.storage.run import Run as at; name = 'replace_settings'",
}
DIE = """
before = getattr(at, name)
def die(*given, **named):
    if named.get("finished") is not False:
        os._exit(9)
    before(*given, **named)
setattr(at, name, die)
"""


@pytest.mark.parametrize("moment", FINISHING)
def test_what_follows_the_last_step_is_done_again_until_it_is_done(
    straight: Run, moment: str
) -> None:
    start_and_kill(-1, FINISHING[moment] + DIE)
    run = gtk.load("stopped")
    assert run.checkpoints.steps()[-1] == 66
    resume()
    assert contents(run) == contents(straight)
    with pytest.raises(InvalidValue, match=r"is complete: 3 epochs, 66 steps\."):
        gtk.train(resume="stopped", quiet=True)
    assert contents(run) == contents(straight), "a refusal changes nothing"


def test_ctrl_c_twice_after_the_last_step_tells_a_command_that_finishes(straight: Run) -> None:
    twice = "def die(*given):\n    import signal\n" + 2 * (
        "    os.kill(os.getpid(), signal.SIGINT)\n"
    )
    code = f"import os\n{FINISHING['before the report']}\n{twice}setattr(at, name, die)\n"
    options = [f"--{name.replace('_', '-')}={value}" for name, value in OPTIONS.items()][:-1]
    line = ["train", "--plugin", "cvae", "--name", "stopped", "--quiet", *options]
    result = processes.python(code + processes.command(*line))
    assert result.returncode == 130
    assert "saved up to step 66. Go on: gtk train --resume stopped" in result.stderr
    resume()
    assert contents(gtk.load("stopped")) == contents(straight)


def test_a_callback_that_fails_at_the_end_does_not_keep_a_run_from_being_finished() -> None:
    class Failing:
        @gtk.hookimpl
        def gtk_train_end(self) -> None:
            raise OSError("no more ink")

    gtk.train(plugin="vae", name="done", epochs=1, quiet=True, callbacks=[Failing()])
    with pytest.raises(InvalidValue, match="is complete"):
        gtk.train(resume="done", quiet=True)


@pytest.mark.parametrize("tested", [True, False])
def test_a_run_of_an_older_version_is_finished_with_its_test_line(tested: bool) -> None:
    run = gtk.train(plugin="vae", name="done", epochs=1, quiet=True)
    del run.document["finished"]
    write_json(run.path / "run.json", run.document)
    whole = run.metrics_file.path.read_bytes()
    if tested:
        with pytest.raises(InvalidValue, match="is complete"):
            gtk.train(resume="done", quiet=True)
    else:
        run.metrics_file.cut_back(run.checkpoints.state(22)["metrics_bytes"], 22)
        gtk.train(resume="done", quiet=True)
        assert gtk.load("done").document["finished"] is True
    assert run.metrics_file.path.read_bytes() == whole
