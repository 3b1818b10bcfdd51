"""Has an option with the name of one of gtk's own."""

from dataclasses import dataclass, field

import gtk


@dataclass(frozen=True)
class Config:
    seed: int = field(default=0, metadata={"help": "Taken."})


@gtk.hookimpl
def gtk_losses():
    return [gtk.LossSpec(name="reserved", summary="-", config=Config, target="nowhere:Loss")]
