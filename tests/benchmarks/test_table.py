"""The table of `python -m benchmarks`: its code paths, its counts of operations, its bad arguments.

Tests see no figure that depends on the machine's speed.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import gpu
from benchmarks.__main__ import main, parse
from benchmarks.blocks import Contender, ContenderFailedError, ask
from benchmarks.costs import operations, product_rate
from benchmarks.gtk_contender import settle
from benchmarks.rows import LARGER, SHAPES, SYSTEMS, read_row, report_every
from benchmarks.table import Protocol, figures, line, rounds, spread, with_shares
from benchmarks.tutorial import make_networks
from gtk.core.models.build import build
from gtk.core.models.summary import parameter_count
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import DataSpec

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images of MNIST's shape, few."""
    path = tmp_path_factory.mktemp("images") / "mnist.npz"
    pixels = np.random.default_rng(0).integers(0, 256, (300, 28, 28), np.uint8)
    labels = np.arange(300) % 10
    np.savez(path, images=pixels, labels=labels, test_images=pixels[:10], test_labels=labels[:10])
    return path


def test_operations_of_a_conditional_vae_by_hand(images: Path) -> None:
    # Products for an image, as multiplications: 784+10 to 64, 64 to 2*32, 32+10 to 64, 64 to 784.
    first, others = 794 * 64, 64 * 64 + 42 * 64 + 64 * 784
    # Backward: the gradient of each weight, and of each input but the image.
    assert operations("cvae-mlp", images) == 2 * (3 * (first + others) - first)


def test_operations_of_a_vae_by_hand(images: Path) -> None:
    first, others = 784 * 400, 400 * 40 + 20 * 400 + 400 * 784
    assert operations("vae-mlp", images) == 2 * (3 * (first + others) - first)


@pytest.mark.parametrize("name", [*SYSTEMS, *LARGER])
def test_the_plain_loop_has_as_many_parameters(name: str, images: Path) -> None:
    row = read_row(name)
    channels, side = SHAPES[row["data"]["name"]]
    spec = DataSpec(
        "images", channels, side, side, ConditionSpec(tuple(str(number) for number in range(10)))
    )
    model, _ = build(settle(name, images, {}), spec)
    plain = make_networks(row["model"], channels, side)
    assert parameter_count(plain) == parameter_count(model)


@pytest.mark.parametrize("name", ["vae-conv", "cvae-group", "gan-group"])
def test_the_plain_loop_takes_a_step(name: str) -> None:
    row = read_row(name)
    channels, side = SHAPES[row["data"]["name"]]
    networks = make_networks(row["model"], channels, side)
    pixels, code = torch.rand(2, channels, side, side), torch.eye(10)[:2]
    if len(networks) == 1:
        reconstruction, mean, _ = networks[0](pixels, code)
        assert reconstruction.shape == pixels.shape
        assert mean.shape == (2, row["model"]["latent_dim"])
    else:
        generator, discriminator = networks
        assert generator(torch.randn(2, 100, 1, 1)).shape == pixels.shape
        assert discriminator(pixels).shape == (2,)


