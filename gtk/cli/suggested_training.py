"""The training that `gtk data` suggests: a recipe and options, by the size and number of images."""

import math
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gtk.core.registry.train_request import TrainRequest
from gtk.core.settings.recipe import Recipe
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import GtkError
from gtk.core.values.setting import setting
from gtk.defaults import find_recipe


@dataclass(frozen=True)
class Kind:
    """A kind of images.

    Attributes:
        recipe: what draws it best.
        images: how many images the recipe's epochs are for: of more, it takes fewer.
        why: it does.
    """

    recipe: str
    images: int
    why: str


TINY = Kind("flow-digits", 1_440, "fully connected layers suit images of a few pixels")
GREY = Kind("flow-mnist", 60_000, "a U-Net suits small grey images")
COLOUR = Kind("flow-cifar10", 50_000, "a U-Net suits small colour images")
PHOTOS = Kind("flow-photos", 2_000, "a U-Net suits photographs")

#: The most values of a tiny image, and the longest side of a small one.
TINY_VALUES, SMALL_SIDE = 256, 48
#: The longest side of the images that `PHOTOS` is for.
PHOTO_SIDE = 64
#: Fewer images than these are few for `PHOTOS` and the like.
FEW = 300
#: The most epochs: with more, images are learned by heart.
MOST_EPOCHS = 500


@dataclass(frozen=True)
class SuggestedTraining:
    """A recipe with options.

    Attributes:
        spec: of the images as they are trained on.
        epochs: of the recipe with these options.
        options: of `gtk train` by name, where they differ from the recipe.
        why: it is suggested, in a line.
    """

    recipe: str
    spec: DataSpec
    epochs: int
    options: Mapping[str, Any]
    why: str


def kind_of(spec: DataSpec) -> Kind:
    """Return the kind of a data set's images."""
    if math.prod(spec.image_shape) <= TINY_VALUES:
        return TINY
    if max(spec.height, spec.width) > SMALL_SIDE:
        return PHOTOS
    return GREY if spec.channels == 1 else COLOUR


def suggest(spec: DataSpec, count: int, *, resizable: bool) -> SuggestedTraining:
    """Choose a training for `count` images, which can be scaled down if they are `resizable`."""
    kind = kind_of(spec)
    recipe, reasons = find_recipe(kind.recipe), [kind.why]
    options = _conditioner(spec, recipe)
    if resizable and max(spec.height, spec.width) > PHOTO_SIDE:
        spec = _scaled_down(spec)
        options["image_size"] = tuple(dict.fromkeys((spec.height, spec.width)))
        reasons.append(f"at more than {PHOTO_SIDE} pixels a side it takes far longer")
    own = recipe.options("train")
    epochs = min(max(1, round(own["epochs"] * kind.images / count)), MOST_EPOCHS)
    options |= {} if epochs == own["epochs"] else {"epochs": epochs}
    options |= {"batch_size": count} if count < own.get("batch_size", 0) else {}
    if count < FEW:
        reasons.append(f"of fewer than {FEW} images the pictures are close variations")
    elif epochs == 1:
        reasons.append("Ctrl-C ends it early and keeps what was learned")
    return SuggestedTraining(kind.recipe, spec, epochs, options, "; ".join(reasons))


def _conditioner(spec: DataSpec, recipe: Recipe) -> dict[str, Any]:
    """Return the conditioner that the images need, if it is not the recipe's own.

    Without a condition there is nothing to guide to.
    """
    own = recipe.plugin("conditioner")
    if spec.condition is not None:
        return {"conditioner": "film"} if own == "unconditional" else {}
    unguided = {"guidance": 1} if "guidance" in recipe.options("sampler") else {}
    return {} if own == "unconditional" else {"conditioner": "unconditional", **unguided}


def _scaled_down(spec: DataSpec) -> DataSpec:
    """Return the description of the images when the longer side is `PHOTO_SIDE`."""
    scale = PHOTO_SIDE / max(spec.height, spec.width)
    height, width = (max(1, round(side * scale)) for side in (spec.height, spec.width))
    return replace(spec, height=height, width=width)


def command(suggested: SuggestedTraining, reference: str, given: Mapping[str, Any]) -> str:
    """Return the command, with the data set's `reference` and the options `given` for it."""
    words = ["gtk", "train", "--recipe", suggested.recipe, "--data", reference]
    options = {**given, **suggested.options}
    return " ".join([shlex.join(words), *(setting(*item) for item in _typed(options))])


def expected_time(
    suggested: SuggestedTraining, count: int, reference: str, given: Mapping[str, Any]
) -> tuple[float, str] | None:
    """Measure about how many seconds the training takes here, and in which precision.

    `count` is the number of images; the others are as of `command`. None if it cannot be measured.
    """
    from gtk.core.training.speed import measured_rates
    from gtk.train_function import choose

    options = {**given, **suggested.options}
    named = {name: options.pop(name, None) for name in ("conditioner", "data_root")}
    request = TrainRequest(recipe=suggested.recipe, data=reference, options=options, **named)
    try:
        settings = choose(request).settle(request.options, request.data_root)
        rates = measured_rates(settings, suggested.spec, count)
    except GtkError:  # the training itself will say what does not fit
        return None
    if not rates:
        return None
    fastest, rate = max(rates.items(), key=lambda item: item[1])
    return count * suggested.epochs / rate, fastest.precision


def _typed(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield options as they are typed: the numbers of a tuple with commas between."""
    for name, value in options.items():
        yield name, ",".join(map(str, value)) if isinstance(value, tuple) else value
