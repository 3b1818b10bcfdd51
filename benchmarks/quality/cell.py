"""A cell of the table: one training of a family with a budget of time."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

#: gtk's models, trained as `gtk train --plugin NAME --data DATA` trains them.
FAMILIES = ("vae", "cvae", "gan", "cgan", "flow", "diffusion")
#: The data sets, with the seeds that the table is to have.
SEEDS = {"mnist": (0, 1, 2), "fashion-mnist": (0,), "cifar10": (0,)}
#: The budgets: minutes of one core. Two cores have half of them each.
CORE_MINUTES = (20.0, 120.0)


@dataclass(frozen=True)
class Cell:
    """What is trained, and for how long.

    Attributes:
        data: the data set.
        family: the model.
        seed: of the training.
        minutes: the steps of the training may take.
        threads: of the CPU, a core for each.
    """

    data: str
    family: str
    seed: int
    minutes: float
    threads: int

    @property
    def core_minutes(self) -> float:
        """The budget in minutes of one core."""
        return self.minutes * self.threads

    @property
    def name(self) -> str:
        """The name of its run."""
        return f"{self.data}-{self.family}-{self.core_minutes:g}-seed-{self.seed}"

    def is_of(self, row: dict[str, Any]) -> bool:
        """Return whether a stored row is of this cell, with as many minutes of a core."""
        same = all(row[key] == value for key, value in asdict(self).items() if key in KEYS)
        return same and row["minutes"] * row["threads"] == self.core_minutes


#: What tells cells of one budget apart.
KEYS = ("data", "family", "seed")


def cells(
    data: Iterable[str],
    families: Iterable[str],
    seeds: Iterable[int] | None,
    minutes: float,
    threads: int,
) -> Iterator[Cell]:
    """Yield the cells, one seed of all before the next; `seeds` are by default those of `SEEDS`."""
    chosen = {name: SEEDS.get(name, (0,)) if seeds is None else tuple(seeds) for name in data}
    families = tuple(families)
    for place in range(max(map(len, chosen.values()))):
        for name, numbers in chosen.items():
            for family in families:
                if place < len(numbers):
                    yield Cell(name, family, numbers[place], minutes, threads)
