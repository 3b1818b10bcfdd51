"""Checks of a model: what it draws, and that it can be exported."""

import torch
from torch import Tensor

from gtk.exports.examples import example_inputs
from gtk.exports.loaded_part import LoadedModel
from gtk.exports.onnx import export_all
from gtk.exports.proof import expected
from gtk.testing.check import Check, CheckFailed, Specimen, needs
from gtk.testing.model_case import COUNT, Trial, create_run, for_each_trial
from gtk.testing.model_training import check_finite_weights
from gtk.testing.weights import differing, listed, same_bits, weights_of

#: How far images may differ that were drawn in batches of another size: sums are rounded.
ROUNDING = 1e-3


@needs(check_finite_weights)
def check_samples(specimen: Specimen) -> None:
    """Samples are finite float32 images of the data's shape."""
    for_each_trial(specimen, _samples)


def _samples(trial: Trial) -> None:
    name, shape = type(trial.model).__name__, trial.dataset.spec.image_shape
    for count in (COUNT, 1):
        images: object = trial.draw(count)
        if not isinstance(images, Tensor):
            raise CheckFailed(f"sample() of {name} gives {type(images).__name__}, not a tensor")
        if tuple(images.shape) != (count, *shape):
            raise CheckFailed(
                f"sample() of {name} gives {tuple(images.shape)} for {count} rows of noise: images "
                f"of {trial.dataset.spec.name} are {(count, *shape)}, (B, *data_spec.image_shape)"
            )
        if images.dtype != torch.float32:
            raise CheckFailed(f"sample() of {name} gives {images.dtype}: give float32")
        if not images.isfinite().all():
            raise CheckFailed(
                f"sample() of {name} gives pixels that are not finite: look for log(0) and 1/0"
            )


@needs(check_samples)
def check_pixels(specimen: Specimen) -> None:
    """Samples have pixels in 0..1."""
    for_each_trial(specimen, _pixels)


def _pixels(trial: Trial) -> None:
    images = trial.draw()
    low, high = images.min().item(), images.max().item()
    if low < 0 or high > 1:
        raise CheckFailed(
            f"sample() of {type(trial.model).__name__} gives pixels in {low:.3g}..{high:.3g}: map "
            "them to 0..1, with torch.sigmoid for instance, or (x + 1) / 2 after tanh"
        )


@needs(check_samples)
def check_pure_samples(specimen: Specimen) -> None:
    """Sampling draws nothing and changes nothing; an image does not depend on its batch."""
    for_each_trial(specimen, _pure_samples)


def _pure_samples(trial: Trial) -> None:
    model, name = trial.model, type(trial.model).__name__
    before, noise, condition = weights_of(model), trial.noise(COUNT), trial.conditions(COUNT)
    given = noise.clone(), None if condition is None else condition.clone()
    images = trial.draw(noise=noise, condition=condition)
    changed = differing(before, weights_of(model))
    if changed:
        raise CheckFailed(
            f"sampling changes {listed(changed)} of {name}: what a model learns, it learns in "
            "training, by gradients or in after_update()"
        )
    if not torch.equal(noise, given[0]) or (
        condition is not None and given[1] is not None and not torch.equal(condition, given[1])
    ):
        raise CheckFailed(
            f"sample() of {name} writes to the noise or condition that it is given: work on a copy"
        )
    if not same_bits(images, trial.draw(global_seed=1)):
        raise CheckFailed(
            f"sample() of {name} gives other images for the same noise and condition: let it draw "
            "nothing; what is drawn, it takes from the noise"
        )
    apart = [
        trial.draw(noise=noise[rows], condition=None if condition is None else condition[rows])
        for rows in (slice(0, 1), slice(1, 6), slice(6, COUNT))
    ]
    if (torch.cat(apart) - images).abs().max() > ROUNDING:
        raise CheckFailed(
            f"an image of {name} depends on the others of its batch: compute each row by itself, "
            "without means over the batch (batch normalization in eval mode has none)"
        )


@needs(check_samples)
def check_noise_matters(specimen: Specimen) -> None:
    """Other noise gives other images."""
    for_each_trial(specimen, _noise_matters)


def _noise_matters(trial: Trial) -> None:
    condition = trial.conditions(1)
    if condition is not None:
        condition = condition.expand(COUNT, *condition.shape[1:])
    images = trial.draw(noise=trial.noise(COUNT), condition=condition)
    if (images == images[:1]).all():
        raise CheckFailed(
            f"sample() of {type(trial.model).__name__} gives the same image for all noise: make it "
            "of the noise, or look where its network has come to give the same for everything"
        )


@needs(check_samples)
def check_condition_matters(specimen: Specimen) -> None:
    """With the same noise each condition has images of its own."""
    for_each_trial(specimen, _condition_matters)


def _condition_matters(trial: Trial) -> None:
    spec = trial.model.condition
    if spec is None:
        return
    examples = torch.from_numpy(spec.examples())
    # Some noise each: where codes are chosen, another condition need not change every choice.
    noise = trial.noise(COUNT)
    images = [
        trial.draw(noise=noise, condition=example.expand(COUNT, *example.shape).clone())
        for example in examples
    ]
    names = spec.example_names()
    for number, image in enumerate(images):
        for other in range(number):
            if torch.equal(image, images[other]):
                raise CheckFailed(
                    f"sample() of {type(trial.model).__name__} gives the same images for "
                    f"{names[other]} and {names[number]}: hand the condition to the layers that "
                    "the conditioner has made"
                )


@needs(check_samples)
def check_export(specimen: Specimen) -> None:
    """Every part for export is translated to ONNX and equals PyTorch at several batch sizes."""
    for_each_trial(specimen, lambda trial: _export(specimen, trial))


def _export(specimen: Specimen, trial: Trial) -> None:
    run = create_run(specimen, trial, "trained")
    run.checkpoints.save(trial.trained.state(run, None))
    if not trial.name:
        export_all(run, dry_run=True)
        return
    # Without a condition the parts are the same modules, and translating each takes seconds: that
    # they take and give what they should is enough.
    for subject in LoadedModel(run, run.checkpoints.choose(None)).parts.values():
        inputs = example_inputs(subject, 2)
        with subject.blamed("its module"), torch.no_grad():
            given = subject.part.module.eval()(*(torch.from_numpy(value) for value in inputs))
        found = [given] if isinstance(given, Tensor) else list(given)
        wanted = expected(subject, inputs)
        if [tuple(item.shape) for item in found] != [item.shape for item in wanted]:
            raise CheckFailed(
                f"{subject} gives {[tuple(item.shape) for item in found]}, and it should give "
                f"{[item.shape for item in wanted]}: let its module do what its reference does"
            )


SAMPLING_CHECKS: tuple[Check, ...] = (
    check_samples,
    check_pixels,
    check_pure_samples,
    check_noise_matters,
    check_condition_matters,
    check_export,
)
