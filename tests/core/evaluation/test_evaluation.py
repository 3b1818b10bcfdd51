"""Metrics over what was drawn: what they are given, and what is kept of their figures."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

import gtk
from gtk.core.contracts.metric import Source
from gtk.core.evaluation.evaluation import Chosen, chosen, evaluate
from gtk.core.evaluation.protocol import content_digest, describe_data, protocol_hash
from gtk.core.settings.metric_choice import metric_choice
from gtk.core.values.figure import Figure
from gtk.core.values.tracking import heard_by

CLASSES = gtk.Classes(("even", "odd"))
SPEC = gtk.DataSpec("toy", 1, 2, 2, CLASSES)
DESCRIBED = {"name": "toy", "digest": "abc"}


def images(count: int, first: int = 0) -> NDArray[np.uint8]:
    """Return images (count, 1, 2, 2), each of one level: first, first + 1, ..."""
    levels = np.arange(first, first + count, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, 1, 2, 2)).copy()


def toy_data(condition: gtk.ConditionSpec | None = CLASSES) -> gtk.Dataset:
    """Return data of 40 training and 20 test images, whose classes are their levels' parity."""

    def split(count: int, first: int) -> gtk.Split:
        labels = np.arange(first, first + count) % 2
        return gtk.Split(images(count, first), labels if condition else 0 * labels)

    spec = gtk.DataSpec("toy", 1, 2, 2, condition)
    return gtk.Dataset(spec, split(40, 0), split(20, 100))


class Seen(gtk.Metric):
    """Notes what it is given."""

    figures: ClassVar[Mapping[str, gtk.FigureSpec]] = {"mean": gtk.FigureSpec("mean level")}
    sources: ClassVar[frozenset[Source]] = frozenset({"generated", "test", "train"})
    result: Any = None

    def __init__(self, config: Any, data_spec: gtk.DataSpec) -> None:
        super().__init__(config, data_spec)
        self.given: list[tuple[str, list[int], Any]] = []

    def update(self, images: gtk.JudgedImages) -> None:
        condition = None if images.condition is None else images.condition.tolist()
        self.given.append((images.source, images.images[:, 0, 0, 0].tolist(), condition))

    def compute(self) -> Any:
        return {"mean": 1.0} if self.result is None else self.result

    def protocol(self) -> dict[str, Any]:
        return {"resize": "none"}


