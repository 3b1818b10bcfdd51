"""A contender of the table: gtk, training a row's networks in blocks.

    python -m benchmarks.gtk_contender ROW --images FILE --folder FOLDER [--options JSON]

It is driven through its standard input (`blocks.py`). `Training` is what `gtk.train` calls, without
the callbacks that draw; neither this loop nor the tutorial's saves anything while it is timed.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import gtk
from benchmarks.blocks import Blocks
from benchmarks.rows import recipe_file, report_every
from gtk.core.settings.choice import Choice, Settings
from gtk.core.storage.run import Run
from gtk.core.storage.runs import RunPlace
from gtk.core.training.progress import Progress
from gtk.core.training.training import Training
from gtk.defaults import find_recipe


class Timer:
    """A callback that ends blocks where gtk reports, when the device has computed all steps."""

    def __init__(self, blocks: Blocks, every: int, device: str) -> None:
        self.blocks, self.every, self.cuda = blocks, every, device.startswith("cuda")
        self.facts: dict[str, Any] = {}
        self.images = 0

    @gtk.hookimpl
    def gtk_train_start(self, run: Run) -> None:
        """Note what the trial chose."""
        train = run.settings.train
        self.facts = {name: getattr(train, name) for name in ("precision", "memory_format")}
        self.facts |= {"threads": run.document["threads"], "trial": run.document["trial"]}
        self.images = self.every * train.batch_size
        self.blocks.resume()

    @gtk.hookimpl
    def gtk_step_end(self, progress: Progress) -> None:
        """Count the images since the last report, unless it came early, after the last step."""
        if progress.step % self.every == 0:
            self.blocks.trained(self.images, **self.facts, **self._gpu_memory())

    def _gpu_memory(self) -> dict[str, float]:
        if not self.cuda:
            return {}
        import torch

        return {"gpu_peak_mib": round(torch.cuda.max_memory_allocated() / 2**20, 1)}


def settle(row: str, images: Path, options: dict[str, Any], device: str = "cpu") -> Settings:
    """Return the settings of a row's training on the images of a file."""
    choice = Choice.by_name(None, f"npz:{images}", recipe=find_recipe(recipe_file(row)))
    usual = {"log_every": report_every(row, device), "checkpoint_every": 10**9}
    return choice.settle({**usual, **options}, None)


def main() -> None:
    """Train until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("row")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--options", type=json.loads, default={})
    given = parser.parse_args()
    timer = Timer(Blocks(), report_every(given.row, given.device), given.device)
    while True:  # a training that is done starts over
        settings = settle(given.row, given.images, given.options, given.device)
        training = Training(settings, given.device, [timer])
        training.start(RunPlace(given.folder, None, overwrite=False))


if __name__ == "__main__":
    main()
