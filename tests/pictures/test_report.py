"""What stands in a report, and what can never come of what stands there."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gtk
from gtk.core.models.summary import network_sizes
from gtk.core.registry.spec import NoConfig
from gtk.core.storage.evaluations import EVALUATIONS, EvaluationLine, add_evaluations
from gtk.core.storage.training_time import TIMING, write_training_seconds
from gtk.pictures.embedded import Picture
from gtk.pictures.grid import write_png
from gtk.pictures.latent_map import COLUMNS, LatentMap, write_latent_map
from gtk.pictures.page import LARGEST
from gtk.pictures.report import UNITS, report
from gtk.plugins.datasets import digits
from gtk.plugins.losses.adversarial import Minimax
from gtk.plugins.losses.elbo import ELBO
from gtk.plugins.losses.flow_matching import FlowMatching

#: Class names that mean something to HTML, a terminal, a shell, or a reader of another script.
NASTY = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\" onmouseover='alert(1)' x=\"",
    "שלום \u202eevil",
    "\x1b[2J\x1b[31mred",
    "猫 👩‍👩‍👧",
    "&amp; ${script} $style",
    "a b'c",
    "\ud800",
    "--help",
)


class Document(HTMLParser):
    """Notes every tag with its attributes, and all text outside style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._raw = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._raw += tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        self._raw -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        self.text += "" if self._raw else data


@pytest.fixture
def run(small_run: gtk.Run, tmp_path: Path) -> gtk.Run:
    """A copy of the small run, to be changed."""
    return gtk.Run(shutil.copytree(small_run.path, tmp_path / "runs" / "small"))


def renamed(run: gtk.Run, names: tuple[str, ...]) -> gtk.Run:
    """Give a run's classes other names, as if it had been trained on them."""
    document = json.loads((run.path / "run.json").read_text())
    document["data_spec"]["condition"]["names"] = list(names)
    (run.path / "run.json").write_text(json.dumps(document))
    latents = json.loads((run.pictures / "latents.json").read_text())
    latents["classes"] = list(names)
    (run.pictures / "latents.json").write_text(json.dumps(latents))
    return gtk.Run(run.path)


def test_a_training_ends_with_its_report(small_run: gtk.Run) -> None:
    text = small_run.report.read_text(encoding="utf-8")
    page = Document(text)
    for part in (
        "cvae on digits", "8x8 grey images of 10 classes", "20 epochs (440 steps)",
        "nats per image · 357 test images", "learning_rate", "0.001",
        "gtk sample", "gtk export", "gtk train --resume", "generative-toolkit 0.1.0", "cpu",
        "decoder", "parameters",
    ):  # fmt: skip
        assert part in page.text, part
    assert len(text.encode()) < 400_000
    images = [facts for tag, facts in page.tags if tag == "img"]
    assert [int(facts["data-epoch"] or 0) for facts in images] == [1, *range(2, 21, 2)] * 2
    assert [facts["alt"] for facts in images if "hidden" not in facts] == [
        "Samples after epoch 20", "Reconstructions after epoch 20",
    ]  # fmt: skip
    heads = re.search(r'<div class="heads".*?</div>', text)
    assert heads is not None
    assert re.findall(r">(\d)</bdi>", heads[0]) == list("0123456789")
    last = small_run.metrics()[-1]["terms"]["loss"]
    assert f"{last:.2f}" in page.text


def test_own_images_are_called_by_their_folder(run: gtk.Run) -> None:
    document = json.loads((run.path / "run.json").read_text())
    document["data"]["name"] = "folder"
    document["data_spec"]["name"] = "photos"
    (run.path / "run.json").write_text(json.dumps(document))
    text = report(gtk.Run(run.path))
    assert "<h1><bdi>cvae</bdi> on <bdi>photos</bdi></h1>" in text
    assert "<title>cvae on photos" in text


def test_the_same_run_gives_the_same_page(run: gtk.Run) -> None:
    assert report(run) == report(run)


def test_the_counts_of_parameters_are_those_of_run_json(run: gtk.Run) -> None:
    assert run.document["networks"] == network_sizes(run.load_model().networks())
    run.document["networks"] = {"decoder": 1_234_567}
    assert "1,234,567 parameters" in report(run)
    assert "Networks" in report(run)
    run.document["loss_networks"] = {"critic": 12}
    assert "critic (of the loss)" in report(run)
    del run.document["loss_networks"]
    del run.document["networks"]  # as before it was recorded
    assert "Networks" not in report(run)


