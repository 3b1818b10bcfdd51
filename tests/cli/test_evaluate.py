"""`gtk evaluate`, as it is typed."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judge_files import nearest_means, write

import gtk
from gtk.core.storage.evaluations import read_evaluations
from gtk.exports.judge_file import FileJudge
from gtk.pictures.grid import write_png
from gtk.plugins.datasets.digits import load

Command = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("no_pictures", "quick_judges")
DATA = load(gtk.NoConfig(), None)


@pytest.fixture
def run(small_copy: gtk.Run) -> gtk.Run:
    return small_copy


@pytest.fixture
def arrays(workplace: Path) -> Path:
    """The digits' test images with their classes, as another program may write them."""
    path = workplace / "drawn.npz"
    images = DATA.test.images[:, 0]
    names = np.array(DATA.spec.condition.names)  # type: ignore[union-attr]
    np.savez(path, images=images, labels=DATA.test.labels, names=names)
    return path


def figures(result: Any) -> dict[str, dict[str, Any]]:
    """Return the tables of figures that --json prints, by metric."""
    assert result.code == 0, result.err
    return {line["metric"]: line["figures"] for line in json.loads(result.out)["evaluations"]}


def test_by_default_all_of_gtks_metrics_that_fit_are_computed(
    run: gtk.Run, gtk_command: Command
) -> None:
    result = gtk_command("evaluate", "small", "--samples", 300, "--json")
    names = {"class-accuracy", "diversity", "frechet-distance", "kernel-distance", "latent-use",
             "likelihood", "nearest", "neighbours"}  # fmt: skip
    assert set(figures(result)) == names
    assert "a judge of digits is trained once on its 1440 training images" in result.err
    lines = json.loads(result.out)["evaluations"]
    assert read_evaluations(run.path) == lines
    by_name = {line["metric"]: line for line in lines}
    assert by_name["class-accuracy"]["protocol"]["images"] == 300
    assert by_name["likelihood"]["protocol"]["images"] == len(DATA.test), "test images"
    assert by_name["class-accuracy"]["made"]["run"] == "small"
    assert by_name["class-accuracy"]["made"]["seed"] == 0
    again = gtk_command("evaluate", "small", "--samples", 300, "--json")
    assert figures(again) == figures(result), "the same seed gives the same figures"
    assert "is trained once" not in again.err
    assert len(read_evaluations(run.path)) == 2 * len(names)


def test_a_table_shows_figures_intervals_and_protocols(run: gtk.Run, gtk_command: Command) -> None:
    result = gtk_command(
        "evaluate", "small", "--samples", 50, "--metrics", "class-accuracy,diversity"
    )
    head, first, *_, last = result.out.splitlines()
    assert head.split() == ["metric", "figure", "value", "95%", "interval", "better", "protocol"]
    metric, figure, value, low, to, high, better, protocol = first.split()
    assert (metric, figure, to, better) == ("class-accuracy", "accuracy", "to", "higher")
    assert float(low[:-1]) <= float(value[:-1]) <= float(high[:-1])
    (line, _) = read_evaluations(run.path)
    assert protocol == line["hash"]
    assert value == f"{100 * line['figures']['accuracy']['value']:.2f}%"
    assert last.startswith("small against digits, by a judge that is right about ")


def test_the_worst_classes_are_named_with_what_they_are_taken_for(
    workplace: Path, gtk_command: Command
) -> None:
    write(workplace / "own.onnx", ("logits", *nearest_means()))
    judge = FileJudge(workplace / "own.onnx", DATA)
    seen = judge.look(DATA.test.images)[1].argmax(1)
    # Of each class 10 images as the judge sees them; but 4 are called 3, and 1 is called 8.
    rows = [row for label in range(10) for row in np.flatnonzero(seen == label)[:10]]
    asked = seen[rows].copy()
    asked[[40, 41]] = 3
    asked[10] = 8
    np.savez("called.npz", images=DATA.test.images[rows, 0], labels=asked)
    options = "--against", "digits", "--judge", "own.onnx", "--metrics", "class-accuracy"
    result = gtk_command("evaluate", "called.npz", *options)
    assert result.code == 0, result.err
    (line,) = (line for line in result.out.splitlines() if "worst classes" in line)
    assert line == (
        "class-accuracy, worst classes: 3 83.33% (mostly taken for 4), "
        "8 90.91% (mostly taken for 1)"
    )
    np.savez("right.npz", images=DATA.test.images[rows, 0], labels=seen[rows])
    assert "worst classes" not in gtk_command("evaluate", "right.npz", *options).out


