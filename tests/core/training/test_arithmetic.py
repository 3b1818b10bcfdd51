"""Precision, memory format and deterministic algorithms: what they act on, and what stays fp32."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import processes
import pytest
import torch
import toys
from torch import Tensor, nn
from torch.nn import functional

import gtk
from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Update
from gtk.core.models.tf32 import without_tf32
from gtk.core.registry import plugin_module
from gtk.core.storage.run import Run
from gtk.core.storage.run_document import write_json
from gtk.core.training.arithmetic import Arithmetic, check_deterministic
from gtk.core.training.learner import Learner
from gtk.core.values.errors import InvalidValue
from gtk.plugins.families.gaussian import DiagonalGaussian, StandardGaussian
from gtk.plugins.losses.elbo import ELBO
from gtk.plugins.vae import gtk_models
from gtk.plugins.vae.model import VariationalAutoencoder

SMALL: dict[str, Any] = {
    "plugin": "cgan", "channels": (8, 8), "latent_dim": 4, "epochs": 1, "quiet": True,
    "average_decay": 0.9,
}  # fmt: skip
BF16 = Arithmetic("bf16", "channels-last", 1)


@pytest.fixture
def bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this machine's CPU multiply in bf16; it can, though maybe slowly."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)


@pytest.fixture
def fp32_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)


@pytest.mark.usefixtures("bf16", "no_pictures")
def test_what_changes_nothing_or_was_promised_by_nobody_is_noted(
    monkeypatch: pytest.MonkeyPatch, fresh_plugins: None
) -> None:
    specs = [replace(spec, bf16=False) for spec in gtk_models()]
    monkeypatch.setattr("gtk.plugins.vae.gtk_models", gtk.hookimpl(lambda: specs))
    plugin_module.manager.cache_clear()
    options: dict[str, Any] = {"hidden_dims": (8,), "epochs": 1, "quiet": True}
    given = {"memory_format": "channels-last", "precision": "bf16"}
    told, plain = toys.Notes(), toys.Notes()
    gtk.train("vae", callbacks=[told], **options, **given)
    gtk.train("vae", callbacks=[plain], **options)
    unpromised = (
        "model 'vae' of generative-toolkit 0.1.0 does not say that it bears bf16: compare figures "
        "with those of precision='fp32'"
    )
    assert [note for note in told.notes if note not in plain.notes] == [
        "memory_format='channels-last' changes nothing here, as the networks have no convolutions",
        unpromised,
    ]


def weights(run: Run) -> dict[str, bytes]:
    """Return the files of tensors of a run's last checkpoint."""
    folder = run.checkpoints.folder(run.checkpoints.steps()[-1])
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


@pytest.mark.parametrize(
    ("precision", "memory_format"),
    [("bf16", "contiguous"), ("fp32", "channels-last"), ("bf16", "channels-last")],
)
def test_a_resumed_training_has_the_same_bits_in_every_arithmetic(
    precision: str, memory_format: str, bf16: None, no_pictures: None
) -> None:
    given = {**SMALL, "precision": precision, "memory_format": memory_format}
    straight = gtk.train(**{**given, "epochs": 2})
    resumed = gtk.train(resume=gtk.train(**given).path, epochs=2, quiet=True)
    assert weights(resumed) == weights(straight)
    assert resumed.metrics()[-1] == straight.metrics()[-1]
    for run in (straight, resumed):
        assert run.document["train"]["precision"] == precision
        assert run.document["train"]["memory_format"] == memory_format