def test_nothing_on_the_page_is_anywhere_else(small_run: gtk.Run) -> None:
    page = Document(small_run.report.read_text(encoding="utf-8"))
    policy = next(facts["content"] for tag, facts in page.tags if "http-equiv" in facts)
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert re.search(r"script-src 'sha256-[\w+/]{43}='", policy)
    for tag, facts in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "form", "base")
        assert not {"href", "srcset", "action", "onclick"} & facts.keys()
        assert (facts.get("src") or "data:image/png").startswith("data:image/")


def test_class_names_are_text_and_nothing_else(run: gtk.Run) -> None:
    plain = Document(report(run))
    text = report(renamed(run, NASTY))
    page = Document(text)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags], "a name became a tag"
    assert [set(facts) for _, facts in page.tags] == [set(facts) for _, facts in plain.tags]
    text.encode()
    for character in ("\x1b", "\x07"):
        assert character not in text
    for name in NASTY[:3] + NASTY[5:8]:
        assert name in page.text
    assert r"\x1b[2J\x1b[31mred" in page.text
    assert "&amp; ${script} $style" in page.text


def test_settings_and_names_of_a_hand_made_run_are_text(run: gtk.Run) -> None:
    document = json.loads((run.path / "run.json").read_text())
    document["data"]["root"] = document["created"] = "<b>x</b>"
    document["versions"]["<b>x</b>"] = document["recipe"] = "<b>x</b>"
    document["networks"] = {"<b>x</b>": 3}
    (run.path / "run.json").write_text(json.dumps(document))
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        line["unit"] = '"><b>x</b>'
        line["terms"]["<b>x</b>"] = 1.0
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = report(gtk.Run(run.path))
    assert "<b>x" not in text
    assert text.count("&lt;b&gt;x") > 8


def test_a_page_never_grows_large(run: gtk.Run) -> None:
    generator = np.random.default_rng(0)
    for epoch in (1, *range(2, 21, 2)):
        for kind in ("samples", "reconstructions"):
            pixels = generator.integers(0, 256, (300, 300, 3), np.uint8)
            write_png(pixels, run.pictures / f"{kind}-{epoch:04d}.png")
    lines = [
        {"step": step, "epoch": 1 + step // 100, "split": "train", "images": 64, "unit": "nats",
         "terms": {f"term {term}": step / 7 for term in range(8)}}
        for step in range(1, 4000)
    ]  # fmt: skip
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = report(renamed(run, tuple(f"{at} " + "long " * 9000 for at in range(10))))
    assert len(text.encode()) < LARGEST == 5_000_000
    assert len(text.encode()) > 0.6 * LARGEST, "there was room for more pictures"
    for kind in ("Samples", "Reconstructions"):
        assert f'alt="{kind} after epoch 1"' in text
        assert f'alt="{kind} after epoch 20"' in text


def test_it_says_when_a_run_began_and_how_long_it_took(run: gtk.Run) -> None:
    day = run.document["created"].partition("T")[0]
    write_training_seconds(run.path, 754.2)
    assert f"Run small · {day} · trained in 12:34" in Document(report(run)).text
    (run.path / TIMING).write_text("{")
    text = Document(report(run)).text
    assert f"Run small · {day}" in text
    assert "trained in" not in text


def test_damaged_pictures_and_metrics_are_left_out(run: gtk.Run) -> None:
    (run.pictures / "samples-0004.png").write_bytes(b"cut short")
    (run.pictures / "samples-zwölf.png").write_bytes(b"no epoch")
    (run.pictures / "latents.json").write_text('{"epoch": 20}')
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write("what\n")
    text = report(run)
    assert 'alt="Samples after epoch 2"' in text
    assert 'alt="Samples after epoch 4"' not in text
    assert 'id="latents"' not in text
    assert "metrics.jsonl is damaged" in text


def evaluated(run: gtk.Run, metric: str) -> EvaluationLine:
    """Add an evaluation to a run, of which a stranger may have written the words."""
    figures: Any = {"accuracy": {"value": 0.9951, "low": 0.99, "high": 1.0, "unit": "",
                                 "share": True, "better": "higher"}}  # fmt: skip
    line = EvaluationLine(
        metric=metric, hash="0a1b2c3d", figures=figures, details={}, protocol={"images": 1000},
        made={"step": 900, "sampler": {"name": "heun"}, "seed": 3}, created="",
    )  # fmt: skip
    add_evaluations(run.path, [line])
    return line


def test_figures_of_evaluations_are_on_the_page(run: gtk.Run) -> None:
    assert "Evaluations" not in Document(report(run)).text
    evaluated(run, "class-accuracy")
    text = Document(report(run)).text
    for part in ("class-accuracy accuracy", "99.51%", "99.00% to 100.00%", "0a1b2c3d"):
        assert part in text
    assert "step 900, 1,000 images, by heun, seed 3" in text


