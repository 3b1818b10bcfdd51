"""How a folder of images is read: what is asked for, apart from what reads it."""

from dataclasses import dataclass, field
from typing import Literal

from gtk.core.values.errors import InvalidValue

#: Images of one size keep it unless a side is longer than this; others get `USUAL_SIDE`.
LARGEST_KEPT, USUAL_SIDE, LONGEST_SIDE = 128, 64, 1024

#: "crop": scaled so that it covers the new size, of which the centre is cut out. "pad": scaled so
#: that it fits inside, on black. "stretch": its sides are scaled apart.
Fit = Literal["crop", "pad", "stretch"]


@dataclass(frozen=True)
class FolderConfig:
    """How a folder of images is read."""

    image_size: tuple[int, ...] = field(
        default=(),
        metadata={
            "help": "Pixels of each side, or height,width. Unless given: as the images are, if all "
            f"have one size of at most {LARGEST_KEPT}, else {USUAL_SIDE}."
        },
    )
    color: Literal["auto", "grey", "rgb"] = field(
        default="auto", metadata={"help": "auto: grey if every image is."}
    )
    fit: Fit = field(
        default="crop",
        metadata={"help": "How other shapes are fitted: cut, on a black border, or distorted."},
    )
    bad_images: Literal["skip", "fail"] = field(
        default="fail", metadata={"help": "What is done about files that cannot be used."}
    )

    def __post_init__(self) -> None:
        if len(self.image_size) > 2 or any(
            not 1 <= side <= LONGEST_SIDE for side in self.image_size
        ):
            raise InvalidValue(
                f"image_size is one or two numbers in 1..{LONGEST_SIDE}, not "
                f"{','.join(map(str, self.image_size))}"
            )