class Look(gtk.Loss[Any]):
    """Two updates of the toys' parts, which compare the second with the weights as they are now."""

    requires = gtk.Model
    unit = "points"

    def __init__(self) -> None:
        self.fresh: list[bool] = []

    def updates(self, model: Any, batch: Batch, context: Context) -> Iterator[Update]:
        flat = batch.images.flatten(1)
        yield Update(model.first(flat).square().mean(), part="first")
        now = model.first(flat)
        layer, low = model.first, torch.bfloat16
        with torch.autocast("cpu", enabled=False):
            expected = functional.linear(flat.to(low), layer.weight.to(low), layer.bias.to(low))
        self.fresh.append(torch.equal(now, expected))
        yield Update(model.second(now).square().mean(), part="second")

    def evaluate(self, model: Any, batch: Batch, context: Context) -> dict[str, Tensor]:
        return {"loss": batch.images.flatten(1).mean(1)}


class Stepped(toys.TwoParts):
    """The toys' model; it notes whether autocast is on when an update is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.on: list[bool] = []

    def after_update(self, part: str, statistics: Any) -> None:
        self.on.append(torch.is_autocast_enabled("cpu"))


def test_autocast_ends_with_each_update() -> None:
    """Around the loop, the second update of a step would have the first one's cast weights."""
    loss, model = Look(), Stepped()
    trainer = toys.trainer(loss, model, learning_rate=0.1)
    trainer.learner.use(BF16)
    trainer.train_step(torch.arange(10))
    assert loss.fresh == [True]
    assert model.on == [False, False]
    assert not torch.is_autocast_enabled("cpu")
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}


def test_a_training_in_fp32_never_enters_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", None)
    toys.trainer().train_step(torch.arange(10))


class Watch:
    """A callback that notes what it finds at the end of an epoch."""

    def __init__(self) -> None:
        self.autocast: list[bool] = []
        self.contiguous: list[bool] = []

    @gtk.hookimpl
    def gtk_step_end(self) -> None:
        self.autocast.append(torch.is_autocast_enabled("cpu"))

    @gtk.hookimpl
    def gtk_epoch_end(self, model: gtk.Model) -> None:
        self.autocast.append(torch.is_autocast_enabled("cpu"))
        self.contiguous += [parameter.is_contiguous() for parameter in model.parameters()]