def judged(run: gtk.Run, counts: Any, names: tuple[str, ...], **made: Any) -> None:
    """Add an evaluation of class accuracy to a run."""
    counts = np.asarray(counts)
    details = {
        "classes": dict(zip(names, (counts.diagonal() / counts.sum(1)).tolist(), strict=True)),
        "confusion": counts.tolist(),
        "names": list(names),
    }
    line = evaluated(run, "class-accuracy") | {"details": details, "made": made}
    add_evaluations(run.path, [line])  # type: ignore[list-item]


def test_the_last_evaluation_s_classes_are_on_the_page(run: gtk.Run) -> None:
    assert "Classes asked for and seen" not in report(run)
    judged(run, [[7, 3], [0, 4]], ("cat", "dog"), step=8)
    judged(run, [[9, 1], [0, 2]], ("cat", "dog"), step=9)
    evaluated(run, "another-metric")
    text = Document(report(run)).text
    for part in (
        "Classes asked for and seen", "90.00%", "9 of 10", "dog (10.00%)",
        "cat asked for, dog seen: 1 of 10 images", "columns those that the judge sees",
        "The worst of 2 classes first", "Of step 9, 1,000 images, protocol 0a1b2c3d",
    ):  # fmt: skip
        assert part in text
    assert "7 of 10" not in text


def test_of_many_classes_the_page_has_the_worst_without_a_picture(run: gtk.Run) -> None:
    judged(run, 9 * np.eye(21, dtype=int) + 1, tuple(f"class {at}" for at in range(21)))
    text = report(run)
    assert "The 20 worst of 21 classes" in text
    assert 'class="confusion"' not in text


def test_names_of_judged_classes_are_text(run: gtk.Run) -> None:
    count = len(NASTY)
    judged(run, np.eye(count, dtype=int) + 1, tuple(f"plain {at}" for at in range(count)))
    plain = Document(report(run))
    judged(run, np.eye(count, dtype=int) + 1, NASTY)
    text = report(run)
    page = Document(text)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert "\x1b" not in text
    text.encode()


def test_the_use_of_the_code_is_on_the_page(run: gtk.Run) -> None:
    details = {"dimension": [0, 1, 2], "kl by dimension": [0.5, 0.001, 2.0]}
    protocol = {"images": 0, "used nats": 0.01}
    line = evaluated(run, "latent-use") | {"details": details, "protocol": protocol}
    add_evaluations(run.path, [line])  # type: ignore[list-item]
    text = report(run)
    assert "2 of 3 dimensions of the latent code are in use" in text
    assert "more than 0.01 nats. All dimensions have 2.501 nats together." in text
    assert re.findall(r">(z \d)</text>", text)[-3:] == ["z 3", "z 1", "z 2"]


def test_a_code_of_two_dimensions_has_its_manifold_on_the_page(small_run: gtk.Run) -> None:
    assert 'alt="Manifold' not in small_run.report.read_text()
    for plugin, of in (("vae", "20x20 codes: z 1"), ("cvae", "20x20 codes for class 0: z 1")):
        run = gtk.train(plugin=plugin, latent_dim=2, epochs=1, quiet=True)
        page = Document(run.report.read_text())
        (picture,) = (
            facts for _, facts in page.tags if facts.get("alt", "").startswith("Manifold")
        )  # type: ignore[union-attr]
        assert picture["alt"] == "Manifold after epoch 1"
        content = base64.b64decode((picture["src"] or "").partition(",")[2])
        assert content == (run.pictures / "latents-manifold.png").read_bytes()
        assert f"{of} grows to the right and z 2 upwards" in page.text
        assert "the quantiles of the prior, from 2.5% to 97.5%." in page.text
        (run.pictures / "latents-manifold.png").write_bytes(b"cut short")
        assert 'alt="Manifold' not in report(run)


@pytest.mark.parametrize("name", NASTY[:3])
def test_names_of_metrics_are_text(run: gtk.Run, name: str) -> None:
    before = [tag for tag, _ in Document(report(run)).tags if tag in ("script", "img")]
    evaluated(run, name)
    page = Document(report(run))
    assert name in page.text
    assert [tag for tag, _ in page.tags if tag in ("script", "img")] == before


def test_damaged_evaluations_are_named(run: gtk.Run) -> None:
    (run.path / EVALUATIONS).write_text("{}\n")
    assert "evaluations.jsonl is damaged" in Document(report(run)).text