def test_images_of_other_programs_are_judged_like_drawn_ones(
    run: gtk.Run, arrays: Path, gtk_command: Command
) -> None:
    options = "--against", "digits", "--metrics", "class-accuracy,diversity,nearest", "--json"
    result = gtk_command("evaluate", arrays, *options)
    found = figures(result)
    judged = json.loads(result.out)["evaluations"][0]
    assert found["diversity"]["diversity"]["value"] == pytest.approx(1)
    assert found["class-accuracy"]["accuracy"]["value"] == pytest.approx(
        judged["protocol"]["judge"]["accuracy"]
    ), "on the test images it is the judge's own accuracy"
    assert found["nearest"]["median"]["value"] == pytest.approx(1)
    assert judged["made"] == {"images": str(arrays), "seed": 0}
    same = gtk_command("evaluate", run.path, "--samples", 357, *options[2:])
    assert json.loads(same.out)["evaluations"][0]["hash"] == judged["hash"]
    assert len(list(run.path.parent.iterdir())) == 1, "nothing is kept beside images"


def test_a_folder_of_pictures_is_judged_by_the_names_of_its_folders(
    workplace: Path, gtk_command: Command
) -> None:
    for row, (image, label) in enumerate(zip(DATA.train.images, DATA.train.labels, strict=True)):
        if row == 100:
            break
        folder = workplace / "pictures" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        write_png(image[0], folder / f"{row}.png")
    options = "--against", "digits", "--json", "--metrics"
    result = gtk_command("evaluate", "pictures", *options, "class-accuracy,nearest")
    found = figures(result)
    assert found["nearest"]["copies"]["value"] == 1, "they are training images"
    judge = FileJudge(write(workplace / "own.onnx", ("logits", *nearest_means())), DATA)
    own = gtk_command("evaluate", "pictures", *options, "class-accuracy", "--judge", "own.onnx")
    right = judge.look(DATA.train.images[:100])[1].argmax(1) == DATA.train.labels[:100]
    assert figures(own)["class-accuracy"]["accuracy"]["value"] == right.mean()
    fewer = gtk_command("evaluate", "pictures", *options, "diversity", "--samples", 30)
    assert json.loads(fewer.out)["evaluations"][0]["protocol"]["images"] == 30


def test_classes_count_by_their_names_in_any_order(
    arrays: Path, workplace: Path, gtk_command: Command
) -> None:
    write(workplace / "own.onnx", ("logits", *nearest_means()))
    options = "--against", "digits", "--judge", "own.onnx", "--metrics", "class-accuracy", "--json"
    expected = figures(gtk_command("evaluate", arrays, *options))
    images, labels = DATA.test.images[:, 0], 9 - DATA.test.labels
    np.savez("reversed.npz", images=images, labels=labels, names=[*"9876543210"])
    assert figures(gtk_command("evaluate", "reversed.npz", *options)) == expected
    np.savez("others.npz", images=images, labels=labels, names=[*"abcdefghij"])
    result = gtk_command("evaluate", "others.npz", *options)
    assert result.code == 2
    assert "others.npz is made for (a, b, c, d, ...) is not among what digits has" in result.err


def test_pictures_of_another_size_are_refused_and_not_scaled(
    workplace: Path, gtk_command: Command
) -> None:
    for name, side in (("a", 64), ("b", 300)):
        (workplace / "pictures").mkdir(exist_ok=True)
        write_png(np.zeros((side, side), np.uint8), workplace / "pictures" / f"{name}.png")
    np.savez("data.npz", images=np.zeros((20, 64, 64), np.uint8))
    options = "--against", "npz:data.npz", "--metrics", "diversity"
    result = gtk_command("evaluate", "pictures", *options)
    assert result.code == 2
    assert "b.png has 300x300 pixels, and the images of pictures would be scaled" in result.err


def test_a_run_whose_data_have_other_images_now_is_refused(
    workplace: Path, gtk_command: Command
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8)).astype(np.uint8)
    np.savez("own.npz", images=images)
    gtk.train("vae", "npz:own.npz", name="own", epochs=1, quiet=True)
    options = "--metrics", "diversity", "--samples", 30
    assert gtk_command("evaluate", "own", *options).err == ""
    np.savez("own.npz", images=images[::-1])
    changed = gtk_command("evaluate", "own", *options)
    assert changed.code == 0
    assert "the files of the data have changed since the training, or were copied" in changed.err
    np.savez("own.npz", images=images[:50])
    fewer = gtk_command("evaluate", "own", *options)
    assert fewer.code == 2
    assert "Put the images back, or name other data with --against" in fewer.err
    assert gtk_command("evaluate", "own", *options, "--against", "npz:own.npz").code == 0


