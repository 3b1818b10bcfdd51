"""Draw images from a model: noise from numpy, in image order."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gtk.core.contracts.iteration import Iteration
from gtk.core.contracts.model import SampledModel
from gtk.core.contracts.sampler import Sampler
from gtk.core.models.device import synchronize
from gtk.core.models.freed_memory import kept_freed_memory
from gtk.core.models.loss_networks import eval_mode
from gtk.core.models.tf32 import without_tf32
from gtk.core.registry.installed import describe
from gtk.core.values.errors import InvalidValue, PluginError
from gtk.core.values.noise import NoiseRows, NoiseSpec, draw_ports, other_rows
from gtk.core.values.request import check_at_least
from gtk.core.values.tracking import is_heard, track

logger = logging.getLogger("gtk")

#: How far pixels may be outside 0..1: rounded to 255 levels they are the same.
TOLERANCE = 0.5 / 255
#: The models with a warning, since a training draws from the same model many times.
_warned: "WeakSet[nn.Module]" = WeakSet()


def sample(
    sampler: Sampler[Any],
    *,
    labels: NDArray[Any] | None,
    count: int,
    seed: int,
    batch_size: int,
    device: torch.device,
) -> NDArray[np.uint8]:
    """Draw images: (count, H, W) if grey, (count, H, W, C) in colour, uint8.

    The images are the same, to one level in 255, for every batch size and device, and from the
    exported file.

    Raises:
        InvalidValue: a batch size or seed out of range.
    """
    check_at_least("batch_size", batch_size, 1)
    check_at_least("seed", seed, 0)
    first, others = sampler.noise["z"].draw(count, seed), other_rows(sampler.noise, count, seed)
    noise: dict[str, NDArray[np.float32] | NoiseRows] = {"z": first, **others}
    return generate(sampler, noise, labels=labels, batch_size=batch_size, device=device)


def draw_noise(sampler: Sampler[Any], count: int, seed: int) -> dict[str, NDArray[np.float32]]:
    """Draw all noise that a sampler takes for `count` images, as `draw_ports` does."""
    return draw_ports(sampler.noise, count, seed)


def generate(
    sampler: Sampler[Any],
    noise: Mapping[str, NDArray[np.float32] | NoiseRows],
    *,
    labels: NDArray[Any] | None,
    batch_size: int,
    device: torch.device,
) -> NDArray[np.uint8]:
    """Make images of given noise, as `generated` does, in one array."""
    batches = generated(sampler, noise, labels=labels, batch_size=batch_size, device=device)
    return np.concatenate([*batches])


@torch.no_grad()
def generated(
    sampler: Sampler[Any],
    noise: Mapping[str, NDArray[np.float32] | NoiseRows],
    *,
    labels: NDArray[Any] | None,
    batch_size: int,
    device: torch.device,
) -> Iterator[NDArray[np.uint8]]:
    """Yield images of given noise, a batch at a time: (B, H, W) if grey, (B, H, W, C) in colour.

    The noise is (N, *shape) for each name in `sampler.noise`, and the labels are encoded
    conditions. The model is on `device`, and its mode is restored. Steps are tracked, or batches
    where a draw is one pass.

    Raises:
        InvalidValue: a batch size out of range, or noise of another shape or not finite.
        PluginError: the sampler does not return an image for each row of noise.
    """
    check_at_least("batch_size", batch_size, 1)
    given = {name: _checked(spec, noise[name]) for name, spec in sampler.noise.items()}
    count = len(given["z"])
    check_at_least("count", count, 1)
    left = count
    with eval_mode(sampler.model), without_tf32(device):
        module, starts = sampler.module(), range(0, count, batch_size)
        steps = module.count if isinstance(module, Iteration) else 1
        passes = (
            images
            for start in starts
            for images in _passes(
                module, *_batch(given, labels, slice(start, start + batch_size), device)
            )
        )
        # One pass is over before it is worth it.
        memory = kept_freed_memory() if steps > 1 else nullcontext()
        with memory:
            for images in track(passes, "drawing", steps * len(starts)):
                if is_heard():
                    synchronize(device)  # so that who listens can tell how long a step takes
                for found in images:
                    size = min(batch_size, left)
                    left -= size
                    pixels = check_images(*_drawn_by(sampler), found, size).cpu().numpy()
                    _warn_of_range(sampler, pixels)
                    yield to_pixels(pixels)


def generate_states(
    sampler: Sampler[Any],
    noise: Mapping[str, NDArray[np.float32]],
    *,
    labels: NDArray[Any] | None,
    device: torch.device,
) -> list[NDArray[np.uint8]]:
    """Make the images before the first step of a draw and after each, as `generate` does the last.

    Those before the last are what the draw's `end` makes of a state in between.

    Raises:
        InvalidValue: the sampler takes no steps.
    """
    with eval_mode(sampler.model), torch.no_grad(), without_tf32(device):
        module = sampler.module()
        if not isinstance(module, Iteration):
            raise InvalidValue(
                "this sampler draws in one pass, so that there is nothing in between to "
                "show: leave --sampling out, or add --walk instead"
            )
        ports, condition = _batch(noise, labels, slice(None), device)
        states = module.states(*ports, condition=condition)
        drawn, count = _drawn_by(sampler), len(ports[0])
        return [
            to_pixels(check_images(*drawn, module.end(*state), count).cpu().numpy())
            for state in track(states, "drawing", module.count + 1)
        ]


def _checked(spec: NoiseSpec, rows: NDArray[np.float32] | NoiseRows) -> Any:  # noqa: ANN401 - as given
    """Return noise that has the shape of its spec."""
    return rows if isinstance(rows, NoiseRows) else spec.rows(rows, "noise", least=0)


def _batch(
    noise: Mapping[str, Any],
    labels: NDArray[Any] | None,
    rows: slice,
    device: torch.device,
) -> tuple[list[Tensor], Tensor | None]:
    """Return some rows of all noise and of the conditions, on a device."""
    ports = [torch.from_numpy(own[rows]).to(device) for own in noise.values()]
    return ports, None if labels is None else torch.from_numpy(labels[rows]).to(device)


def _passes(
    module: nn.Module, ports: list[Tensor], condition: Tensor | None
) -> Iterator[list[Tensor]]:
    """Yield after each step of a draw: nothing, and after the last the images."""
    if not isinstance(module, Iteration):
        yield [module(*ports, condition=condition)]
        return
    for done, state in enumerate(module.states(*ports, condition=condition)):
        if done:
            yield [module.end(*state)] if done == module.count else []


def _drawn_by(sampler: Sampler[Any]) -> tuple[object, str]:
    """Return what makes a sampler's images: the model's `sample`, or its own module."""
    direct = sampler.requires is SampledModel
    return (sampler.model, "sample") if direct else (sampler, "module")


def check_images(model: object, method: str, images: Any, count: int) -> Tensor:  # noqa: ANN401 - whatever it gives
    """Return what a model's method gives, if it is `count` images, (count, C, H, W).

    Raises:
        PluginError: it has another type or shape.
    """
    if not isinstance(images, Tensor):
        found = type(images).__name__
    elif images.dim() != 4 or len(images) != count:
        found = f"shape {tuple(images.shape)} where {count} images are asked for"
    else:
        return images
    raise PluginError(
        f"{method}() of {describe(model)} gives {found}: return images (B, C, H, W) in 0..1."
    )


def _warn_of_range(sampler: Sampler[Any], images: NDArray[np.float32]) -> None:
    """Warn, once for each model, about pixels outside 0..1."""
    model = sampler.model
    low, high = images.min(), images.max()
    if (low >= -TOLERANCE and high <= 1 + TOLERANCE) or model in _warned:  # false for NaN
        return
    _warned.add(model)
    blamed, method = _drawn_by(sampler)
    logger.warning(
        "%s() of %s gives %.2f..%.2f and pictures show 0..1, so they are cut off there: "
        "return 0..1",
        method, describe(blamed), low, high,
    )  # fmt: skip


def to_pixels(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Turn (N, C, H, W) in 0..1 into (N, H, W) if grey, else (N, H, W, C), uint8, rounded."""
    pixels = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
    return pixels[:, 0] if pixels.shape[1] == 1 else pixels.transpose(0, 2, 3, 1)