class Judge:
    """Sees the level as the feature; counts how many images it was asked about."""

    stated: ClassVar[dict[str, Any]] = {"digest": "abc", "accuracy": 1.0}

    def __init__(self) -> None:
        self.asked = 0

    def look(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        self.asked += len(images)
        features = images[:, :, 0, 0].astype(float)
        return features, np.concatenate([features, -features], axis=1)


def drawn() -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Yield 8 images in two batches."""
    for first in (200, 204):
        yield images(4, first), np.arange(4) % 2


def one(metric: gtk.Metric) -> Chosen:
    return Chosen(metric_choice("diversity", {}), metric)


def lines(metric: gtk.Metric, data: gtk.Dataset, judge: Any = None) -> list[Any]:
    return evaluate([one(metric)], drawn, data, describe_data(data), judge, lambda: {"run": "a"})


def test_a_metric_is_given_each_source_once_and_whole() -> None:
    metric = Seen(None, SPEC)
    lines(metric, toy_data())
    assert [source for source, _, _ in metric.given] == ["generated"] * 2 + ["test", "train"]
    assert metric.given[0] == ("generated", [200, 201, 202, 203], [0, 1, 0, 1])
    for at, count, first in ((2, 20, 100), (3, 40, 0)):
        _, levels, labels = metric.given[at]
        assert sorted(levels) == list(range(first, first + count))
        assert levels != sorted(levels), "in a random order, so that any number is a fair choice"
        assert labels == [level % 2 for level in levels]
    again = Seen(None, SPEC)
    lines(again, toy_data())
    assert again.given == metric.given


def test_without_a_condition_there_is_none() -> None:
    metric = Seen(None, SPEC)
    lines(metric, toy_data(None))
    assert metric.given[2][2] is None


def test_only_what_a_metric_needs_is_drawn() -> None:
    class OfTest(Seen):
        sources: ClassVar[frozenset[Source]] = frozenset({"test"})

    def refuse() -> Any:
        raise AssertionError("no image is asked for")

    metric = OfTest(None, SPEC)
    (line,) = evaluate([one(metric)], refuse, toy_data(), DESCRIBED, None, dict)
    assert [source for source, _, _ in metric.given] == ["test"]
    assert line["protocol"]["images"] == 0


def test_the_judge_looks_once_at_each_image_that_any_metric_asks_about() -> None:
    class Judged(Seen):
        judged: ClassVar[bool] = True

        def update(self, images: gtk.JudgedImages) -> None:
            if images.source == "generated":
                assert images.logits.shape == (4, 2)
                assert images.features.shape == (4, 1)

    judge = Judge()
    metrics = [one(Judged(None, SPEC)), one(Judged(None, SPEC)), one(Seen(None, SPEC))]
    found = evaluate(metrics, drawn, toy_data(), DESCRIBED, judge, dict)
    assert judge.asked == 8
    assert found[0]["protocol"]["judge"] == Judge.stated
    assert "judge" not in found[2]["protocol"], "what no figure depends on is in no protocol"


def test_a_metric_without_a_judge_is_told_what_to_set() -> None:
    with pytest.raises(gtk.InvalidValue, match="sets `judged`"):
        _ = gtk.JudgedImages(images(1), None, "test").features


def test_a_line_has_figures_protocol_and_how_the_images_were_made() -> None:
    metric = Seen(None, SPEC)
    metric.result = {"mean": Figure(2.0, 1.5, 2.5)}
    data = toy_data()
    (line,) = lines(metric, data)
    expected = {"value": 2.0, "low": 1.5, "high": 2.5, "unit": "", "share": False, "better": ""}
    assert line["figures"] == {"mean": expected}
    protocol = line["protocol"]
    assert protocol["data"] == {
        "name": "toy", "train": 40, "test": 20, "digest": content_digest(data.train, data.test)
    }  # fmt: skip
    assert (protocol["images"], protocol["resize"]) == (8, "none")
    assert line["made"] == {"run": "a"}
    assert line["hash"] == protocol_hash(protocol)


def test_how_images_were_made_is_no_part_of_the_protocol_and_the_data_are() -> None:
    data = toy_data()
    (first,) = lines(Seen(None, SPEC), data)
    (other,) = evaluate(
        [one(Seen(None, SPEC))], drawn, data, describe_data(data), None, lambda: {"run": "b"}
    )
    assert first["hash"] == other["hash"]
    pixels = data.test.images.copy()
    pixels[0, 0, 0, 0] += 1
    changed = gtk.Dataset(data.spec, data.train, gtk.Split(pixels, data.test.labels))
    (third,) = lines(Seen(None, SPEC), changed)
    assert third["hash"] != first["hash"]
    labels = data.test.labels[::-1].copy()
    relabelled = gtk.Dataset(data.spec, data.train, gtk.Split(data.test.images, labels))
    assert describe_data(relabelled) != describe_data(data)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({}, r"compute\(\) of Seen must return mean, and gives "),
        ({"mean": 1.0, "other": 2.0}, "must return mean, and gives mean, other"),
        (3.0, "must return mean, and gives float"),
        ({"mean": float("nan")}, "gives mean of nan: return finite numbers"),
        ({"mean": Figure(float("inf"))}, r"gives mean of Figure\(value=inf"),
        ({"mean": Figure(1.0, float("nan"), 2.0)}, "return finite numbers"),
        ({"mean": "abc"}, "gives mean of 'abc'"),
        ({"mean": None}, "gives mean of None"),
        ({"mean": Figure(1.0, 2.0, 3.0)}, "an interval has two ends, with the value between"),
        ({"mean": Figure(1.0, 0.0)}, "an interval has two ends"),
    ],
)
def test_figures_that_are_not_those_it_names_are_the_plugins_fault(
    result: Any, message: str
) -> None:
    metric = Seen(None, SPEC)
    metric.result = result
    with pytest.raises(gtk.GtkError, match=message):
        lines(metric, toy_data())


def test_numbers_of_numpy_become_plain_ones() -> None:
    metric = Seen(None, SPEC)
    metric.result = {"mean": Figure(np.float32(1), np.float32(0), np.float64(2))}
    table: Any = lines(metric, toy_data())[0]["figures"]["mean"]
    assert [type(table[name]) for name in ("value", "low", "high")] == [float] * 3


def test_what_json_cannot_hold_is_the_plugins_fault() -> None:
    class Wrong(Seen):
        def protocol(self) -> dict[str, Any]:
            return {"resize": np.zeros(2)}

    with pytest.raises(gtk.GtkError, match=r"protocol\(\) of Wrong cannot be written as JSON"):
        lines(Wrong(None, SPEC), toy_data())


def test_a_metric_that_refuses_what_it_is_given_is_left_out_or_raised() -> None:
    class Refusing(Seen):
        def compute(self) -> Any:
            raise gtk.InvalidValue("too few")

    metrics, left_out = [one(Refusing(None, SPEC)), one(Seen(None, SPEC))], dict[str, str]()
    found = evaluate(metrics, drawn, toy_data(), DESCRIBED, None, dict, left_out)
    assert (len(found), left_out) == (1, {"diversity": "too few"})
    with pytest.raises(gtk.InvalidValue, match="too few"):
        lines(Refusing(None, SPEC), toy_data())


def test_a_model_with_a_condition_is_judged_only_on_data_that_have_it() -> None:
    methods = ("encode", "decode", "prior", "log_likelihood", "expected_image")
    model = type("Latent", (), dict.fromkeys(methods, print) | {"condition": CLASSES})()
    spec = gtk.DataSpec("plain", 1, 2, 2, None)
    with pytest.raises(gtk.InvalidValue, match="gives the model its condition, which these data"):
        chosen(metric_choice("likelihood", {}), spec, model)


def test_a_metric_that_requires_a_model_is_handed_it() -> None:
    class Model:
        def encode(self) -> None: ...

    choice = metric_choice("likelihood", {"samples": 3})
    with pytest.raises(gtk.InvalidValue, match="only its images are known: leave it out"):
        chosen(choice, SPEC, None)
    with pytest.raises(gtk.InvalidValue, match="and Model is not one: leave it out"):
        chosen(choice, SPEC, Model())
    # A class with the protocol's methods is one.
    methods = dict.fromkeys(
        ("encode", "decode", "prior", "log_likelihood", "expected_image"), Model.encode
    )
    model = type("Latent", (), methods)()
    built = chosen(choice, SPEC, model)
    assert built.metric.model is model
    assert built.metric.config.samples == 3


def test_work_on_the_data_is_tracked() -> None:
    heard = []
    with heard_by(lambda what, done, total: heard.append((what, done, total))):
        lines(Seen(None, SPEC), toy_data())
    assert heard == [
        ("judging test images", 0, 1), ("judging test images", 1, 1),
        ("judging training images", 0, 1), ("judging training images", 1, 1),
    ]  # fmt: skip
