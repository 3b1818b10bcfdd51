"""The checks of a metric, with random images and an untrained model where it requires one."""

import json
import math
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np

from gtk.core.contracts.metric import JudgedImages, Metric, Source
from gtk.core.values.errors import InvalidValue
from gtk.core.values.figure import Better, Figure, FigureSpec
from gtk.testing.check import (
    CheckFailed,
    Specimen,
    checks_in,
    error_line,
    for_each,
    needs,
    unchanged_process_state,
)
from gtk.testing.metric_case import OTHER_BATCHES, Figures, MetricCase, metric_cases
from gtk.testing.small_model import expect_protocol
from gtk.testing.weights import differing, listed, weights_of

#: How far a figure of other batches may be off, as a share of it: in float64, and where a model
#: computes in float32; and how far where it is about 0. Sums are rounded differently.
ROUNDING, MODEL_ROUNDING, NEAR_ZERO = 1e-6, 1e-4, 1e-9

with_each_case = for_each(metric_cases)


def check_described(specimen: Specimen) -> None:
    """It is a `gtk.Metric` that says what its figures are and what it needs for them."""
    target: Any = specimen.plugin.spec.resolve()
    if not (isinstance(target, type) and issubclass(target, Metric)):
        raise CheckFailed(f"its target {target!r:.60} is not a gtk.Metric: derive it from one")
    missing = sorted(getattr(target, "__abstractmethods__", ()))
    if missing:
        raise CheckFailed(f"{target.__name__} lacks {missing[0]}(): write it")
    _expect_described_figures(target)
    sources: Any = target.sources
    known = frozenset(get_args(Source))
    if not isinstance(sources, set | frozenset) or not sources or not sources <= known:
        names = ", ".join(map(repr, sorted(known)))
        raise CheckFailed(f"its sources are {sources!r:.60}: set them to a frozenset of {names}")
    for name in ("judged", "classified"):
        value: Any = getattr(target, name)
        if not isinstance(value, bool):
            raise CheckFailed(f"its {name} is {value!r:.40}: set it to True or False")
    if target.classified and not target.judged:
        raise CheckFailed("it is classified, by no judge: set judged to True, too")
    if target.requires is not None:
        expect_protocol(target.requires, "gtk.LatentVariableModel")


@needs(check_described)
def check_constructs(specimen: Specimen) -> None:
    """It can be made for the data, or refuses them with `gtk.InvalidValue`."""
    metric_cases(specimen)


@needs(check_constructs)
@with_each_case
def check_figures(_: Specimen, case: MetricCase) -> None:
    """It computes each of its figures, finite and within its interval, and no other."""
    metric, found = case.measure()
    _expect_sound(metric, found)


@needs(check_figures)
@with_each_case
def check_few_images(_: Specimen, case: MetricCase) -> None:
    """From one image of each source it computes finite figures, or raises `gtk.InvalidValue`."""
    metric = case.make()
    try:
        for images in case.images(counts=dict.fromkeys(case.sources, 1)):
            metric.update(images)
        found = metric.compute()
    except InvalidValue:
        return
    except Exception as error:
        raise CheckFailed(
            f"it fails for one image of each source ({error_line(error)}): raise gtk.InvalidValue "
            "where there are too few"
        ) from error
    _expect_sound(metric, found)


@needs(check_figures)
@with_each_case
def check_batches(_: Specimen, case: MetricCase) -> None:
    """How images are batched changes no figure."""
    figures, others = case.measure()[1], case.measure(case.images(OTHER_BATCHES))[1]
    rounding = ROUNDING if case.model is None else MODEL_ROUNDING
    for name, figure in figures.items():
        for part, value in _numbers(figure).items():
            other = _numbers(others[name]).get(part, math.nan)
            if not math.isclose(value, other, rel_tol=rounding, abs_tol=NEAR_ZERO):
                raise CheckFailed(
                    f"its figure {name!r} has the {part} {value:.9g}, and {other:.9g} where the "
                    "same images come in other batches: let update() gather or add up what "
                    "compute() needs of all images"
                )


@needs(check_figures)
@with_each_case
def check_reads_only(_: Specimen, case: MetricCase) -> None:
    """It leaves images, conditions, what the judge sees and the model unchanged."""
    batches, before = case.images(), case.images()
    weights = {} if case.model is None else weights_of(case.model)
    case.measure(batches)
    judged = case.judge is not None
    for given, wanted in zip(batches, before, strict=True):
        arrays = _arrays(wanted, judged=judged)
        for what, array in _arrays(given, judged=judged).items():
            if not np.array_equal(array, arrays[what]):
                raise CheckFailed(f"it changes the {what} in place: work on a copy")
    if case.model is None:
        return
    changed = differing(weights, weights_of(case.model))
    if changed:
        raise CheckFailed(f"it changes {listed(changed)} of the model: only read it")
    if any(module.training for module in case.model.modules()):
        raise CheckFailed("it sets the model to train mode: leave it in eval mode")


