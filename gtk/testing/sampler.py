"""The checks of a sampler, with a model that it is for."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gtk.core.contracts.model import Model
from gtk.core.contracts.sampler import Sampler
from gtk.core.models.build import build, build_sampler
from gtk.core.models.sampler_fit import fit
from gtk.core.models.sampling import draw_noise
from gtk.core.registry.options import make_config
from gtk.core.settings.choice import Settings
from gtk.core.storage.run import Run
from gtk.core.storage.run_document import new_document
from gtk.core.training.trainer import Trainer
from gtk.core.values.dataset import Dataset
from gtk.exports.onnx import export
from gtk.testing.check import CheckFailed, Specimen, checks_in, for_each, needs
from gtk.testing.process_state import seeded_generators
from gtk.testing.replayed_step import CPU
from gtk.testing.small_model import SmallModel, expect_protocol, make_for_each_family
from gtk.testing.weights import differing, listed, same_bits, weights_of

COUNT = 6
#: How far images may differ between batches of different sizes, which round sums differently.
ROUNDING = 1e-3


@dataclass(frozen=True)
class SamplerCase:
    """A sampler of an untrained model."""

    settings: Settings
    dataset: Dataset
    sampler: Sampler[Any]

    @property
    def title(self) -> str:
        """Which model it draws from, for messages."""
        return f"with model {self.settings.choice.model.spec.name!r}"

    @property
    def model(self) -> Model:
        """The model."""
        model: Model = self.sampler.model
        return model

    def fit(self, seed: int = 0) -> None:
        """Fit the sampler to all training images, with torch's generator in some state."""
        rows = torch.arange(len(self.dataset.train))
        with seeded_generators(seed):
            fit(self.sampler, self.dataset.train, rows, 0)

    def inputs(self, count: int = COUNT) -> list[Tensor | None]:
        """Return noise of each name, and the condition or None."""
        noise = draw_noise(self.sampler, count, 0)
        condition = self.model.condition
        rows = None if condition is None else torch.from_numpy(condition.cycle(count))
        return [*map(torch.from_numpy, noise.values()), rows]

    def draw(self, inputs: list[Tensor | None], seed: int = 0) -> Tensor:
        """Draw from these inputs, without gradients."""
        with seeded_generators(seed), torch.no_grad():
            *noise, condition = inputs
            images: Tensor = self.sampler.module()(*noise, condition=condition)
            return images


def sampler_cases(specimen: Specimen) -> list[SamplerCase]:
    """Return a small model of each family that the sampler is for, made once for all checks."""
    return specimen.once("cases", lambda: _choose(specimen))


def _choose(specimen: Specimen) -> list[SamplerCase]:
    plugin = specimen.plugin
    config = make_config(plugin.spec.config, specimen.options, f"sampler {plugin.spec.name!r}")

    def make(small: SmallModel) -> SamplerCase:
        sampler = build_sampler(plugin, config, small.model)
        case = SamplerCase(small.settings, small.dataset, sampler)
        case.fit()
        return case

    found, refused = make_for_each_family(specimen, make)
    if not found:
        raise CheckFailed(refused)
    return found


with_each_model = for_each(sampler_cases)


def check_described(specimen: Specimen) -> None:
    """It is a `gtk.Sampler` that names what it requires of a model."""
    target: Any = specimen.plugin.spec.resolve()
    if not (isinstance(target, type) and issubclass(target, Sampler)):
        raise CheckFailed(f"its target {target!r:.60} is not a gtk.Sampler: derive it from one")
    expect_protocol(getattr(target, "requires", None), "gtk.SampledModel")


@needs(check_described)
@with_each_model
def check_model(_: Specimen, case: SamplerCase) -> None:
    """An installed model can be drawn from with it, and it says by how many evaluations."""
    sampler = case.sampler
    if next(iter(sampler.noise), None) != "z":
        raise CheckFailed('its noise does not begin with "z": it is what interpolation moves')
    evaluations: Any = sampler.evaluations
    if not isinstance(evaluations, int) or evaluations < 1:
        raise CheckFailed(f"its evaluations is {evaluations!r}: set it to a whole number above 0")