@pytest.mark.long  # six processes import torch
@pytest.mark.timeout(600)
def test_a_tiny_run_prints_a_table_and_stores_each_row(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "table.json"
    arguments = ["--rows", "cvae-mlp,vae-mlp system,folder", "--short", "--seconds", "0.01"]
    arguments += ["--threads", "1", "--rounds", "2", "--noise", "300", "--out", str(out)]
    assert main(arguments) == 0
    machine, row, system, folder = map(json.loads, out.read_text().splitlines())
    assert machine["row"] == "machine"
    assert machine["data"] == "noise"
    assert row["notes"] == []
    assert list(row["contenders"]) == ["tutorial", "fp32", "default"]
    for found in row["contenders"].values():
        assert found["images_per_second"]["lower"] <= found["images_per_second"]["upper"]
        assert found["first_step_seconds"] > 0
        assert found["peak_mib"] > 0
    assert row["contenders"]["tutorial"]["to_tutorial"]["median"] == 1
    assert row["contenders"]["fp32"]["share_of_product"] > 0
    assert system["checkpoint_seconds"] > 0
    assert system["sampled_images_per_second"] > 0
    assert folder["decoded_images_per_second"] > 0
    printed = capfd.readouterr().out
    assert line(row) in printed
    assert printed.count("| networks |") == 1


class Slow:
    """Stands for a contender, half as fast in each block as in the one before."""

    first_seconds = 1.5

    def __init__(self, speed: float, turns: list[float], **answer: object) -> None:
        self.speed, self.turns, self.latest = speed, turns, answer

    def block(self, seconds: float) -> float:
        self.turns.append(self.speed)
        self.speed /= 2
        return self.speed * 2

    def end(self) -> dict[str, float]:
        return {"peak_mib": 9.0}


def test_contenders_take_turns_and_ratios_are_of_the_same_round() -> None:
    turns: list[float] = []
    arithmetic = {"precision": "fp32", "memory_format": "contiguous", "threads": 1, "trial": []}
    contenders: dict[str, Any] = {
        "tutorial": Slow(80, turns),
        "default": Slow(240, turns, **arithmetic),
    }
    blocks = rounds(contenders, Protocol(1.0, 2, 1))
    assert turns == [80, 240, 40, 120, 60, 20]  # the first of each only warms up
    assert blocks == {"tutorial": [40, 20], "default": [120, 60]}
    row = {"row": "some", "operations_per_image": 2e6, "product": {"fp32": 1e9}}
    found = {name: figures(contenders[name], rates, blocks) for name, rates in blocks.items()}
    row["contenders"] = with_shares(found, row)
    assert found["default"]["to_tutorial"] == {"median": 3, "lower": 3, "upper": 3}
    assert found["default"]["share_of_product"] == 0.18  # 90 images/s of 2 Mflop
    assert line(row) == (
        "| some | 2 | 30 |  |  | 90 | 90 | 3.00 | 3.00 to 3.00 | 3.00 |  | fp32, contiguous, 1 | "
        "0.18 |"
    )


def test_a_row_that_fails_says_why_and_the_others_follow(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.__main__.start_up", lambda runs: {"runs": runs})
    out = tmp_path / "table.json"
    arguments = ["--rows", "vae-mlp system,start-up", "--short", "--noise", "1"]
    assert main([*arguments, "--out", str(out)]) == 1
    _, failed, start_up = map(json.loads, out.read_text().splitlines())
    assert "training images" in failed["failed"]
    assert start_up["runs"] == 3
    assert "vae-mlp system failed" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rows", "vae-nlp"], "there is no row 'vae-nlp': the rows are cvae-mlp, "),
        (["--rows", ""], "there is no row ''"),
        (["--seconds", "0"], "--seconds must be more than 0, not 0.0"),
        (["--seconds", "nan"], "--seconds must be more than 0, not nan"),
        (["--rounds", "-1"], "--rounds must be more than 0, not -1"),
        (["--threads", "0"], "--threads must be more than 0, not 0"),
        (["--noise", "0"], "--noise must be more than 0, not 0"),
        (["--data-root", "nowhere"], "--data-root nowhere is not a folder"),
        (["--pythae-python", "nowhere"], "--pythae-python nowhere is not a program"),
        (["--out", "nowhere/file"], "nowhere is not a folder"),
    ],
)
def test_bad_arguments_are_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        parse(arguments)
    assert error.value.code == 2
    assert words in capsys.readouterr().err


def test_the_spread_is_the_median_and_the_quartiles() -> None:
    assert spread([5, 1, 2, 3, 4]) == {"median": 3, "lower": 2, "upper": 4}
    assert spread([7.00049]) == {"median": 7, "lower": 7, "upper": 7}


