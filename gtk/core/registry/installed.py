"""What is installed: plugins as their entry points name them; nothing of theirs is imported."""

import re
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from operator import eq
from typing import Any, Generic, TypeVar

from gtk.core.registry.entry_points import read_entry_points
from gtk.core.registry.spec import (
    CallbackSpec,
    ConditionerSpec,
    DatasetSpec,
    LossSpec,
    MetricSpec,
    ModelSpec,
    SamplerSpec,
    Spec,
)

#: The name of gtk's own package in entry points.
OWN_PACKAGE = "generative-toolkit"

SpecType = TypeVar("SpecType", bound=Spec)


@dataclass(frozen=True)
class Kind(Generic[SpecType]):
    """A kind of plugin: its names, and the class of its specs."""

    name: str
    plural: str
    spec: type[SpecType]

    @property
    def group(self) -> str:
        """The entry point group."""
        return f"gtk.{self.plural}"

    @property
    def hook(self) -> str:
        """The name of the hook that a plugin's module implements."""
        return f"gtk_{self.plural}"


MODEL = Kind("model", "models", ModelSpec)
CONDITIONER = Kind("conditioner", "conditioners", ConditionerSpec)
LOSS = Kind("loss", "losses", LossSpec)
SAMPLER = Kind("sampler", "samplers", SamplerSpec)
METRIC = Kind("metric", "metrics", MetricSpec)
DATASET = Kind("dataset", "datasets", DatasetSpec)
CALLBACK = Kind("callback", "callbacks", CallbackSpec)
KINDS: tuple[Kind[Any], ...] = (MODEL, CONDITIONER, LOSS, SAMPLER, METRIC, DATASET, CALLBACK)


@dataclass(frozen=True, order=True)
class Installed:
    """An entry point: what is known about a plugin without importing it."""

    kind: str
    name: str
    package: str
    version: str
    module: str

    def __str__(self) -> str:
        """The package, as in messages."""
        return f"{self.package} {self.version}"

    @property
    def title(self) -> str:
        """The plugin, as in messages."""
        return f"{self.kind.replace('dataset', 'data set')} '{self.name}'"

    def goes_by(self, name: str) -> bool:
        """Return whether "name" or "package/name" means this plugin."""
        package, _, bare = name.rpartition("/") if name.strip("/") == name else ("", "", name)
        return self.name == bare and (
            not package or _canonical(self.package) == _canonical(package)
        )


@cache
def all_installed() -> tuple[Installed, ...]:
    """List the plugins of all kinds, by kind and name; import none of them."""
    kinds = {kind.group: kind.name for kind in KINDS}
    found = {
        Installed(kinds[entry.group], entry.name, entry.package, entry.version, entry.module)
        for entry in read_entry_points(kinds)
    }
    return tuple(sorted(found))


def installed(kind: Kind[Any]) -> tuple[Installed, ...]:
    """List the plugins of a kind, by name; import none of them."""
    return tuple(item for item in all_installed() if item.kind == kind.name)


def owner(module: str) -> Installed | None:
    """Return the plugin whose package a module is in, None if that is gtk or not a plugin's.

    Args:
        module: its full name. Of packages in one namespace, the one with the longest common prefix
            owns it.
    """
    names, best, longest = module.split("."), None, 0
    for item in all_installed():
        common = sum(takewhile(bool, map(eq, names, item.module.split("."))))
        if common > longest:
            best, longest = item, common
    return None if best is None or _canonical(best.package) == OWN_PACKAGE else best


def describe(thing: object) -> str:
    """Return an object's name for messages: its class, and the plugin's package it is from."""
    package = owner(type(thing).__module__)
    return f"{type(thing).__name__}{'' if package is None else f' of {package}'}"


def _canonical(package: str) -> str:
    """Return the name by which package indices compare packages."""
    return re.sub(r"[-_.]+", "-", package).lower()