def test_by_default_what_does_not_fit_is_left_out_with_the_reason(
    workplace: Path, gtk_command: Command
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8)).astype(np.uint8)
    np.savez("plain.npz", images=images)
    gtk.train("vae", "npz:plain.npz", name="plain", epochs=1, quiet=True)
    result = gtk_command("evaluate", "plain", "--samples", 30, "--json")
    assert set(figures(result)) == {"diversity", "nearest", "likelihood", "latent-use"}
    left_out = json.loads(result.out)["left_out"]
    assert "a judge is trained on classes, and plain has none" in left_out["frechet-distance"]
    assert "is trained once" not in result.err


def test_the_model_s_own_condition_is_needed_for_likelihoods(
    run: gtk.Run, workplace: Path, gtk_command: Command
) -> None:
    np.savez("plain.npz", images=DATA.test.images[:, 0])
    options = "--against", "npz:plain.npz", "--metrics"
    result = gtk_command("evaluate", "small", *options, "likelihood")
    assert result.code == 2
    assert "gives the model its condition, which these data lack" in result.err
    assert gtk_command("evaluate", "small", *options, "nearest").code == 0


def test_a_name_is_a_run_s_first_and_a_path_is_not(
    run: gtk.Run, workplace: Path, gtk_command: Command
) -> None:
    for name in ("small", "latest"):
        (workplace / name).mkdir()
        for row in range(20):
            write_png(DATA.train.images[row, 0], workplace / name / f"{row}.png")
    options = "--against", "digits", "--metrics", "diversity", "--samples", 30, "--json"
    for source, is_run in (
        ("small", True),
        ("latest", True),
        ("./small", False),
        ("small/", False),
    ):
        result = gtk_command("evaluate", source, *options)
        assert result.code == 0, result.err
        made = json.loads(result.out)["evaluations"][0]["made"]
        assert ("run" in made) is is_run, source


def test_an_exported_file_gives_the_figures_of_its_run(
    run: gtk.Run, exported: Path, gtk_command: Command
) -> None:
    options = "--metrics", "diversity,class-accuracy", "--samples", 60, "--json"
    of_file = figures(gtk_command("evaluate", exported, "--against", "digits", *options))
    of_run = figures(gtk_command("evaluate", "small", *options))
    for metric, figure in (("diversity", "diversity"), ("class-accuracy", "accuracy")):
        value = of_run[metric][figure]["value"]
        assert of_file[metric][figure]["value"] == pytest.approx(value, abs=1e-3)


