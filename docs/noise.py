"""Write docs/noise.json, noise to compare a translation of numpy's with: python docs/noise.py."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.noise import purpose
from gtk.core.values.seeding import derive_seed

FILE = Path(__file__).with_suffix(".json")
#: One word of a seed, two, and more than the four that numpy's pool has.
SEEDS = (0, 7, 2**32, 2**63, 2**200 + 7)
#: Names of inputs that have seeds of their own: a text of one block of BLAKE2b, and of two.
PORTS = ("steps", "a" * 128)
#: How many numbers are drawn of each seed.
COUNT = 200_000
#: Beyond this a number is from the ziggurat's tail.
TAIL = 3.6541528853610088


def vectors() -> list[dict[str, Any]]:
    """Return what docs/apps.md, "One seed, one image", describes for each seed."""
    return [vector(seed) for seed in SEEDS]


def vector(seed: int) -> dict[str, Any]:
    """Return the seed, the bits that follow from it, the first numbers and some later ones."""
    sequence = np.random.SeedSequence(seed)
    raw = np.random.PCG64(sequence).random_raw(4)
    drawn = np.random.default_rng(seed).standard_normal(COUNT, dtype=np.float32)
    tails = np.flatnonzero(abs(drawn) > TAIL)[:3]
    later = [1_000, 10_000, 100_000, COUNT - 1, *tails.tolist()]
    return {
        "seed": str(seed),  # JavaScript would round a number
        "words": sequence.generate_state(8).tolist(),
        "bits": [half for number in raw.tolist() for half in (number & 0xFFFFFFFF, number >> 32)],
        "first": shortest(drawn[:16]),
        "later": dict(zip(map(str, later), shortest(drawn[later]), strict=True)),
        "derived": {purpose(name): derive_seed(seed, purpose(name)) for name in PORTS},
    }


def shortest(numbers: NDArray[np.float32]) -> list[float]:
    """Return numbers that JSON writes with the fewest digits that are the same in float32."""
    return [float(str(number)) for number in numbers]


if __name__ == "__main__":
    lines = ",\n".join(map(json.dumps, vectors()))
    FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
