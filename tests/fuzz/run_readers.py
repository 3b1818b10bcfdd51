"""What gtk does with a run's own files where a stranger has changed them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import inputs
from readers import Kind, command

from gtk.core.registry.train_request import TrainRequest
from gtk.train_function import choose


def run_kinds(run: Path) -> dict[str, Kind]:
    """Return a kind for each of a run's JSON files: it is changed, and commands look at the run."""
    (state,) = sorted(run.glob("checkpoints/*/state.json"))[-1:]
    lines = (run / "metrics.jsonl").read_text().splitlines()

    def metrics(random: Random) -> bytes:
        found = [line.encode() for line in lines]
        for _ in range(random.randrange(1, 3)):
            place = random.randrange(len(found))
            found[place] = inputs.changed_document(random, json.loads(lines[place]))
        return b"\n".join(found) + random.choice([b"\n", b"\n", b"", b"\n\n"])

    def kind(file: Path, make: Callable[[Random], bytes] | None, *looks: str) -> Kind:
        name = file.relative_to(run)
        document = None if make else json.loads(file.read_text())

        def read(content: bytes) -> None:
            shutil.rmtree("runs", ignore_errors=True)
            shutil.copytree(run, "runs/run")
            (Path("runs/run") / name).write_bytes(content)
            for look in looks:
                command(*look.split())
            if name.name == "run.json":
                choose(TrainRequest(recipe="runs/run/run.json")).settle({}, None)

        return Kind(make or (lambda random: inputs.changed_document(random, document)), read)  # type: ignore[arg-type]

    looks = ("runs", "report run", "compare run run")
    return {
        "run.json": kind(run / "run.json", None, *looks),
        "metrics": kind(run / "metrics.jsonl", metrics, *looks),
        "timing": kind(run / "timing.json", None, "compare run run"),
        "state": kind(state, None, "runs", "sample run -n 2 --out out.png --overwrite"),
        "latents": kind(run / "pictures" / "latents.json", None, "report run"),
    }
