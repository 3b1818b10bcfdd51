"""Compiled steps: what they compute, what stays eager, and what is refused."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import toys
from torch import Tensor

import gtk
from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context
from gtk.core.contracts.noise import Noise
from gtk.core.models.build import build
from gtk.core.settings.choice import Choice
from gtk.core.storage.run import Run
from gtk.core.training.learner import Learner
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue, PluginError

#: torch.compile looks at gradients that are not kept, and hides the warning, which pytest raises.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

CPU = torch.device("cpu")
SMALL: dict[str, Any] = {"network": "mlp", "hidden_dims": (8,), "latent_dim": 2}
NARROW: dict[str, Any] = {"width": 8, "depth": 1}
RUN: dict[str, Any] = {
    "plugin": "vae", **SMALL, "epochs": 1, "precision": "fp32", "memory_format": "contiguous",
    "threads": 1, "compile": True, "quiet": True,
}  # fmt: skip


def learner(model: str, options: dict[str, Any], *, compiled: bool) -> Learner:
    """Return a learner of a small model of images of 8x8 pixels."""
    options = {**(NARROW if model in ("flow", "diffusion") else SMALL), **options}
    loss = options.pop("loss", None)
    settings = Choice.by_name(model, "digits", None, loss).settle(options, None)
    built = build(settings, DataSpec("some", 1, 8, 8, ConditionSpec(("a", "b", "c"))))
    made = Learner(*built, {}, settings.train, 10, CPU)
    if compiled:
        made.compile()
    return made


def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(torch.rand(16, 1, 8, 8, generator=generator), torch.arange(16) % 3)


def steps(model: str, options: dict[str, Any], *, compiled: bool) -> dict[str, Tensor]:
    """Return terms and gradients of two steps, of which only the first may compile anything."""
    from torch._dynamo import config

    made = learner(model, options, compiled=compiled)
    found = {}
    for step in range(2):
        with config.patch(error_on_recompile=step > 0):
            made.learn(batch(), step, 1e-3)
        for name, parameter in made.model.named_parameters():
            assert parameter.grad is not None
            found[f"{step} {name}"] = parameter.grad.clone()
    return {**found, **made.pending.tensors()}


@pytest.mark.long  # a compiler runs
@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("vae", {"kl_warmup_steps": 4, "free_bits": 0.1}),
        ("cvae", {"loss": "iwae", "samples": 3}),
        ("cgan", {"loss": "minimax", "augment": True}),
        ("flow", {"coupling": "ot"}),
        ("diffusion", {"path": "variance-preserving", "prediction": "epsilon"}),
    ],
)
def test_compiled_and_eager_agree_to_rounding(model: str, options: dict[str, Any]) -> None:
    eager, compiled = (steps(model, options, compiled=wanted) for wanted in (False, True))
    torch.testing.assert_close(compiled, eager, rtol=1e-4, atol=1e-6)


def weights(run: Run) -> list[bytes]:
    """Return the files of tensors of a run's last checkpoint."""
    folder = run.checkpoints.folder(run.checkpoints.steps()[-1])
    return [path.read_bytes() for path in sorted(folder.glob("*.safetensors"))]


@pytest.mark.long  # a compiler runs
def test_a_compiled_training_resumes_with_the_same_bits(no_pictures: None) -> None:
    straight = gtk.train(**{**RUN, "epochs": 2})
    resumed = gtk.train(resume=gtk.train(**RUN).path, epochs=2, quiet=True)
    assert resumed.document["train"]["compile"] is True
    assert weights(resumed) == weights(straight)
    assert resumed.metrics()[-1] == straight.metrics()[-1]


@pytest.mark.parametrize("deterministic", [False, True])
def test_deterministic_algorithms_are_compiled_without_timing_any(
    deterministic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    monkeypatch.setattr(torch, "compile", lambda function, **options: given.append(options))
    made = learner("vae", {"deterministic": deterministic}, compiled=True)
    made.context.compiled(len)
    (found,) = given
    assert found["options"]["deterministic"] is deterministic
    assert found["options"].keys() <= set(torch._inductor.list_options())


def context() -> Context:
    return Context(Noise(CPU), torch.tensor(0), 10)


def test_without_compile_a_function_is_itself_and_evaluation_never_compiles() -> None:
    assert context().compiled(len) is len
    compiling = context()
    compiling.compile_with(lambda function: repr)
    assert compiling.compiled(len) is repr
    assert replace(compiling, noise=Noise(CPU)).compiled(len) is len, "as evaluate() has it"


def not_executable(folder: Path) -> str:
    (folder / "g++").write_text("")
    return str(folder / "g++")


@pytest.mark.parametrize("compiler", ["missing-g++", "false", not_executable])
def test_without_a_compiler_it_is_refused_and_nothing_is_written(
    compiler: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from torch._inductor import config

    name = compiler if isinstance(compiler, str) else compiler(tmp_path_factory.mktemp("bin"))
    with (
        config.patch({"cpp.cxx": (name,)}),
        pytest.raises(InvalidValue, match="^compile needs a C.. compiler.* CXX, or leave"),
    ):
        gtk.train(**RUN)
    assert not list(tmp_path.iterdir())


def test_a_compiler_that_fails_is_one_line_and_no_run_is_left(
    tmp_path: Path, no_pictures: None
) -> None:
    from torch._inductor import config

    with (
        config.patch({"cpp.cxx": (sys.executable,), "force_disable_caches": True}),
        pytest.raises(InvalidValue, match="^a step of this training cannot be compiled") as caught,
    ):
        gtk.train(**RUN)
    assert str(caught.value).endswith("leave compile out")
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.parametrize("options", [{"loss": "wasserstein-gp", "critic_steps": 1}, {"r1": 1.0}])
def test_a_loss_that_differentiates_twice_stays_eager_with_a_note(
    options: dict[str, Any], no_pictures: None
) -> None:
    notes = toys.Notes()
    given = {**RUN, **options, "plugin": "gan", "discriminator_normalization": "none"}
    run = gtk.train(**given, callbacks=[notes])
    (note,) = [note for note in notes.notes if "compile" in note]
    assert "has nothing to compile, so that compile changes nothing: it differentiates" in note
    eager = gtk.train(**{**given, "compile": False})
    assert weights(run) == weights(eager)


@pytest.mark.long  # a compiler runs
def test_a_plugin_s_mistake_is_named_in_a_compiled_step_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = learner("vae", {}, compiled=True)
    monkeypatch.setattr(made.model, "log_likelihood", lambda parameters, _: parameters.mean())
    with pytest.raises(
        PluginError, match=r"^log_likelihood\(\) of VariationalAutoencoder gives shape \(\)"
    ):
        made.learn(batch(), 0, 1e-3)
