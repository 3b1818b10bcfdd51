"""A check: what it looks at, and how it says what is wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gtk.core.discovery import Kind, Plugin, find


class CheckFailed(AssertionError):
    """A plugin does not keep a promise; the message names cause and remedy."""


class CheckSkipped(Exception):
    """A check has nothing to look at in this plugin; the message says why."""


@dataclass(frozen=True)
class Specimen:
    """A plugin under test.

    Attributes:
        kind: what it is.
        name: its name, or "package/name".
        data: the data set it is tried with, which comes with gtk.
        options: values of its own options, where its defaults are not for so small images.
    """

    kind: Kind[Any]
    name: str
    data: str = "digits"
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def plugin(self) -> Plugin[Any]:
        """The plugin, loaded as a training would load it.

        Raises:
            GtkError: it cannot be.
        """
        return find(self.kind, self.name)


#: Looks at one promise. Raises `CheckFailed` where it is not kept, `CheckSkipped` where it was
#: not made; whatever else it raises is the plugin's failure, too.
Check = Callable[[Specimen], None]
