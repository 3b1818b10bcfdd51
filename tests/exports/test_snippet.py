"""The lines that `gtk export` prints: pasted into a program, they run, whatever the file is."""

import ast
import json
from pathlib import Path
from typing import Any

import onnx
import pytest

import gtk
from gtk.exports.snippet import javascript_snippet, python_snippet

ODD = "it's a \"file\" \\n of 100% Zoë's #1.onnx"


def exported(run: gtk.Run, name: str, part: str | None = None) -> dict[str, Any]:
    """Export a part into the working folder and return its contract."""
    path = gtk.export(run, name, part=part).path
    entries = {item.key: item.value for item in onnx.load(path).metadata_props}
    contract: dict[str, Any] = json.loads(entries["gtk"])
    return contract


def printed(snippet: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a Python snippet and return what it prints, without the line's end."""
    capsys.readouterr()
    exec(compile(snippet, "snippet", "exec"), {})  # noqa: S102 - what a user would do
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize("name", ["small.onnx", ODD])
def test_a_file_with_classes(
    small_run: gtk.Run, name: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    snippet = python_snippet(exported(small_run, name), name)
    assert "labels=[0, 1, 2], seed=7" in snippet
    assert printed(snippet, capsys) == "uint8 (3, 8, 8)"


@pytest.mark.parametrize(
    ("options", "shown", "shape"),
    [
        ({"plugin": "vae"}, "count=3", "(3, 8, 8)"),
        ({"plugin": "gan", "channels": (4, 6)}, "count=3", "(3, 8, 8)"),
        (
            {"plugin": "generative-toolkit/cvae", "prior": "learned"},
            "labels=[0, 1, 2]",
            "(3, 8, 8)",
        ),
        ({"plugin": "generative-toolkit/cvae", "data": "marks"}, '{"roof": 0}', "(3, 8, 8)"),
        (
            {"plugin": "generative-toolkit/cvae", "data": "ramps", "conditioner": "embedding"},
            '{"brightness": 50}',
            "(3, 9, 9, 3)",
        ),
    ],
    ids=str,
)
def test_a_file_that_draws(
    options: dict[str, Any],
    shown: str,
    shape: str,
    outside: Path,
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = gtk.train(epochs=1, quiet=True, **options)
    snippet = python_snippet(exported(run, "model.onnx"), "model.onnx")
    assert shown in snippet
    assert printed(snippet, capsys) == f"uint8 {shape}"
    assert f"# uint8 {shape}" in snippet


def test_an_encoder_and_a_discriminator(
    workplace: Path, outside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for plugin, part, shown in (
        (
            "generative-toolkit/cvae",
            "encoder",
            "mean float32 (3, 16)\nlog_variance float32 (3, 16)",
        ),
        ("cgan", "discriminator", "score float32 (3,)"),
    ):
        run = gtk.train(plugin=plugin, data="marks", epochs=1, quiet=True)
        snippet = python_snippet(exported(run, f"{part}.onnx", part), f"{part}.onnx")
        assert '"attributes": [{"roof": 0}, {"roof": 1}, {"roof": 1}],' in snippet
        assert printed(snippet, capsys) == shown


NAMES = ["a \"b\" 'c'", "new\nline", "back\\slash", "Zoë", "\u2028", "\ud800", "{0}"]


def contract(**changes: Any) -> dict[str, Any]:
    """Return the contract of a decoder, or of what is changed of it."""
    return {
        "part": "decoder",
        "batch_size": None,
        "inputs": [
            {"name": "z", "kind": "latent", "dtype": "float32", "shape": [4]},
            {"name": "label", "kind": "condition", "dtype": "int64", "shape": []},
        ],
        "outputs": [{"name": "image", "kind": "image", "dtype": "float32", "shape": [3, 8, 9]}],
        "latent": {"input": "z", "shape": [4], "prior": "normal"},
        "condition": {
            "input": "label",
            "kind": "classes",
            "count": len(NAMES),
            "names": NAMES,
            "ranges": None,
        },
        "image": {
            "channels": 3,
            "height": 8,
            "width": 9,
            "layout": "NCHW",
            "dtype": "float32",
            "range": [0, 1],
        },
        **changes,
    }


@pytest.mark.parametrize("first", NAMES)
def test_odd_names_stay_what_they_are(first: str) -> None:
    condition = contract()["condition"] | {"names": [first], "count": 1}
    tree = ast.parse(python_snippet(contract(condition=condition), first))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert texts.count(first) == 4, "the file's name and three labels"
    snippet = javascript_snippet(contract(condition=condition), first)
    (line,) = (line for line in snippet.splitlines() if "create(" in line)
    assert json.loads(line.partition("create(")[2].removesuffix(");")) == first


def test_one_name_is_enough_and_names_that_are_other_numbers_are_kept() -> None:
    swapped = contract()["condition"] | {"names": ["1", "0"], "count": 2}
    assert 'labels=["1", "0", "1"]' in python_snippet(contract(condition=swapped), "x.onnx")
    alone = contract()["condition"] | {"names": ["all"], "count": 1}
    assert "[0n, 0n, 0n]" in javascript_snippet(contract(condition=alone), "x.onnx")


def test_codes_of_a_learned_prior_are_the_user_s() -> None:
    latent = {"input": "z", "shape": [4], "prior": "learned"}
    snippet = python_snippet(contract(latent=latent), "x.onnx")
    assert "codes = np.zeros((3, 4), np.float32)" in snippet
    assert "generator.generate(codes, labels=[" in snippet
    assert "sample" not in snippet


def test_a_part_that_draws_nothing_is_run_with_its_own_inputs() -> None:
    image = {"channels": 1, "height": 8, "width": 9, "layout": "NHWC"}
    image |= {"dtype": "uint8", "range": [0, 255]}
    encoder = contract(
        part="encoder",
        batch_size=16,
        latent=None,
        condition=None,
        image=image,
        inputs=[{"name": "image", "kind": "image", "dtype": "uint8", "shape": [8, 9, 1]}],
        outputs=[{"name": "log-variance", "kind": "values", "dtype": "float32", "shape": [4]}],
    )
    snippet = python_snippet(encoder, "x.onnx")
    assert "load_part" in snippet
    assert '"image": np.zeros((3, 8, 9, 1), np.uint8),  # yours, 0..255, NHWC' in snippet
    script = javascript_snippet(encoder, "x.onnx")
    assert "const n = 16; // the file takes this many at once" in script
    assert 'new ort.Tensor("uint8", new Uint8Array(n * 8 * 9 * 1), [n, 8, 9, 1])' in script
    assert 'outputs["log-variance"].dims' in script
    assert "normal" not in script
