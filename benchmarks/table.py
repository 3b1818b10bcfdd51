"""One row of the table: contenders that train the same networks, a block of each in turn."""

import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.blocks import Contender, ContenderFailedError, ask
from benchmarks.rows import read_row

FP32 = {"precision": "fp32", "memory_format": "contiguous"}
ARITHMETIC = ("precision", "memory_format", "threads")
#: A training so much longer than the recipe's has a trial where the recipe's is too short for one.
LONGER = 20
#: Where pythae has the same networks: fully connected, without a condition.
IN_PYTHAE = ("vae-mlp", "vae-2d")
COLUMNS = (
    "networks", "Mflop/image", "tutorial", "pythae", "fp32", "default", "at best",
    "default/tutorial", "quartiles", "best/tutorial", "best/pythae", "arithmetic at best",
    "share of a product's rate",
)  # fmt: skip


@dataclass(frozen=True)
class Protocol:
    """How long contenders are measured.

    Attributes:
        seconds: of a block.
        rounds: blocks of each contender that count.
        threads: of the CPU that torch may use.
        device: where they train.
        pythae: the interpreter of an environment with pythae, if there is one.
        best: whether a training that is too short for a trial is measured with one, too.
        variants: more options of gtk to measure, each by itself.
        deadline: when every process must have ended, by `time.monotonic`; None for never.
    """

    seconds: float
    rounds: int
    threads: int
    device: str = "cpu"
    pythae: str | None = None
    best: bool = True
    variants: tuple[dict[str, str], ...] = ()
    deadline: float | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables of every process."""
        number = str(self.threads)
        return {"OMP_NUM_THREADS": number, "MKL_NUM_THREADS": number, "PYTHONWARNINGS": "ignore"}

    @property
    def seconds_left(self) -> float | None:
        """Until the deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


def measure_row(name: str, images: Path, folder: Path, protocol: Protocol) -> dict[str, Any]:
    """Return a row: what each contender reaches, and the operations of a step."""
    counted = ask(
        ["benchmarks.costs", "operations", "--row", name, "--images", str(images),
         "--device", protocol.device],
        protocol.environment,
        protocol.seconds_left,
    )  # fmt: skip
    row: dict[str, Any] = {"row": name, **counted}
    with started(name, images, folder, protocol) as (contenders, notes):
        blocks = rounds(contenders, protocol)
        contestants = {
            contender: figures(contenders[contender], rates, blocks)
            for contender, rates in blocks.items()
        }
    row["contenders"] = with_shares(contestants, row)
    row["notes"] = notes
    return row


@contextmanager
def started(
    name: str, images: Path, folder: Path, protocol: Protocol
) -> Iterator[tuple[dict[str, Contender], list[str]]]:
    """Start a row's contenders, one after another; each then waits for its turn."""
    common = [name, "--images", str(images)]
    device = ["--device", protocol.device]
    contenders: dict[str, Contender] = {}
    notes: list[str] = []

    def add(key: str, python: str, arguments: Sequence[str]) -> None:
        try:
            contenders[key] = Contender(
                python, arguments, protocol.environment, protocol.seconds_left
            )
        except ContenderFailedError as error:
            notes.append(f"{key} failed: {error}")

    def add_gtk(key: str, options: Mapping[str, Any]) -> None:
        place = ["--folder", str(folder / name / key), "--options", json.dumps(options)]
        add(key, sys.executable, ["benchmarks.gtk_contender", *common, *device, *place])

    try:
        add("tutorial", sys.executable, ["benchmarks.tutorial", *common, *device])
        if name in IN_PYTHAE and protocol.pythae and protocol.device == "cpu":
            add("pythae", protocol.pythae, ["benchmarks.pythae_contender", *common])
        elif name in IN_PYTHAE:
            notes.append("pythae left out: no environment given (--pythae-python)")
        # So many threads as the others have: only the trial of the default may take fewer.
        add_gtk("fp32", {**FP32, "threads": protocol.threads})
        add_gtk("default", {})
        default = contenders.get("default")
        if protocol.best and default is not None and not default.first["trial"]:
            epochs = read_row(name)["train"]["epochs"]
            add_gtk("best", {"epochs": LONGER * epochs})
        for options in protocol.variants:
            add_gtk(" ".join(options.values()), options)
        yield contenders, notes
    finally:
        for contender in contenders.values():
            contender.close()


def rounds(contenders: Mapping[str, Contender], protocol: Protocol) -> dict[str, list[float]]:
    """Return images per second of each in every round, the order turned round each time."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for contender in contenders.values():
        contender.block(protocol.seconds)  # to warm up
    for number in range(protocol.rounds):
        for name in list(contenders)[:: -1 if number % 2 else 1]:
            rates[name].append(contenders[name].block(protocol.seconds))
    return rates


def figures(
    contender: Contender, rates: Sequence[float], all_rates: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    """Return the figures of one contender."""
    found = {"images_per_second": spread(rates), "first_step_seconds": contender.first_seconds}
    for other in ("tutorial", "pythae"):
        if other in all_rates:
            pairs = zip(rates, all_rates[other], strict=True)
            found[f"to_{other}"] = spread([mine / theirs for mine, theirs in pairs])
    kept = (*ARITHMETIC, "trial", "gpu_peak_mib")
    found |= {key: value for key, value in contender.latest.items() if key in kept}
    return found | contender.end()


def with_shares(
    contenders: dict[str, dict[str, Any]], row: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Add what share of a large product's rate gtk reaches at the same precision."""
    for found in contenders.values():
        product = row["product"].get(found.get("precision"))
        if product:
            rate = found["images_per_second"]["median"] * row["operations_per_image"]
            found["share_of_product"] = round(rate / product, 3)
    return contenders


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median and the quartiles."""
    lower = median = upper = values[0]
    if len(values) > 1:
        lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": digits(median), "lower": digits(lower), "upper": digits(upper)}


def digits(value: float) -> float:
    """Return a number with four digits."""
    return float(f"{value:.4g}")


def heading() -> str:
    """Return the two lines over the table."""
    return f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}"


def line(row: Mapping[str, Any]) -> str:
    """Return a row of the table."""
    found = row["contenders"]
    best = found.get("best", found.get("default", {}))

    def rate(name: str) -> str:
        rates = found.get(name, {}).get("images_per_second")
        return f"{rates['median']:,.0f}" if rates else ""

    def ratio(of: Mapping[str, Any], key: str) -> str:
        return f"{of[key]['median']:.2f}" if key in of else ""

    default = found.get("default", {})
    quartiles = default.get("to_tutorial")
    cells = (
        row["row"],
        f"{row['operations_per_image'] / 1e6:.3g}",
        *(rate(name) for name in ("tutorial", "pythae", "fp32", "default")),
        rate("best" if "best" in found else "default"),
        ratio(default, "to_tutorial"),
        f"{quartiles['lower']:.2f} to {quartiles['upper']:.2f}" if quartiles else "",
        ratio(best, "to_tutorial"),
        ratio(best, "to_pythae"),
        ", ".join(
            str(best[key]) for key in ("precision", "memory_format", "threads") if key in best
        ),
        str(best.get("share_of_product", "")),
    )
    return f"| {' | '.join(cells)} |"