def test_callbacks_evaluation_and_samples_are_fp32_and_contiguous(
    bf16: None, no_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, seen = Watch(), []
    encode = VariationalAutoencoder.encode

    def noted(self: VariationalAutoencoder, images: Tensor, condition: Tensor | None) -> Any:
        last = not all(parameter.is_contiguous() for parameter in self.parameters())
        seen.append((self.training, torch.is_autocast_enabled("cpu"), last))
        return encode(self, images, condition)

    monkeypatch.setattr(VariationalAutoencoder, "encode", noted)
    run = gtk.train(
        "vae", network="conv", channels=(8, 8), hidden_dims=(8,), latent_dim=2, epochs=1,
        validation=32, precision="bf16", memory_format="channels-last", callbacks=[watch],
        quiet=True,
    )  # fmt: skip
    assert set(seen) == {(True, True, True), (False, False, False)}, "training, and evaluation"
    assert watch.autocast
    assert not any(watch.autocast)
    assert watch.contiguous
    assert all(watch.contiguous)
    assert all(
        parameter.is_contiguous() and parameter.dtype == torch.float32
        for parameter in run.load_model().parameters()
    )


def test_a_figure_of_a_network_s_output_is_fp32() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(2, 16, 8).bfloat16().unbind()
    given = DiagonalGaussian(mean, log_variance)
    exact = DiagonalGaussian(mean.float(), log_variance.float())
    divergence = StandardGaussian().divergence(given)
    assert divergence.dtype == torch.float32
    assert torch.equal(divergence, StandardGaussian().divergence(exact))
    double = torch.zeros(2, 2, dtype=torch.float64)
    assert DiagonalGaussian(double, double).mean.dtype == torch.float64


class Plain(toys.TwoParts):
    """A latent variable model whose author thought of no precision but fp32."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: set[torch.dtype] = set()

    def parts(self) -> dict[str, nn.Module]:
        return {"model": self}

    def encode(self, images: Tensor, condition: Tensor | None) -> DiagonalGaussian:
        hidden = self.first(images.flatten(1))
        return DiagonalGaussian(hidden[:, :2], hidden[:, 2:4])

    def decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return self.first(z.repeat(1, 8)) + 0 * self.second(self.first(z.repeat(1, 8)))

    def prior(self, condition: Tensor | None) -> StandardGaussian:
        return StandardGaussian()

    def log_likelihood(self, parameters: Tensor, images: Tensor) -> Tensor:
        self.kinds.add(parameters.dtype)
        return -(parameters - images.flatten(1)).square().sum(1)

    def expected_image(self, parameters: Tensor) -> Tensor:
        return parameters


def test_a_likelihood_gets_fp32_whatever_the_decoder_computes_in() -> None:
    from gtk.plugins.losses import ELBOConfig

    model = Plain()
    trainer = toys.trainer(ELBO(ELBOConfig()), model)
    trainer.learner.use(BF16)
    trainer.train_step(torch.arange(10))
    assert model.kinds == {torch.float32}


@pytest.mark.parametrize(
    ("loss", "options"),
    [("minimax", {"r1": 1.0}), ("wasserstein-gp", {"critic_steps": 1}), ("hinge", {})],
)
def test_penalties_leave_autocast_and_scores_are_fp32(
    loss: str, options: dict[str, Any], bf16: None, no_pictures: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from gtk.plugins.gan.model import AdversarialNetworks

    seen = set()
    discriminate = AdversarialNetworks.discriminate

    def noted(self: AdversarialNetworks, images: Tensor, condition: Tensor | None) -> Tensor:
        differentiated = images.is_leaf and images.requires_grad
        seen.add((differentiated, torch.is_autocast_enabled("cpu")))
        return discriminate(self, images, condition)

    monkeypatch.setattr(AdversarialNetworks, "discriminate", noted)
    run = gtk.train(
        **{**SMALL, "network": "mlp", "hidden_dims": (8,), "discriminator_normalization": "none"},
        precision="bf16", loss=loss, **options,
    )  # fmt: skip
    trained = {pair for pair in seen if pair != (False, False)}  # without what is evaluated
    assert trained == {(False, True)} | ({(True, False)} if options else set())
    assert run.document["train"]["precision"] == "bf16"


def test_a_device_without_bf16_refuses_it_and_writes_nothing(
    fp32_only: None, tmp_path: Any
) -> None:
    with pytest.raises(InvalidValue, match="precision='bf16' needs a CPU with .* 'cpu' is none"):
        gtk.train(**SMALL, precision="bf16", device="cpu")
    assert not list(tmp_path.iterdir())


def test_a_run_in_bf16_goes_on_where_there_is_none(
    bf16: None, no_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = gtk.train(**SMALL, precision="bf16", device="cpu")
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    notes = []

    class Listen:
        @gtk.hookimpl
        def gtk_note(self, note: str) -> None:
            notes.append(note)

    again = gtk.train(resume=run.path, epochs=2, quiet=True, callbacks=[Listen()])
    assert again.document["train"]["precision"] == "bf16"
    assert notes == ["the run is in bf16, which this device lacks, so that it is slow here"]


def test_a_run_of_an_older_version_goes_on_in_fp32(no_pictures: None) -> None:
    run = gtk.train(**SMALL)
    for name in ("precision", "memory_format", "deterministic"):
        del run.document["train"][name]
    del run.document["trial"]
    write_json(run.path / "run.json", run.document)
    assert Arithmetic.of_run(gtk.load(run.path)) == Arithmetic("fp32", "contiguous", 1)
    again = gtk.train(resume=run.path, epochs=2, quiet=True)
    assert again.document["train"]["precision"] == "fp32"
    repeated = gtk.train(recipe=run.path / "run.json", quiet=True)
    assert repeated.document["train"]["memory_format"] == "contiguous"


def test_deterministic_algorithms_are_used_and_put_back(no_pictures: None) -> None:
    seen = []

    class Watched:
        @gtk.hookimpl
        def gtk_step_end(self) -> None:
            seen.append(torch.are_deterministic_algorithms_enabled())

    run = gtk.train(**SMALL, deterministic=True, callbacks=[Watched()])
    assert seen
    assert all(seen)
    assert not torch.are_deterministic_algorithms_enabled()
    assert run.document["train"]["deterministic"] is True
    seen.clear()
    gtk.train(resume=run.path, epochs=2, quiet=True, callbacks=[Watched()])
    assert all(seen)


def test_an_operation_without_a_deterministic_algorithm_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    def put(self: Learner, *_: object) -> None:
        torch.zeros(2).put_(torch.tensor([0]), torch.ones(1))

    monkeypatch.setattr(Learner, "learn", put)
    with pytest.raises(InvalidValue, match="^put_ has no deterministic algorithm here, so leave"):
        gtk.train(**SMALL, deterministic=True)
    assert not torch.are_deterministic_algorithms_enabled()
    assert not list((tmp_path / "runs").iterdir())


def test_a_gpu_needs_a_workspace_to_be_deterministic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with pytest.raises(InvalidValue, match="variable CUBLAS_WORKSPACE_CONFIG=:4096:8 before"):
        check_deterministic(torch.device("cuda"))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    check_deterministic(torch.device("cuda"))


@pytest.mark.parametrize("chosen", ["none", "ieee", "tf32"])
def test_tf32_is_off_inside_and_as_before_afterwards(chosen: str) -> None:
    backends: Any = torch.backends
    operations = [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn]
    older = [backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32]
    usual = [operation.fp32_precision for operation in operations]
    assert usual == ["none", "tf32", "tf32"]
    try:
        # As torch recommends; then the older `allow_tf32` cannot be read any more.
        backends.cuda.matmul.fp32_precision = backends.cudnn.rnn.fp32_precision = chosen
        before = [operation.fp32_precision for operation in operations]
        with without_tf32(torch.device("cuda")):
            assert [operation.fp32_precision for operation in operations] == ["ieee"] * 3
        assert [operation.fp32_precision for operation in operations] == before
    finally:
        for operation, precision in zip(operations, usual, strict=True):
            operation.fp32_precision = precision
    assert [backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32] == older
    with without_tf32(torch.device("cpu")):
        assert [operation.fp32_precision for operation in operations] == usual


def test_the_model_s_weights_stay_in_their_memory_while_callbacks_have_it() -> None:
    torch.manual_seed(0)
    learner = toys.trainer(network=Convolutional()).learner
    learner.use(Arithmetic("fp32", "channels-last", 1))
    (weight, *_) = parameters = list(learner.published.parameters())

    def memory() -> list[Any]:
        return [(one.data_ptr(), one.stride()) for one in parameters]

    before, values = memory(), [one.detach().clone() for one in parameters]
    assert not weight.is_contiguous()
    with learner.as_loaded() as model:
        assert all(one.is_contiguous() for one in model.parameters())
        assert all(map(torch.equal, model.parameters(), values))
        weight.data[0] += 1  # what a callback does to the weights stays
    assert memory() == before
    values[0][0] += 1
    assert all(map(torch.equal, parameters, values))


class Convolutional(toys.TwoParts):
    """The toys with a convolution in front."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--precision", "fp8"], "--precision"),
        (["--memory-format", "nhwc"], "--memory-format"),
        (["--precision", "fp16"], "--precision"),
    ],
)
def test_an_unknown_choice_is_a_line(arguments: list[str], words: str, tmp_path: Any) -> None:
    result = processes.python(processes.command("train", "--plugin", "vae", *arguments))
    assert result.returncode == 2
    assert words in result.stderr
    assert not list(tmp_path.iterdir())