@needs(check_figures)
@with_each_case
def check_pure(_: Specimen, case: MetricCase) -> None:
    """The same images give the same figures, whatever was drawn before."""
    figures, again = case.measure()[1], case.measure(seed=1)[1]
    for name, figure in figures.items():
        if _numbers(figure) != _numbers(again[name]):
            raise CheckFailed(
                f"a second object gives another {name!r} for the same images: keep nothing outside "
                "the object, and take random numbers from a generator with a fixed seed, such as "
                "numpy.random.default_rng(0)"
            )


@needs(check_figures)
@with_each_case
def check_records(_: Specimen, case: MetricCase) -> None:
    """What its figures depend on and its details can be written as JSON."""
    metric = case.measure()[0]
    for name in ("details", "protocol"):
        found: Any = getattr(metric, name)()
        if not isinstance(found, Mapping):
            remedy = "return a dict"
            raise CheckFailed(f"its {name}() returns {type(found).__name__}: {remedy}")
        try:
            json.dumps(dict(found), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise CheckFailed(
                f"its {name}() cannot be written as JSON ({error}): use Python's strings, finite "
                "numbers, lists and dicts, as float(x) and array.tolist() make them of numpy's"
            ) from error


@needs(check_pure)
@with_each_case
def check_globals(_: Specimen, case: MetricCase) -> None:
    """It leaves the global state of the process unchanged."""
    batches = case.images()
    remedy = "draw from numpy.random.default_rng(0), and restore other state before it returns"
    with unchanged_process_state("judging images", remedy):
        metric = case.measure_unseeded(batches)[0]
        metric.details()
        metric.protocol()


CHECKS = checks_in(globals())


def _expect_described_figures(target: Any) -> None:  # noqa: ANN401 - a subclass of Metric
    """Raise `CheckFailed` unless a metric's class says what its figures are."""
    figures: Any = getattr(target, "figures", None)
    if not isinstance(figures, Mapping) or not figures:
        raise CheckFailed(
            f'its figures are {figures!r:.40}: set figures = {{"name": gtk.FigureSpec(summary)}} '
            "on the class, with one figure or more"
        )
    for name, spec in figures.items():
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise CheckFailed(f"a figure is called {name!r:.40}: use a string, such as 'distance'")
        if not isinstance(spec, FigureSpec):
            raise CheckFailed(f"its figure {name!r} is {spec!r:.40}: describe it by gtk.FigureSpec")
        if not spec.summary.strip() or not spec.summary.isprintable():
            remedy = "say in one line what the figure is"
            raise CheckFailed(
                f"the summary of its figure {name!r} is {spec.summary!r:.40}: {remedy}"
            )
        if spec.better not in get_args(Better):
            remedy = "set better to 'higher', 'lower' or ''"
            raise CheckFailed(f"the better of its figure {name!r} is {spec.better!r:.20}: {remedy}")


def _expect_sound(metric: Metric, found: Figures) -> None:
    """Raise `CheckFailed` unless these are the metric's figures: finite, in their intervals."""
    if not isinstance(found, Mapping):
        raise CheckFailed(f"compute() returns {type(found).__name__}: return a dict of its figures")
    for name in {**metric.figures, **found}:
        if name not in found:
            remedy = "return each of them, or leave it out of `figures`"
            raise CheckFailed(f"compute() returns no figure {name!r}: {remedy}")
        if name not in metric.figures:
            raise CheckFailed(f"compute() returns {name!r}: describe it in `figures`, too")
        numbers = _numbers(found[name])
        for part, value in numbers.items():
            if not isinstance(value, int | float) or isinstance(value, bool):
                remedy = "return a float, as float(x) makes it of numpy's, or a gtk.Figure of them"
                where = f"the {part} of its figure {name!r}"
                raise CheckFailed(f"{where} is of type {type(value).__name__}: {remedy}")
            if not math.isfinite(value):
                remedy = "look for log(0) and 1/0, and raise gtk.InvalidValue for too few images"
                raise CheckFailed(f"the {part} of its figure {name!r} is {value}: {remedy}")
        if [*numbers.values()] != sorted(numbers.values()):
            listing = ", ".join(f"{part} {value:.4g}" for part, value in numbers.items())
            remedy = "return low <= value <= high"
            raise CheckFailed(f"its figure {name!r} is outside its interval, {listing}: {remedy}")


def _numbers(figure: Figure | float) -> dict[str, float]:
    """Return the numbers of a figure by name, with the ends of its interval if it has them."""
    if not isinstance(figure, Figure):
        return {"value": figure}
    numbers = {"low": figure.low, "value": figure.value, "high": figure.high}
    return {part: value for part, value in numbers.items() if value is not None}


def _arrays(images: JudgedImages, *, judged: bool) -> dict[str, Any]:
    """Return the arrays that a metric can read, by name."""
    names = ["images", "condition", *(["features", "logits"] if judged else [])]
    arrays = {name: getattr(images, name) for name in names}
    return {name: array for name, array in arrays.items() if array is not None}