@needs(check_model)
@with_each_model
def check_images(_: Specimen, case: SamplerCase) -> None:
    """It draws finite float32 images of the data's shape, in 0..1."""
    shape = case.dataset.spec.image_shape
    for count in (COUNT, 1):
        images: Any = case.draw(case.inputs(count))
        if not isinstance(images, Tensor) or images.shape != (count, *shape):
            found = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
            raise CheckFailed(f"its module returns {found} for {count} rows: return {shape} each")
        if images.dtype != torch.float32 or not images.isfinite().all():
            raise CheckFailed("its module returns other than finite float32 pixels")
        if images.min() < 0 or images.max() > 1:
            low, high = images.min().item(), images.max().item()
            raise CheckFailed(f"its pixels are in {low:.3g}..{high:.3g}: return 0..1")


@needs(check_images)
@with_each_model
def check_pure(_: Specimen, case: SamplerCase) -> None:
    """Drawing is a pure function of each row of noise and its condition."""
    inputs, before = case.inputs(), weights_of(case.model)
    given = [None if item is None else item.clone() for item in inputs]
    images = case.draw(inputs)
    changed = differing(before, weights_of(case.model))
    if changed:
        raise CheckFailed(f"drawing changes {listed(changed)} of the model: only read it")
    pairs = zip(given, inputs, strict=True)
    if not all(one is None or other is None or torch.equal(one, other) for one, other in pairs):
        raise CheckFailed("it changes its noise or condition in place: work on a copy")
    if not same_bits(images, case.draw(inputs, seed=1)):
        raise CheckFailed(
            "it draws other images from the same noise: name what it draws in `noise`, and take "
            "all random numbers from there"
        )
    parts = [slice(0, 1), slice(1, COUNT)]
    apart = [case.draw([None if it is None else it[part] for it in inputs]) for part in parts]
    if (torch.cat(apart) - images).abs().max() > ROUNDING:
        raise CheckFailed("an image depends on the others of its batch: compute each row by itself")


@needs(check_images)
@with_each_model
def check_noise_matters(_: Specimen, case: SamplerCase) -> None:
    """Different noise gives different images."""
    *noise, condition = case.inputs()
    alike = None if condition is None else condition[:1].expand_as(condition)
    images = case.draw([*noise, alike])
    if (images == images[:1]).all():
        raise CheckFailed("it draws the same image from all noise: let z decide")


@needs(check_model)
@with_each_model
def check_fit(_: Specimen, case: SamplerCase) -> None:
    """What it learns is a pure function of the model and the training images."""
    before, learned = weights_of(case.model), dict(case.sampler.fitted)
    case.fit(seed=1)
    changed = differing(before, weights_of(case.model))
    if changed:
        raise CheckFailed(f"its fit changes {listed(changed)} of the model: only read it")
    changed = differing(learned, case.sampler.fitted)
    if changed:
        raise CheckFailed(
            f"fitted again to the same images, it learns another {listed(changed)}: take all "
            "random numbers from a generator with a fixed seed, such as "
            "numpy.random.default_rng(0)"
        )


@needs(check_pure)
@with_each_model
def check_export(specimen: Specimen, case: SamplerCase) -> None:
    """A run of the model can be exported with it, and the file agrees with PyTorch."""
    model, loss = build(case.settings, case.dataset.spec)
    trainer = Trainer(model, loss, case.dataset, case.settings.train, CPU)
    document = new_document(case.settings, case.dataset, "cpu", 1, {})
    folder = specimen.folder / f"drawn-{case.settings.choice.model.spec.name}"
    run = Run.create(folder, document)
    run.checkpoints.save(trainer.state(run, None))
    name = specimen.plugin.installed
    export(
        run, dry_run=True, sampler=f"{name.package}/{name.name}", sampler_options=specimen.options
    )


CHECKS = checks_in(globals())
