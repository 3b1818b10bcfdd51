"""Measure exported files against PyTorch: their pixels, how long they take to export, their speed.

    python benchmarks/exports.py --data-root FOLDER --out exports.json [--runs runs] [--device cpu]
        [--recipes vae-conv,...] [--sections pixels,export,speed] [--epochs RECIPE=N] [--seconds 10]

A run in --runs that has a recipe's name is taken as it is, else it is trained. For each recipe:

- pixels: 10,000 images of seed 0, labels going through all classes, drawn by the runtime from the
  decoder's or generator's file on --device, and by `Run.sample` on the CPU, as 8-bit pixels: how
  many differ, and by how many levels at most. For fp32, and for fp16 beside it.
- export: seconds that `gtk.export` of each part takes in a fresh process in which torch is imported
  already; the median of three processes.
- speed: what `gtk bench` measures, at batch 1, 16 and 256, for longer, in a fresh process.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RECIPES = ("cvae-mlp", "vae-mlp", "vae-2d", "cgan-conv", "vae-conv")
SECTIONS = ("pixels", "export", "speed")
IMAGES = 10_000
PROCESSES = 3


def main() -> None:
    """Print a JSON line for each figure, and write all of them."""
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
        return
    given = parse()
    found: list[dict[str, Any]] = []
    for recipe in given.recipes:
        run = find_or_train(recipe, given)
        for section in given.sections:
            for figures in measure(section, run, given):
                found.append({"section": section, "recipe": recipe, **figures})
                print(json.dumps(found[-1]), flush=True)
    packages = ("generative-toolkit", "torch", "onnx", "onnxscript")
    document = {
        "date": datetime.now(UTC).date().isoformat(),
        "device": given.device,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "figures": found,
    }
    given.out.write_text(json.dumps(document, indent=2) + "\n")


def parse() -> argparse.Namespace:
    """Return what the command line says."""

    def listed(text: str) -> list[str]:
        return text.split(",")

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-root", type=Path, help="needed where a recipe is to be trained")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipes", type=listed, default=RECIPES)
    parser.add_argument("--sections", type=listed, default=SECTIONS)
    parser.add_argument("--epochs", action="append", default=[], metavar="RECIPE=N")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=10.0, help="of speed, for a batch size")
    given = parser.parse_args()
    for name in given.sections:
        if name not in SECTIONS:
            parser.error(f"no section {name}: {', '.join(SECTIONS)}")
    return given


def find_or_train(recipe: str, given: argparse.Namespace) -> Path:
    """Return the folder of the run of that name, trained now if there is none."""
    if not (given.runs / recipe / "run.json").exists():
        import gtk

        pairs = (item.partition("=") for item in given.epochs)
        epochs = {name: int(count) for name, _, count in pairs}
        options = {"epochs": epochs[recipe]} if recipe in epochs else {}
        gtk.train(
            recipe=recipe, runs=given.runs, name=recipe, data_root=given.data_root, quiet=True,
            **options,
        )  # fmt: skip
    return given.runs / recipe


def measure(section: str, run: Path, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a section's figures of a run."""
    if section == "pixels":
        return [pixels(run, precision, given.device) for precision in ("fp32", "fp16")]
    if section == "speed":
        return in_new_process("speed", run, given.device, given.seconds)
    [parts] = in_new_process("parts", run)
    rows = []
    for part in parts["parts"]:
        seconds = [in_new_process("export", run, part)[0]["seconds"] for _ in range(PROCESSES)]
        rows.append(
            {"part": part, "median_seconds": statistics.median(seconds), "seconds": seconds}
        )
    return rows


def pixels(path: Path, precision: Any, device: str) -> dict[str, Any]:  # noqa: ANN401 - "fp32" or "fp16"
    """Draw the same images from a file and from its run, and return how they differ."""
    import numpy as np

    import gtk
    from gtk.exports.loaded_part import LoadedModel
    from gtk.exports.onnx import prepare
    from gtk.exports.options import ExportOptions
    from gtk.exports.runtime import load

    run = gtk.Run(path)
    loaded = LoadedModel(run, run.checkpoints.choose(None))
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "model.onnx"
        prepared = prepare(loaded, loaded.part(None), ExportOptions(precision=precision))
        file.write_bytes(prepared.content)
        generator = load(file, device)
        found = generator.sample(count=IMAGES, seed=0).astype(np.int16)
    levels = np.abs(found - run.sample(count=IMAGES, seed=0))
    return {
        "part": prepared.part,
        "precision": precision,
        "bytes": len(prepared.content),
        "images": IMAGES,
        "device": generator.device,
        "pixels": levels.size,
        "differ": int(np.count_nonzero(levels)),
        "share": np.count_nonzero(levels) / levels.size,
        "largest_level": int(levels.max()),
        "parity": prepared.parity.largest,
    }


def in_new_process(*arguments: object) -> list[dict[str, Any]]:
    """Run a part of this script by itself."""
    command = [sys.executable, __file__, "--child", *map(str, arguments)]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: list[dict[str, Any]] = json.loads(result.stdout.splitlines()[-1])
    return found


def child(what: str, run: str, *arguments: str) -> None:
    """Measure one thing in this process and print it."""
    measured = {"parts": child_parts, "export": child_export, "speed": child_speed}[what]
    print(json.dumps(measured(Path(run), *arguments)))


def child_parts(run: Path) -> list[dict[str, Any]]:
    """Return the names of a run's parts."""
    import gtk

    return [{"parts": list(gtk.Run(run).load_model().exports())}]


def child_export(run: Path, part: str) -> list[dict[str, Any]]:
    """Export a part once and return how long it took, from after torch is imported."""
    import torch  # noqa: F401 - so that it is

    with tempfile.TemporaryDirectory() as work:
        start = time.perf_counter()
        import gtk

        gtk.export(run, Path(work) / "model.onnx", part=part)
        return [{"seconds": time.perf_counter() - start}]


def child_speed(run: Path, device: str, seconds: str) -> list[dict[str, Any]]:
    """Measure the part that makes images in onnxruntime and PyTorch in turns."""
    import gtk
    from gtk.exports.bench import BATCH_SIZES, open_run

    measurable = open_run(gtk.Run(run), None, device)
    rows = []
    for size in BATCH_SIZES:
        timings = measurable.measure(size, float(seconds))
        sides = dict(zip(("onnxruntime_ms", "pytorch_ms"), timings, strict=False))
        spread = {
            name: [1000 * value for value in (timing.median, timing.lower, timing.upper)]
            for name, timing in sides.items()
        }
        ratio = timings[1].median / timings[0].median if len(timings) > 1 else None
        rows.append(
            {"part": measurable.manifest["part"], "batch_size": size, **spread, "ratio": ratio}
        )
    facts = {
        "machine": measurable.machine(),
        "threads": measurable.threads,
        "protocol": measurable.protocol(float(seconds)),
        **measurable.versions(),
    }
    return [{**row, **facts} for row in rows]


if __name__ == "__main__":
    main()