def test_the_gpu_script_needs_a_gpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main(["--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        "benchmarks.gpu needs a CUDA GPU, and torch finds none here.\n"
    )
    assert not (tmp_path / "out").exists()


def test_the_gpu_script_tells_at_once_that_gtk_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_recipe(name: str) -> None:
        raise LookupError(f"no recipe {name}")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("gtk.defaults.find_recipe", no_recipe)
    assert gpu.main(["--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        "benchmarks.gpu needs gtk as docs/benchmarks.md installs it: LookupError: no recipe "
        "cvae-mlp\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.fixture
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the GPU's script compute on the CPU, and compile nothing."""

    class Event:
        def __init__(self, *, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            self.time = time.perf_counter()

        def elapsed_time(self, other: Any) -> float:
            return 1e3 * float(other.time - self.time)

    monkeypatch.setattr(gpu, "DEVICE", "cpu")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    monkeypatch.setattr(gpu, "refusing_to_wait", nullcontext)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    monkeypatch.setattr("gtk.core.training.training.check_compiler", lambda device: None)


@pytest.mark.parametrize("name", gpu.STEPS)
def test_every_training_whose_steps_must_not_wait_can_begin(name: str, on_the_cpu: None) -> None:
    trainer = gpu.trainer_of(*gpu.STEPS[name])
    assert (trainer.learner._bf16, trainer.step) == ("bf16" in name, 0)


def test_the_gpu_script_s_checks_run_on_the_cpu(
    tmp_path: Path, on_the_cpu: None, no_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gpu.unwatched_step("cvae")["holds"] is True

    def wait() -> None:
        raise RuntimeError("called a synchronizing operation\nand more")

    with monkeypatch.context() as patch:
        patch.setattr(gpu, "refusing_to_wait", lambda: nullcontext(wait()))
        found = gpu.unwatched_step("cvae")
    assert (found["holds"], found["waits"]) == (False, "called a synchronizing operation")
    inside: list[str] = []

    @contextmanager
    def noted(device: torch.device) -> Iterator[None]:
        inside.append("begun")
        yield
        inside.append("ended")

    with monkeypatch.context() as patch:
        patch.setattr("gtk.core.models.tf32.without_tf32", noted)
        patch.setattr(gpu, "step_seconds", lambda step, count: inside.append("timed") or 1.0)
        steps = gpu.compiled_steps("cvae", steps=2, timed=1)
    assert inside == 2 * ["begun", "timed", "ended"]
    assert steps["holds"] is True, "nothing is compiled here, so that both are the same"
    assert (steps["eager, graphs"], steps["compiled, graphs"]) == (0, 0)
    assert steps["terms"]["eager"] == steps["terms"]["compiled"]
    assert set(gpu.truthful_clock(side=8, count=2)["seconds"]) == {"clock", "events", "launching"}
    small = {"plugin": "vae", "network": "mlp", "hidden_dims": (4,), "latent_dim": 2}
    monkeypatch.setitem(gpu.CHECKED, "vae-conv", small)
    graphs = gpu.kept_graphs(tmp_path, "vae-conv")
    assert graphs["holds"] is False, "none is recorded on a CPU"
    assert (graphs["recorded"], len(graphs["seconds"])) == ([0] * 5, 4)
    resumed = gpu.exact_resume(tmp_path, "vae-conv", bf16=False, compiled=True)
    assert resumed["holds"] is True
    assert resumed["compared"] == ["model.safetensors", "training.safetensors"]
    monkeypatch.setitem(gpu.CHECKED, "flow-unet", {"plugin": "flow", "width": 8, "depth": 1})
    drawn = gpu.unwatched_draw(tmp_path, count=4)
    assert (drawn["holds"], drawn["levels"]) == (True, 0), "both are drawn on the CPU"
    assert "waits" not in drawn


def test_what_matters_most_is_measured_first_and_nothing_is_begun_too_late(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: Any = argparse.Namespace(out=tmp_path)
    deadline = time.monotonic() + gpu.ROW_SECONDS / 2

    def broken() -> dict[str, Any]:
        raise KeyError("contenders")

    seconds = {name: least for name, _, least in gpu.parts(given, tmp_path, deadline)}
    planned = list(seconds)
    compiling = ("compiled cgan", "graphs flow-unet", "resume cgan compiled")
    assert [seconds[name] for name in compiling] == [60, 60, 120]
    rows = [name for name in planned if name in (*SYSTEMS, *LARGER)]
    assert sorted(rows) == sorted({*SYSTEMS, *LARGER})
    assert tuple(rows[:4]) == gpu.FIRST
    assert planned.index(rows[3]) < planned.index("quality cvae") < planned.index(rows[4])
    some = [("first", broken, 0), ("a row", dict, gpu.ROW_SECONDS), ("second", dict, 0)]
    monkeypatch.setattr(gpu, "parts", lambda *_: iter(some))
    found = list(gpu.finished(given, tmp_path, deadline))
    assert [row["row"] for row in found] == ["first", "second"]
    assert found[0]["failed"] == "KeyError: 'contenders'"


def test_a_gpu_multiplies_larger_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def small(*shape: int, device: torch.device) -> torch.Tensor:
        made.extend(shape)
        return torch.ones(2, 2)

    monkeypatch.setattr(torch, "randn", small)
    monkeypatch.setattr("benchmarks.costs.median_seconds", lambda work, seconds: 2.0)
    rates = [product_rate(torch.float32, torch.device(kind)) for kind in ("cpu", "cuda")]
    assert rates == [round(side**3, -6) for side in (2048, 8192)]
    assert made == 4 * [2048] + 4 * [8192]


def test_a_gpu_s_steps_are_reported_seldom(images: Path) -> None:
    assert [report_every("vae-conv", device) for device in ("cpu", "cuda")] == [1, 50]
    assert [report_every("vae-mlp", device) for device in ("cpu", "cuda:0")] == [25, 200]
    assert settle("cvae-mlp", images, {}, "cuda").train.log_every == 200


def test_a_process_that_takes_too_long_is_ended() -> None:
    arguments = ["benchmarks.gtk_contender", "vae-mlp", "--images", "none", "--folder", "none"]
    with pytest.raises(ContenderFailedError, match="^out of time$"):
        ask(arguments, {}, seconds=0)
    with pytest.raises(ContenderFailedError, match="^out of time$"):
        Contender(sys.executable, arguments, {}, seconds=0)


def test_the_scripts_still_start_as_their_pages_say() -> None:
    command = [sys.executable, "benchmarks/startup.py", "--help"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "usage:" in result.stdout
