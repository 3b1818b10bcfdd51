"""The checks of a model that sample it or export it."""

from itertools import combinations

import torch
from torch import Tensor

from gtk.exports.loaded_part import LoadedModel
from gtk.exports.onnx import export_all
from gtk.exports.reference import expected
from gtk.testing.check import CheckFailed, checks_in
from gtk.testing.model_case import COUNT, ModelCase, model_check
from gtk.testing.model_training import check_finite_weights
from gtk.testing.weights import differing, listed, same_bits, weights_of

#: How far images may differ between batches of different sizes, which round sums differently.
ROUNDING = 1e-3


@model_check(check_finite_weights)
def check_samples(case: ModelCase) -> None:
    """Samples are finite float32 images of the data's shape."""
    name, shape = case.class_name, case.dataset.spec.image_shape
    for count in (COUNT, 1):
        images: object = case.draw(case.inputs(count))
        if not isinstance(images, Tensor):
            remedy = "return a tensor"
            raise CheckFailed(f"sample() of {name} returns {type(images).__name__}: {remedy}")
        if tuple(images.shape) != (count, *shape):
            raise CheckFailed(
                f"sample() of {name} returns {tuple(images.shape)} for {count} rows of noise: "
                f"return (B, *data_spec.image_shape), here {(count, *shape)}"
            )
        if images.dtype != torch.float32:
            raise CheckFailed(f"sample() of {name} returns {images.dtype}: return float32")
        if not images.isfinite().all():
            remedy = "look for log(0) and 1/0"
            raise CheckFailed(f"sample() of {name} returns pixels that are not finite: {remedy}")


@model_check(check_samples)
def check_pixels(case: ModelCase) -> None:
    """Samples have pixels in 0..1."""
    images = case.draw()
    low, high = images.min().item(), images.max().item()
    if low < 0 or high > 1:
        pixels = f"pixels in {low:.3g}..{high:.3g}"
        remedy = "map them to 0..1, as with torch.sigmoid, or (x + 1) / 2 after tanh"
        raise CheckFailed(f"sample() of {case.class_name} returns {pixels}: {remedy}")


@model_check(check_samples)
def check_pure_samples(case: ModelCase) -> None:
    """Sampling is a pure function of each row of noise and its condition."""
    model, name, inputs = case.model, case.class_name, case.inputs()
    before, given = weights_of(model), {key: rows.clone() for key, rows in inputs.items()}
    images = case.draw(inputs)
    changed = differing(before, weights_of(model))
    if changed:
        remedy = "change weights and buffers only in training, by gradients or in after_update()"
        raise CheckFailed(f"sampling changes {listed(changed)} of {name}: {remedy}")
    if differing(given, inputs):
        remedy = "work on a copy"
        raise CheckFailed(f"sample() of {name} changes its noise or condition in place: {remedy}")
    if not same_bits(images, case.draw(global_seed=1)):
        raise CheckFailed(
            f"sample() of {name} returns other images for the same noise and condition: take all "
            "random numbers from its noise"
        )
    apart = [
        case.draw({key: rows[part] for key, rows in inputs.items()})
        for part in (slice(0, 1), slice(1, 6), slice(6, COUNT))
    ]
    if (torch.cat(apart) - images).abs().max() > ROUNDING:
        raise CheckFailed(
            f"an image of {name} depends on the others of its batch: compute each row by itself, "
            "without means over the batch (batch normalization in eval mode is fine)"
        )


@model_check(check_samples)
def check_noise_matters(case: ModelCase) -> None:
    """Different noise gives different images."""
    inputs = case.inputs()
    if "condition" in inputs:
        inputs["condition"] = inputs["condition"][:1].expand_as(inputs["condition"])
    images = case.draw(inputs)
    if (images == images[:1]).all():
        remedy = "use the noise, or look where the network's output has become constant"
        raise CheckFailed(
            f"sample() of {case.class_name} returns the same image for all noise: {remedy}"
        )


@model_check(check_samples)
def check_condition_matters(case: ModelCase) -> None:
    """With the same noise, different conditions give different images."""
    spec = case.model.condition
    if spec is None:
        return
    # Several rows of noise for each example: where a model picks codes, as a VQ-VAE does, another
    # condition changes only some of the images.
    ports = {name: rows for name, rows in case.inputs().items() if name != "condition"}
    images = [
        case.draw({**ports, "condition": example.expand(COUNT, *example.shape).clone()})
        for example in torch.from_numpy(spec.examples())
    ]
    named = zip(spec.example_names(), images, strict=True)
    for (first, one), (second, other) in combinations(named, 2):
        if torch.equal(one, other):
            same = f"the same images for {first} and {second}"
            remedy = "pass the condition to the layers that the conditioner made"
            raise CheckFailed(f"sample() of {case.class_name} returns {same}: {remedy}")


@model_check(check_samples)
def check_export(case: ModelCase) -> None:
    """Every part for export can be translated to ONNX, with the outputs of PyTorch."""
    run = case.create_run("trained")
    run.checkpoints.save(case.trained.state(run, None))
    if not case.name:
        export_all(run, dry_run=True)
        return
    # Without a condition the parts are the same modules, and translating each takes seconds, so
    # only the shapes of their outputs are checked.
    for subject in LoadedModel(run, run.checkpoints.choose(None)).parts.values():
        inputs = [value.cases(2, 0) for value in subject.inputs.values()]
        module, tensors = subject.part.module.eval(), map(torch.from_numpy, inputs)
        found = subject.compute("its module", module, *tensors)
        wanted = expected(subject, inputs)
        if [tuple(item.shape) for item in found] != [item.shape for item in wanted]:
            raise CheckFailed(
                f"{subject} returns {[tuple(item.shape) for item in found]} instead of "
                f"{[item.shape for item in wanted]}: let its module compute what its reference does"
            )


CHECKS = checks_in(globals())
