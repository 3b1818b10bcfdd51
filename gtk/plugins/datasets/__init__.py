"""Data sets of labelled images."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.options import option
from gtk.core.registry.spec import DatasetSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.preprocessing import Fit, check_range

__all__ = ["Fit"]

#: Side of the square that is cut out of CelebA's aligned images.
CELEBA_CROP = 148
#: Images of one size keep it unless a side is longer than this; others get `USUAL_SIDE`.
LARGEST_KEPT, USUAL_SIDE, LONGEST_SIDE = 128, 64, 1024

#: What the folders in a folder of images are. "classes": those at the top. "splits": those at the
#: top, such as train and test, with classes in them. "class-splits": the other way round. "flat":
#: nothing. "auto": what their names say.
Layout = Literal["auto", "classes", "splits", "class-splits", "flat"]


@dataclass(frozen=True, kw_only=True)
class EMNISTConfig:
    """Options of `emnist`."""

    split: Literal["balanced", "byclass", "bymerge", "letters", "digits", "mnist"] = option(
        "balanced",
        "Which of EMNIST's six collections: 47 classes of equal size, 62 classes, 62 merged to 47, "
        "26 letters regardless of case, or ten digits.",
    )


@dataclass(frozen=True, kw_only=True)
class CelebAConfig:
    """Options of `celeba`.

    Raises:
        ValueError: a size below 1, or larger than what is cut out of the images.
    """

    #: Of the aligned images, their size and the side of the square that is cut out of the centre.
    centre_cut: ClassVar[tuple[int, int, int]] = (178, 218, CELEBA_CROP)
    image_size: int = option(
        64, "Width and height of the images, from 1 to 148 pixels.", memory=True
    )

    def __post_init__(self) -> None:
        if not 1 <= self.image_size <= CELEBA_CROP:
            raise ValueError(
                f"image_size must be in 1..{CELEBA_CROP}, the crop's size, not {self.image_size}"
            )


RANGE_HELP = (
    "LOW,HIGH: the stored values that become black and white, as in 0,4095 for scans of 12 bits. "
    "Unless given: those of the type or format."
)


@dataclass(frozen=True)
class NpzConfig:
    """Options of `npz`.

    Raises:
        InvalidValue: a range that is not two numbers, the lower one first.
    """

    range: tuple[float, ...] = option((), RANGE_HELP)

    def __post_init__(self) -> None:
        check_range(self.range)


@dataclass(frozen=True)
class FolderConfig:
    """Options of `folder`.

    Raises:
        InvalidValue: more than two sides, or one that is too small or too large; or a range that is
            not two numbers, the lower one first.
    """

    image_size: tuple[int, ...] = option(
        (),
        "Pixels of each side, or height,width. Unless given: as the images are, if all have one "
        f"size of at most {LARGEST_KEPT}, else {USUAL_SIDE}.",
        memory=True,
    )
    color: Literal["auto", "grey", "rgb"] = option("auto", "auto: grey if every image is.")
    fit: Fit = option("crop", "How other shapes are fitted: cut, on a black border, or distorted.")
    bad_images: Literal["skip", "fail"] = option(
        "fail", "What is done about files that cannot be used."
    )
    range: tuple[float, ...] = option((), RANGE_HELP)
    pages: Literal["first", "all"] = option(
        "first", "What is read of a file of several pages or frames; all: an image each."
    )
    follow_links: bool = option(
        False, "Follow links to folders, and to files outside of the folder."
    )
    layout: Layout = option(
        "auto", "What folders are: classes, splits with classes in them, or the other way round."
    )
    masks: Literal["skip", "use"] = option(
        "skip", "Whether images of masks, found by their names, are trained on."
    )
    condition: str = option(
        "",
        "COLUMN, COLUMN:KIND or several columns A,B:KIND of the table of labels, where KIND is "
        "classes, numbers or attributes; or folders, or none.",
    )

    def __post_init__(self) -> None:
        check_range(self.range)
        sides = self.image_size
        if len(sides) > 2 or any(not 1 <= side <= LONGEST_SIDE for side in sides):
            raise InvalidValue(
                f"image_size must be one or two numbers in 1..{LONGEST_SIDE}, not "
                f"{','.join(map(str, sides))}"
            )


#: Defaults for the user's own images, which are often few: more epochs, smaller batches and logs
#: sooner.
OWN = {"epochs": 100, "batch_size": 32, "log_every": 20}


@hookimpl
def gtk_datasets() -> list[DatasetSpec]:
    """Return the built-in data sets."""
    return [
        DatasetSpec(
            name="digits",
            summary="1,797 handwritten digits of 8x8 pixels, embedded: nothing to download.",
            target="gtk.plugins.datasets.digits:load",
            root="none",
            # One thread: a second gains nothing on images this small, and waits for the first
            # while another program keeps a core busy.
            defaults={"epochs": 300, "batch_size": 64, "threads": 1},
        ),
        DatasetSpec(
            name="mnist",
            summary="70,000 handwritten digits of 28x28 pixels (LeCun, Cortes, Burges).",
            target="gtk.plugins.datasets.mnist:load",
        ),
        DatasetSpec(
            name="fashion-mnist",
            summary="70,000 grey pictures of clothes of 28x28 pixels, ten kinds (Xiao et al.).",
            target="gtk.plugins.datasets.mnist:load_fashion_mnist",
        ),
        DatasetSpec(
            name="kmnist",
            summary="70,000 handwritten hiragana of 28x28 pixels, ten of them (Clanuwat et al.).",
            target="gtk.plugins.datasets.mnist:load_kmnist",
        ),
        DatasetSpec(
            name="emnist",
            summary="Handwritten letters and digits of 28x28 pixels, six splits (Cohen et al.).",
            target="gtk.plugins.datasets.emnist:load",
            config=EMNISTConfig,
        ),
        DatasetSpec(
            name="cifar10",
            summary="60,000 colour photographs of 32x32 pixels, ten kinds of things (Krizhevsky).",
            target="gtk.plugins.datasets.cifar:load_cifar10",
        ),
        DatasetSpec(
            name="cifar100",
            summary="60,000 colour photographs of 32x32 pixels, 100 kinds of things (Krizhevsky).",
            target="gtk.plugins.datasets.cifar:load_cifar100",
        ),
        DatasetSpec(
            name="svhn",
            summary="99,289 digits of house numbers in colour, 32x32 pixels (Netzer et al.).",
            target="gtk.plugins.datasets.svhn:load",
        ),
        DatasetSpec(
            name="celeba",
            summary="182,732 faces of celebrities in colour, with 40 attributes each (Liu et al.).",
            target="gtk.plugins.datasets.celeba:load",
            config=CelebAConfig,
            defaults={"flip": True},
        ),
        DatasetSpec(
            name="folder",
            summary="Your own images: a folder a class, flat, or with a table of labels.",
            target="gtk.plugins.datasets.folder:load",
            config=FolderConfig,
            root="required",
            defaults=OWN,
        ),
        DatasetSpec(
            name="npz",
            summary="Your own arrays: an .npz file with images and labels.",
            target="gtk.plugins.datasets.npz:load",
            config=NpzConfig,
            root="required",
            defaults=OWN,
        ),
    ]