def test_the_unit_of_the_loss_is_explained(run: gtk.Run) -> None:
    units = {loss.unit for loss in (ELBO, Minimax, FlowMatching)}
    assert units == {*UNITS}
    assert UNITS["nats per image"] in report(run)


def test_a_run_that_has_just_begun_has_a_page(run: gtk.Run) -> None:
    shutil.rmtree(run.pictures)
    shutil.rmtree(run.path / "checkpoints")
    (run.path / "metrics.jsonl").unlink()
    text = report(run)
    assert "Nothing has been reported yet" in text
    assert "0 of 20 epochs" in text
    assert "gtk sample" not in text
    assert "gtk train --resume" in text


def test_a_test_figure_that_chose_its_weights_says_so() -> None:
    run = gtk.train(plugin="vae", epochs=2, validate_on_test=True, quiet=True)
    assert "the test figures are not independent" in run.report.read_text()


def test_a_game_has_a_report_without_latents() -> None:
    run = gtk.train(plugin="cgan", network="mlp", epochs=1, quiet=True)
    text = run.report.read_text()
    assert "generator loss" in text
    assert 'id="latents"' not in text
    assert 'id="reconstructions"' not in text


def test_points_have_the_images_and_labels_of_the_test_split(small_run: gtk.Run) -> None:
    found = LatentMap.read(small_run.pictures)
    assert found is not None
    latents, images = found
    test = digits.load(NoConfig(), None).test
    assert (latents.epoch, latents.total, list(latents.rows)) == (20, 357, list(range(357)))
    assert list(latents.labels) == test.labels.tolist()
    assert images.width == COLUMNS * 8
    sheet = pixels_of(images)
    for at in (0, 24, 25, 356):
        top, left = at // COLUMNS * 8, at % COLUMNS * 8
        assert np.array_equal(sheet[top : top + 8, left : left + 8], test.images[at, 0])


def test_of_many_and_large_images_some_are_kept_small(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (1201, 3, 90, 180), np.uint8)
    codes = generator.normal(size=(1201, 3)).astype(np.float32)
    labels = np.arange(1201) % 4
    write_latent_map(tmp_path, codes, labels, tuple("abcd"), images, 7)
    found = LatentMap.read(tmp_path)
    assert found is not None
    latents, sheet = found
    assert len(latents.rows) == 500
    assert (latents.rows[0], latents.rows[-1]) == (0, 1200)
    assert latents.cell == [64, 32]
    assert (sheet.width, sheet.height) == (25 * 64, 20 * 32)
    assert list(latents.labels) == [row % 4 for row in latents.rows]


def test_attributes_have_points_without_classes(tmp_path: Path) -> None:
    images = np.zeros((3, 1, 8, 8), np.uint8)
    codes = np.arange(6, dtype=np.float32).reshape(3, 2)
    write_latent_map(tmp_path, codes, np.zeros(3, np.int64), (), images, 1)
    found = LatentMap.read(tmp_path)
    assert found is not None
    assert found[0].labels == []


@pytest.mark.parametrize(
    "change",
    [
        {"labels": [99]}, {"points": [[0, float("nan")]]}, {"points": [[0]]}, {"rows": []},
        {"axes": []}, {"more": 1}, {"cell": ["<b>", 8]}, {"classes": 3},
        {"labels": [0, 0.5]}, {"cell": [0, 0]}, {"cell": [1, 10**9]}, {"epoch": True},
        {"epoch": None}, {"points": [[0, 1e308], [0, -1e308]]}, {"points": {}}, {"axes": [1, 2]},
        {"labels": [-1, 0]}, {"classes": [None]}, {"rows": list(range(501))}, {"total": 10**30},
        {"rows": json.loads("[" * 900 + "]" * 900)},
    ],
)  # fmt: skip
def test_damaged_points_are_none(tmp_path: Path, change: dict[str, Any]) -> None:
    images = np.zeros((2, 1, 8, 8), np.uint8)
    codes = np.eye(2, dtype=np.float32)
    write_latent_map(tmp_path, codes, np.zeros(2, np.int64), ("a",), images, 1)
    document = json.loads((tmp_path / "latents.json").read_text()) | {"classes": ["\udcff"]}
    (tmp_path / "latents.json").write_text(json.dumps(document))
    assert LatentMap.read(tmp_path) is not None
    (tmp_path / "latents.json").write_text(json.dumps(document | change))
    assert LatentMap.read(tmp_path) is None


def pixels_of(picture: Picture) -> Any:
    from io import BytesIO

    from PIL import Image

    return np.asarray(Image.open(BytesIO(picture.content)))
