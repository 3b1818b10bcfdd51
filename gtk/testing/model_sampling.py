"""The checks of a model that sample it or export it."""

import torch
from torch import Tensor

from gtk.exports.examples import example_inputs
from gtk.exports.loaded_part import LoadedModel
from gtk.exports.onnx import export_all
from gtk.exports.proof import expected
from gtk.testing.check import Check, CheckFailed, Specimen, needs
from gtk.testing.model_case import COUNT, ModelCase, create_run, for_each_case
from gtk.testing.model_training import check_finite_weights
from gtk.testing.weights import differing, listed, same_bits, weights_of

#: How far images may differ between batches of different sizes, which round sums differently.
ROUNDING = 1e-3


@needs(check_finite_weights)
def check_samples(specimen: Specimen) -> None:
    """Samples are finite float32 images of the data's shape."""
    for_each_case(specimen, _samples)


def _samples(case: ModelCase) -> None:
    name, shape = type(case.model).__name__, case.dataset.spec.image_shape
    for count in (COUNT, 1):
        images: object = case.draw(count)
        if not isinstance(images, Tensor):
            raise CheckFailed(
                f"sample() of {name} returns {type(images).__name__}: return a tensor"
            )
        if tuple(images.shape) != (count, *shape):
            raise CheckFailed(
                f"sample() of {name} returns {tuple(images.shape)} for {count} rows of noise: "
                f"return (B, *data_spec.image_shape), here {(count, *shape)}"
            )
        if images.dtype != torch.float32:
            raise CheckFailed(f"sample() of {name} returns {images.dtype}: return float32")
        if not images.isfinite().all():
            raise CheckFailed(
                f"sample() of {name} returns pixels that are not finite: look for log(0) and 1/0"
            )


@needs(check_samples)
def check_pixels(specimen: Specimen) -> None:
    """Samples have pixels in 0..1."""
    for_each_case(specimen, _pixels)


def _pixels(case: ModelCase) -> None:
    images = case.draw()
    low, high = images.min().item(), images.max().item()
    if low < 0 or high > 1:
        raise CheckFailed(
            f"sample() of {type(case.model).__name__} returns pixels in {low:.3g}..{high:.3g}: map "
            "them to 0..1, with torch.sigmoid for instance, or (x + 1) / 2 after tanh"
        )


@needs(check_samples)
def check_pure_samples(specimen: Specimen) -> None:
    """Sampling is a pure function of each row of noise and its condition."""
    for_each_case(specimen, _pure_samples)


def _pure_samples(case: ModelCase) -> None:
    model, name = case.model, type(case.model).__name__
    before, noise, condition = weights_of(model), case.noise(COUNT), case.conditions(COUNT)
    given = noise.clone(), None if condition is None else condition.clone()
    images = case.draw(noise=noise, condition=condition)
    changed = differing(before, weights_of(model))
    if changed:
        raise CheckFailed(
            f"sampling changes {listed(changed)} of {name}: change weights and buffers only in "
            "training, by gradients or in after_update()"
        )
    if not torch.equal(noise, given[0]) or (
        condition is not None and given[1] is not None and not torch.equal(condition, given[1])
    ):
        raise CheckFailed(
            f"sample() of {name} changes its noise or condition in place: work on a copy"
        )
    if not same_bits(images, case.draw(global_seed=1)):
        raise CheckFailed(
            f"sample() of {name} returns other images for the same noise and condition: take all "
            "random numbers from its noise"
        )
    apart = [
        case.draw(noise=noise[rows], condition=None if condition is None else condition[rows])
        for rows in (slice(0, 1), slice(1, 6), slice(6, COUNT))
    ]
    if (torch.cat(apart) - images).abs().max() > ROUNDING:
        raise CheckFailed(
            f"an image of {name} depends on the others of its batch: compute each row by itself, "
            "without means over the batch (batch normalization in eval mode is fine)"
        )


@needs(check_samples)
def check_noise_matters(specimen: Specimen) -> None:
    """Different noise gives different images."""
    for_each_case(specimen, _noise_matters)


def _noise_matters(case: ModelCase) -> None:
    condition = case.conditions(1)
    if condition is not None:
        condition = condition.expand(COUNT, *condition.shape[1:])
    images = case.draw(noise=case.noise(COUNT), condition=condition)
    if (images == images[:1]).all():
        raise CheckFailed(
            f"sample() of {type(case.model).__name__} returns the same image for all noise: use "
            "the noise, or look where the network's output has become constant"
        )


@needs(check_samples)
def check_condition_matters(specimen: Specimen) -> None:
    """With the same noise, different conditions give different images."""
    for_each_case(specimen, _condition_matters)


def _condition_matters(case: ModelCase) -> None:
    spec = case.model.condition
    if spec is None:
        return
    examples = torch.from_numpy(spec.examples())
    # Several rows of noise for each: where a model picks codes, as a VQ-VAE does, another condition
    # changes only some of the images.
    noise = case.noise(COUNT)
    images = [
        case.draw(noise=noise, condition=example.expand(COUNT, *example.shape).clone())
        for example in examples
    ]
    names = spec.example_names()
    for number, image in enumerate(images):
        for other in range(number):
            if torch.equal(image, images[other]):
                raise CheckFailed(
                    f"sample() of {type(case.model).__name__} returns the same images for "
                    f"{names[other]} and {names[number]}: pass the condition to the layers that "
                    "the conditioner made"
                )


@needs(check_samples)
def check_export(specimen: Specimen) -> None:
    """Every part for export can be translated to ONNX, with the outputs of PyTorch."""
    for_each_case(specimen, lambda case: _export(specimen, case))


def _export(specimen: Specimen, case: ModelCase) -> None:
    run = create_run(specimen, case, "trained")
    run.checkpoints.save(case.trained.state(run, None))
    if not case.name:
        export_all(run, dry_run=True)
        return
    # Without a condition the parts are the same modules, and translating each takes seconds, so
    # only the shapes of their outputs are checked.
    for subject in LoadedModel(run, run.checkpoints.choose(None)).parts.values():
        inputs = example_inputs(subject, 2)
        with subject.blamed("its module"), torch.no_grad():
            given = subject.part.module.eval()(*(torch.from_numpy(value) for value in inputs))
        found = [given] if isinstance(given, Tensor) else list(given)
        wanted = expected(subject, inputs)
        if [tuple(item.shape) for item in found] != [item.shape for item in wanted]:
            raise CheckFailed(
                f"{subject} returns {[tuple(item.shape) for item in found]} instead of "
                f"{[item.shape for item in wanted]}: let its module compute what its reference does"
            )


SAMPLING_CHECKS: tuple[Check, ...] = (
    check_samples,
    check_pixels,
    check_pure_samples,
    check_noise_matters,
    check_condition_matters,
    check_export,
)
