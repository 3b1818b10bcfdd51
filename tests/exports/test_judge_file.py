"""A judge of one's own in an ONNX file: what is asked of it, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from judge_files import DATA, PIXELS, nearest_means, write
from onnx import TensorProto

import gtk
from gtk.exports.judge_file import FileJudge


def test_logits_and_features_are_found_by_name_and_how_often_it_is_right(tmp_path: Path) -> None:
    weight, bias = nearest_means()
    features = np.random.default_rng(0).normal(size=(PIXELS, 5)), np.zeros(5)
    path = write(tmp_path / "own.onnx", ("features", *features), ("logits", weight, bias))
    judge = FileJudge(path, DATA)
    rows = DATA.test.images.reshape(-1, PIXELS) / 255
    found, logits = judge.look(DATA.test.images)
    np.testing.assert_allclose(found, rows @ features[0], atol=1e-4)
    np.testing.assert_allclose(logits, rows @ weight + bias, atol=1e-4)
    right = (logits.argmax(1) == DATA.test.labels).mean()
    assert judge.accuracy == right > 0.8
    assert judge.stated == {"digest": judge.digest, "accuracy": judge.accuracy}
    assert len(judge.digest) == 16


def test_many_images_are_judged_in_parts_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = FileJudge(write(tmp_path / "own.onnx", ("scores", *nearest_means())), DATA)
    whole = judge.look(DATA.train.images[:50])
    monkeypatch.setattr("gtk.exports.judge_file.BATCH", 7)
    parts = judge.look(DATA.train.images[:50])
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert np.array_equal(whole[0], whole[1]), "without features the logits are the features"


@pytest.mark.parametrize(
    ("layers", "image", "message"),
    [
        ([("logits", *nearest_means(slice(None, None, -1)))], (1, 8, 8),
         "no more than a guess: check whether classes are in another order"),
        ([("logits", *nearest_means(classes=9))], (1, 8, 8),
         "tells 9 classes apart, and digits has 10"),
        ([("logits", *nearest_means())], (1, 4, 16), "does not take images (1, 8, 8) of digits"),
        ([("logits", *nearest_means()), ("features", np.full((64, 3), np.nan), np.zeros(3))],
         (1, 8, 8), "gives features of shape (2, 3) for 2 images: they have to be finite"),
    ],
)  # fmt: skip
def test_what_is_no_judge_of_these_data_is_refused_in_one_line(
    layers: Any, image: tuple[int, int, int], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "own.onnx", *layers, image=image)
    with pytest.raises(gtk.InvalidValue) as caught:
        FileJudge(path, DATA)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_gtk_would_not_run_are_refused(tmp_path: Path, exported: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("no graph")
    with pytest.raises(gtk.UserError, match=r"text\.onnx is not an ONNX file"):
        FileJudge(text, DATA)
    with pytest.raises(gtk.UserError, match="cannot be read"):
        FileJudge(tmp_path / "none.onnx", DATA)
    with pytest.raises(gtk.InvalidValue, match="has 2 inputs, and a judge takes images alone"):
        FileJudge(exported, DATA)
    model = onnx.load(write(tmp_path / "own.onnx", ("logits", *nearest_means())))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    outside = tmp_path / "outside.onnx"
    outside.write_bytes(model.SerializeToString())
    with pytest.raises(gtk.UserError, match="data outside of the file"):
        FileJudge(outside, DATA)
