"""What the folders of a folder of images are: splits and classes."""

from dataclasses import dataclass, field

#: The parts of a folder's path below the folder of all images, () for itself.
Parts = tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """What a folder's path says about its images.

    Attributes:
        held_out: whether they are for testing; None if no folder says so.
        classes: the folders of which the first is the class.
    """

    held_out: bool | None
    classes: Parts


@dataclass
class FolderSplits:
    """What every folder with images is.

    Attributes:
        places: by the folder's path, None for images that are not used.
        base: the folder that holds the splits, else ().
        training: the names of the folders for training, in `base`.
        testing: likewise.
        notes: for the user, about what is read otherwise than names say, or could be.
        left_out: a note about folders that are not used, "" without any.
    """

    places: dict[Parts, Place | None]
    base: Parts = ()
    training: list[str] = field(default_factory=list)
    testing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: str = ""

    @property
    def known(self) -> bool:
        """Whether folders say which images are for testing."""
        return any(place and place.held_out is not None for place in self.places.values())

    def __getitem__(self, name: str) -> Place | None:
        """Return the place of an image, or of another file beside images, by its name."""
        parts = tuple(name.split("/")[:-1])
        while parts not in self.places and parts:
            parts = parts[:-1]
        return self.places.get(parts, Place(None, ()))