def test_an_exported_file_needs_no_torch_where_the_metrics_need_none(exported: Path) -> None:
    code = (
        "import sys\n"
        "from gtk.cli.main import run\n"
        f"code = run(['evaluate', {str(exported)!r}, '--against', 'digits', '--metrics', "
        "'diversity,nearest', '--samples', '60'])\n"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "diversity" in result.stdout


def test_a_judge_of_ones_own_takes_the_place_of_gtks(
    run: gtk.Run, workplace: Path, gtk_command: Command
) -> None:
    write(workplace / "own.onnx", ("logits", *nearest_means()))
    options = "--metrics", "class-accuracy", "--samples", 50, "--json"
    result = gtk_command("evaluate", "small", "--judge", "own.onnx", *options)
    (line,) = json.loads(result.out)["evaluations"]
    assert line["protocol"]["judge"]["accuracy"] == FileJudge(Path("own.onnx"), DATA).accuracy
    assert result.err == "", "no judge is trained"
    other = gtk_command("evaluate", "small", *options)
    assert json.loads(other.out)["evaluations"][0]["hash"] != line["hash"]
    plain = gtk_command("evaluate", "small", "--judge", "own.onnx", "--metrics", "diversity")
    assert plain.code == 2
    assert "--judge is for metrics that need one, and none of these does: diversity" in plain.err


def test_options_of_metrics_and_samplers_reach_them(run: gtk.Run, gtk_command: Command) -> None:
    options = "--metrics", "likelihood,diversity", "--json", "--samples", 50
    result = gtk_command(
        "evaluate", "small", *options, "--likelihood-samples", 3, "--likelihood-images", 20,
        "--temperature", 0,
    )  # fmt: skip
    found = figures(result)
    assert found["diversity"]["diversity"]["value"] == 0
    likelihood = json.loads(result.out)["evaluations"][0]
    assert likelihood["protocol"]["options"] == {"samples": 3, "images": 20}
    other = gtk_command("evaluate", "small", *options, "--likelihood-images", 20)
    assert json.loads(other.out)["evaluations"][0]["hash"] != likelihood["hash"]
    shown = gtk_command("evaluate", "small", "--help").out
    assert "--likelihood-samples" in shown
    assert "Options of sampler direct" in shown


def test_runs_are_compared_by_figures_of_one_protocol(run: gtk.Run, gtk_command: Command) -> None:
    other = shutil.copytree(run.path, run.path.with_name("other"))
    for name, temperature in (("small", 1), ("other", 0)):
        options = "--metrics", "diversity", "--samples", 40, "--temperature", temperature
        assert gtk_command("evaluate", name, *options).code == 0
    (line,) = (line for line in gtk_command("compare", "small", "other").out.splitlines()
               if "diversity" in line)  # fmt: skip
    protocol = read_evaluations(other)[0]["hash"]
    cells = [cell.strip() for cell in line.split("│")[1:4]]
    assert cells[0] == f"diversity diversity ({protocol})"
    assert cells[1].endswith("(best)")
    assert cells[2] == "0"
    (other / "evaluations.jsonl").write_text("{}\n")
    damaged = gtk_command("compare", "small", "other").out
    assert "evaluations.jsonl is damaged" in " ".join(damaged.split())
    assert "cannot be compared" not in damaged
    (other / "evaluations.jsonl").unlink()
    gtk_command("evaluate", "other", "--metrics", "diversity", "--samples", 50)
    out = gtk_command("compare", "small", "other").out
    assert "Figures of diversity do not compare: their protocols differ." in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["small", "--metrics", "fid"], "unknown metric 'fid'"),
        (["small", "--metrics", ","], "--metrics names no metric"),
        (["small", "--samples", "0"], "0 is not in the range 1<=x<=1000000"),
        (["small", "--against", "mnisst"], "unknown data set 'mnisst'"),
        (["small", "--likelihood-samples", "0"], "samples must be within 1..100,000, not 0"),
        (["small", "--sampler", "heun"], "sampler 'heun' is for models of type"),
        (["missing"], "unknown run 'missing'"),
        (["drawn.npz", "--against", "digits", "--temperature", "0"], "No such option"),
        (["drawn.npz"], "name the data to compare with: --against NAME"),
        (["drawn.npz", "--against", "digits", "--sampler", "heun"],
         "--sampler is for runs, and drawn.npz holds images"),
        (["drawn.npz", "--against", "digits", "--metrics", "likelihood"],
         "metric 'likelihood' is for models of type LatentVariableModel, and only its images"),
        (["drawn.npz", "--against", "npz:wide.npz"],
         "the images of drawn.npz have 8x8 pixels in grey, and those of wide 8x9 pixels in grey"),
        (["plain.npz", "--against", "digits", "--metrics", "class-accuracy"],
         "class-accuracy needs images that were made for classes, and these were not"),
        (["small", "--against", "npz:plain.npz", "--metrics", "frechet-distance"],
         "a judge is trained on classes, and plain has none"),
        (["drawn.npz", "--against", "digits", "--metrics", "frechet-distance", "--samples", "9"],
         "needs at least 128 images, as many as the judge has features, and was given 9"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(
    arguments: list[str], message: str, run: gtk.Run, arrays: Path, gtk_command: Command
) -> None:
    with np.load(arrays) as found:
        np.savez("plain.npz", images=found["images"])
        np.savez("wide.npz", images=np.zeros((20, 8, 9), np.uint8))
    result = gtk_command("evaluate", *arguments)
    err = [line for line in result.err.splitlines() if "is trained once" not in line]
    assert (result.code, len(err)) == (2, 1), result.err
    assert message in result.err


def test_an_outside_metric_is_computed_like_gtks_own(
    run: gtk.Run, outside: Path, gtk_command: Command
) -> None:
    named = "brightness,gtk-plugin-brightness/brightness"
    result = gtk_command("evaluate", "small", "--metrics", named, "--samples", 20, "--json")
    assert len(json.loads(result.out)["evaluations"]) == 1, "one metric, named twice"
    assert set(figures(result)) == {"brightness"}
