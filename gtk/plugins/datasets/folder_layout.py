"""The layout of a folder of images: each image's split and value."""

from dataclasses import dataclass, field

from gtk.core.values.condition import ConditionSpec
from gtk.plugins.datasets.labels import Value


@dataclass(frozen=True)
class Entry:
    """One image: its name in the folder, its value, and whether it is for testing."""

    name: str
    value: Value
    testing: bool


@dataclass
class FolderLayout:
    """All images of a folder, with their values.

    Attributes:
        entries: one for each image, in the order of their names, training images first.
        kind: of the values, None for images without values.
        columns: names of attributes or numbers.
        bad: reasons by name of an image that cannot be used.
        notes: for the user.
    """

    entries: list[Entry] = field(default_factory=list)
    kind: type[ConditionSpec] | None = None
    columns: tuple[str, ...] = ()
    bad: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
