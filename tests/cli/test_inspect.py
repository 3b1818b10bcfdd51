"""`gtk inspect`: what a file or a run's parts are, whatever the file holds, and nothing written."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper

import gtk
from gtk.cli.manifest_lines import manifest_lines
from gtk.core.values.errors import WorkFailed
from gtk.exports import inspection, onnx as exporter
from gtk.exports.loaded_part import LoadedModel, LoadedPart
from gtk.plugins.vae.model import VariationalAutoencoder

Command = Callable[..., Any]


def contract_of(path: Path) -> dict[str, Any]:
    proto = onnx.load(path)
    contract: dict[str, Any] = json.loads({i.key: i.value for i in proto.metadata_props}["gtk"])
    return contract


def changed(exported: Path, tmp_path: Path, text: str = "", **change: object) -> Path:
    """Copy an exported file with another contract, or another text where the contract is."""
    proto = onnx.load(exported)
    contract = json.dumps({**contract_of(exported), **change})
    helper.set_model_props(proto, {"gtk": text or contract})
    onnx.save(proto, tmp_path / "changed.onnx")
    return tmp_path / "changed.onnx"


def copied(exported: Path, tmp_path: Path, **change: object) -> Path:
    """Copy an exported file, and describe it beside it."""
    path = tmp_path / "mine.onnx"
    path.write_bytes(exported.read_bytes())
    file = {
        "name": path.name,
        "size": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    document = {**contract_of(path), "file": file, **change}
    path.with_suffix(".json").write_text(json.dumps(document))
    return path


def titled(text: str) -> dict[str, str]:
    """Return printed lines by their titles; of several the last."""
    return {line[:11].strip(): line[12:] for line in text.splitlines()}


def test_a_file_is_shown_to_people(exported: Path, gtk_command: Command, tmp_path: Path) -> None:
    path = copied(exported, tmp_path)
    result = gtk_command("inspect", path)
    assert (result.code, result.err) == (0, "")
    shown = titled(result.out)
    assert shown["file"] == str(path)
    assert shown["part"] == "decoder: z, label -> image"
    assert shown["model"].startswith("cvae of generative-toolkit ")
    assert "latent_dim 16" in shown["options"]
    assert shown["data"] == "digits"
    assert shown["run"] == "small, step 440"
    assert shown["latent"] == "z, 16 numbers, standard normal"
    assert shown["condition"] == "label, 10 classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert shown["image"] == "8x8 pixels, grey, NCHW, float32 in 0..1"
    assert "input       z, float32 (batch, 16)\ninput       label, int64 (batch)\n" in result.out
    assert shown["output"] == "image, float32 (batch, 1, 8, 8)"
    assert shown["form"].startswith("opset 18, fp32, any batch size, gtk ")
    assert "(batches of 1, 2, 3, 16; tolerance 1e-05), 0 of 1,408 8-bit values" in shown["parity"]
    assert "3 Gemm" in shown["operators"]
    weights = sum(
        onnx.numpy_helper.to_array(item).nbytes for item in onnx.load(path).graph.initializer
    )
    assert shown["size"] == f"{path.stat().st_size:,} bytes, {weights:,} of them weights"
    assert shown["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert shown["beside it"] == "mine.json says the same, and has this sha256"


def test_every_form_of_a_file_is_named(small_run: gtk.Run, gtk_command: Command) -> None:
    gtk.export(small_run, "form.onnx", precision="fp16", image="uint8", layout="nhwc", batch_size=3)
    result = gtk_command("inspect", "form.onnx")
    assert result.code == 0
    shown = titled(result.out)
    assert shown["form"].startswith("opset 18, fp16, batch size 3 and no other, gtk ")
    assert shown["image"] == "8x8 pixels, grey, NHWC, uint8 in 0..255"
    assert shown["output"] == "image, uint8 (3, 8, 8, 1)"
    assert shown["beside it"] == "form.json says the same, and has this sha256"


def test_a_file_is_shown_to_programs(exported: Path, gtk_command: Command, tmp_path: Path) -> None:
    path = copied(exported, tmp_path)
    result = gtk_command("inspect", path, "--json")
    assert result.code == 0
    assert result.out.count("\n") == 1
    document = json.loads(result.out)
    assert document["file"] == str(path)
    beside = {"path": str(path.with_suffix(".json")), "exists": True, "problem": None}
    assert document["sidecar"] == beside
    part = document["parts"]["decoder"]
    assert part["contract"] == contract_of(path)
    assert part["size"] == path.stat().st_size
    assert part["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert part["operators"]["Gemm"] == 3
    assert part["opsets"] == {"": 18}


def test_a_file_needs_neither_torch_nor_onnx(exported: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'onnxscript', 'sklearn', 'safetensors', 'filelock'):\n"
        "    sys.modules[name] = None\n"
        "from gtk.cli.main import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, "inspect", str(exported)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "decoder: z, label -> image" in result.stdout


def test_a_file_that_kills_its_process_is_one_line(
    exported: Path, gtk_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = "import os; os.kill(os.getpid(), 8)"  # as a division by 0 does
    monkeypatch.setattr(inspection, "OPENING", opening)
    result = gtk_command("inspect", exported)
    assert (result.code, result.out) == (1, "")
    assert f"onnxruntime crashed (SIGFPE) while it opened {exported}, in a sep" in result.err
    assert result.err.count("\n") == 1


def test_no_file_is_opened_in_this_process(
    exported: Path, gtk_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("onnxruntime.py").write_text("raise SystemExit('not this one')")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert gtk_command("inspect", exported).code == 0


def test_what_onnxruntime_says_of_a_file_is_told(
    exported: Path, gtk_command: Command, tmp_path: Path
) -> None:
    proto = onnx.load(exported)
    proto.graph.node[0].input[0] = "nothing \u00e4"
    onnx.save(proto, tmp_path / "bad.onnx")
    result = gtk_command("inspect", tmp_path / "bad.onnx")
    assert result.code == 2
    assert "bad.onnx is not an ONNX file that onnxruntime can read: it has opset 18" in result.err
    assert "nothing \u00e4" in result.err


def test_a_file_alone_says_so(exported: Path, gtk_command: Command, tmp_path: Path) -> None:
    path = copied(exported, tmp_path)
    path.with_suffix(".json").unlink()
    result = gtk_command("inspect", path)
    assert result.code == 0
    assert titled(result.out)["beside it"] == "no mine.json"


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ({"file": {"name": "mine.onnx", "size": 1, "sha256": "0"}}, "not the file that mine.json"),
        ({"data": "other"}, "mine.json does not say what mine.onnx says about itself"),
        ({"file": None}, "mine.json does not describe an exported file"),
        ({"file": {}}, "mine.json does not describe an exported file"),
    ],
    ids=str,
)
def test_a_sidecar_of_another_file_is_told(
    exported: Path, gtk_command: Command, tmp_path: Path, beside: dict[str, object], message: str
) -> None:
    path = copied(exported, tmp_path, **beside)
    result = gtk_command("inspect", path)
    assert result.code == 1
    assert message in titled(result.out)["beside it"]
    assert message in result.err
    assert result.err.count("\n") == 1
    result = gtk_command("inspect", path, "--json")
    assert result.code == 1
    assert message in json.loads(result.out)["sidecar"]["problem"]


@pytest.mark.parametrize("content", ["", "[]", "5", "{", '{"file": 5}', "[" * 100_000, "\xff"])
def test_a_sidecar_that_is_none_is_told(
    exported: Path, gtk_command: Command, tmp_path: Path, content: str
) -> None:
    path = copied(exported, tmp_path)
    path.with_suffix(".json").write_text(content, encoding="latin-1")
    result = gtk_command("inspect", path)
    assert result.code == 1
    assert "mine.json does not describe an exported file" in result.err


def test_a_changed_file_is_not_the_one_that_was_described(
    exported: Path, gtk_command: Command, tmp_path: Path
) -> None:
    path = copied(exported, tmp_path)
    changed(exported, tmp_path, data="else").replace(path)
    result = gtk_command("inspect", path)
    assert result.code == 1
    assert "mine.onnx is not the file that mine.json describes" in result.err


def test_what_is_no_ordinary_file_beside_it_is_not_opened(
    exported: Path, gtk_command: Command, tmp_path: Path
) -> None:
    path = copied(exported, tmp_path)
    path.with_suffix(".json").unlink()
    os.mkfifo(path.with_suffix(".json"))  # reading it would wait for ever
    assert titled(gtk_command("inspect", path).out)["beside it"] == "no mine.json"


def test_a_run_shows_every_part_and_nothing_is_written(
    small_run: gtk.Run, gtk_command: Command, tmp_path: Path
) -> None:
    before = sorted(small_run.path.rglob("*"))
    result = gtk_command("inspect", small_run.path, "--json")
    assert result.code == 0
    document = json.loads(result.out)
    assert (document["run"], document["step"]) == (str(small_run.path), 440)
    assert list(document["parts"]) == ["decoder", "encoder"]
    assert sorted(small_run.path.rglob("*")) == before
    for name, part in document["parts"].items():
        path = gtk.export(small_run, tmp_path / f"{name}.onnx", part=name).path
        assert part["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert part["contract"] == contract_of(path)


def test_a_part_of_a_run_is_shown_to_people(small_run: gtk.Run, gtk_command: Command) -> None:
    arguments = ("--part", "encoder", "--checkpoint", 308)
    result = gtk_command("inspect", "small", "--runs", small_run.path.parent, *arguments)
    assert result.code == 0
    shown = titled(result.out)
    assert shown["part"] == "encoder: image, label -> mean, log_variance"
    assert shown["run"] == "small, step 308"
    assert shown["latent"] == "none"
    assert shown["output"] == "log_variance, float32 (batch, 16)"
    assert "8-bit" not in shown["parity"]


def test_a_discriminator_has_a_score(gtk_command: Command) -> None:
    small = {"channels": (6, 8), "latent_dim": 4, "epochs": 1}
    gtk.train(plugin="cgan", name="game", quiet=True, **small)
    result = gtk_command("inspect", "game", "--part", "discriminator")
    assert titled(result.out)["part"] == "discriminator: image, label -> score"
    assert titled(result.out)["output"] == "score, float32 (batch)"


def test_numbers_and_a_learned_prior_are_named(outside: Path, gtk_command: Command) -> None:
    options = {"hidden_dims": (12,), "latent_dim": 4, "epochs": 1, "batch_size": 20}
    gtk.train(
        plugin="generative-toolkit/cvae", data="ramps", conditioner="film", prior="learned",
        name="ramps", quiet=True, **options,
    )  # fmt: skip
    result = gtk_command("inspect", "ramps", "--part", "decoder")
    shown = titled(result.out)
    assert shown["condition"] == "values, 2 numbers: brightness 0..100, slope -30..30"
    assert shown["latent"] == "z, 4 numbers, its prior is learned: the sampler draws it"
    assert shown["image"] == "9x9 pixels, colour, NCHW, float32 in 0..1"
    assert "conditioner film" in shown["model"]


def test_a_part_that_cannot_be_exported_hides_no_other(
    small_run: gtk.Run, gtk_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = exporter.prepare

    def picky(loaded: LoadedModel, subject: LoadedPart, options: Any) -> exporter.Prepared:
        if subject.name == "decoder":
            raise WorkFailed("it branches")
        return prepare(loaded, subject, options)

    monkeypatch.setattr(exporter, "prepare", picky)
    result = gtk_command("inspect", small_run.path)
    assert result.code == 0
    assert "part        decoder cannot be exported: it branches" in result.out
    assert "part        encoder: image, label -> mean, log_variance" in result.out
    result = gtk_command("inspect", small_run.path, "--json")
    assert json.loads(result.out)["parts"]["decoder"] == {"error": "it branches"}
    result = gtk_command("inspect", small_run.path, "--part", "decoder")
    assert (result.code, result.err) == (1, "gtk: error: it branches\n")


def test_a_model_is_built_once_and_once_more_for_its_proof(
    small_run: gtk.Run, gtk_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, loads = gtk.Run.load_model, []

    def counted(run: gtk.Run, checkpoint: Any = None) -> gtk.Model:
        loads.append(checkpoint)
        return load(run, checkpoint)

    monkeypatch.setattr(gtk.Run, "load_model", counted)
    assert gtk_command("inspect", small_run.path).code == 0
    assert loads == [440, 440]


def test_a_plugin_whose_parts_fail_is_named(
    small_run: gtk.Run, gtk_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exports(self: VariationalAutoencoder) -> dict[str, gtk.ExportPart]:
        raise ZeroDivisionError("no parts today")

    monkeypatch.setattr(VariationalAutoencoder, "exports", exports)
    for command in ("inspect", "bench"):
        result = gtk_command(command, small_run.path)
        assert result.code == 2
        assert result.err == (
            "gtk: error: exports() of plugin 'cvae' fails: ZeroDivisionError: no parts today\n"
        )


def test_the_case_of_a_file_s_ending_does_not_matter(
    exported: Path, gtk_command: Command, workplace: Path
) -> None:
    (workplace / "SMALL.ONNX").write_bytes(exported.read_bytes())
    assert gtk_command("inspect", "SMALL.ONNX").code == 0
    assert gtk_command("sample", "SMALL.ONNX", "--out", "a.png").code == 0


def test_names_in_a_file_do_not_command_the_terminal(
    exported: Path, gtk_command: Command, tmp_path: Path
) -> None:
    hostile = "\x1b[2J\x07[red]\u202e\r\n"
    contract = contract_of(exported)
    names = [hostile, *"123456789"]
    path = changed(
        exported,
        tmp_path,
        condition={**contract["condition"], "names": names},
        data=hostile,
        run=hostile,
        model={hostile: hostile},
        plugin=dict.fromkeys(("name", "package", "version"), hostile),
    )
    result = gtk_command("inspect", path)
    assert result.code == 0
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(result.out)
    assert "\\x1b[2J\\x07[red]\\u202e\\r\\n, 1, 2" in result.out
    result = gtk_command("inspect", path, "--json")
    assert "\x1b" not in result.out
    assert json.loads(result.out)["parts"]["decoder"]["contract"]["data"] == hostile


@pytest.mark.parametrize(
    "change",
    [
        {"plugin": None}, {"plugin": {}}, {"model": 5}, {"conditioner": {}}, {"parity": None},
        {"parity": {"differences": 3}}, {"parity": {"differences": {"image": {}}, "tolerance": 1}},
        {"parity": {"differences": {"image": {"1": {"largest": "x"}}}, "tolerance": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_a_contract_that_is_not_whole_is_one_line(
    exported: Path, gtk_command: Command, tmp_path: Path, change: dict[str, object]
) -> None:
    result = gtk_command("inspect", changed(exported, tmp_path, **change))
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert "the manifest in" in result.err
    assert "changed.onnx is damaged" in result.err


def test_numbers_that_json_has_not_are_one_line(
    exported: Path, gtk_command: Command, tmp_path: Path
) -> None:
    text = json.dumps(contract_of(exported)).replace('"step": 440', '"step": 1e999')
    result = gtk_command("inspect", changed(exported, tmp_path, text), "--json")
    assert (result.code, result.out) == (2, "")
    assert "changed.onnx is damaged" in result.err


def test_many_names_are_counted(exported: Path) -> None:
    contract = contract_of(exported)
    names = [f"class {number}" for number in range(1234)]
    contract["condition"] = {**contract["condition"], "count": 1234, "names": names}
    shown = dict(manifest_lines(contract, "it"))
    assert shown["condition"].startswith("label, 1234 classes: class 0, class 1, ")
    assert shown["condition"].endswith("class 99, and 1,134 more")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("small.onnx --part decoder", "holds one part. Leave --part out, or name a run"),
        (
            "small.onnx --checkpoint 3",
            "holds one checkpoint. Leave --checkpoint out, or name a run",
        ),
        ("none.onnx", "none.onnx cannot be read"),
        ("fake.onnx", "fake.onnx is not an ONNX file"),
        ("nothing", "unknown run 'nothing'"),
        ("RUN --part decodr", "unknown part 'decodr'. Did you mean 'decoder'?"),
        ("RUN --checkpoint 3", "has no checkpoint '3'"),
        ("", "Missing argument 'RUN|FILE.onnx'"),
    ],
)
def test_mistakes_are_one_line(
    small_run: gtk.Run,
    exported: Path,
    gtk_command: Command,
    workplace: Path,
    arguments: str,
    message: str,
) -> None:
    (workplace / "fake.onnx").write_text("not ONNX")
    (workplace / "small.onnx").write_bytes(exported.read_bytes())
    result = gtk_command("inspect", *arguments.replace("RUN", str(small_run.path)).split())
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert message in result.err
