"""The kinds of conditions, all imported from here.

Importing this module defines all of gtk's own kinds, so that `ConditionSpec` finds each by name.
"""
# ruff: noqa: PLC0414 - an import under its own name is one that others may import from here

from collections.abc import Mapping
from typing import Any

import numpy as np

from gtk.core.values.attributes import Attributes as Attributes
from gtk.core.values.classes import Classes as Classes
from gtk.core.values.condition_spec import (
    NONE as NONE,
    OWN_KINDS,
    ConditionSpec as ConditionSpec,
    Kind as Kind,
    find_kind,
)
from gtk.core.values.numbers import Numbers as Numbers
from gtk.core.values.other_condition import OtherCondition as OtherCondition


def condition_from_manifest(
    table: Mapping[str, Any], dtype: str, shape: tuple[int, ...]
) -> ConditionSpec:
    """Rebuild the condition of an exported file; a kind of a plugin is its type and shape.

    Args:
        table: as `ConditionSpec.manifest` returned it; an older file lacks what came later.
        dtype: of its port.
        shape: of its port, without the batch.
    """
    names, kind, nullable = tuple(table["names"]), table["kind"], "absent" in table
    if kind in OWN_KINDS:
        known = find_kind(kind)
        ranges = tuple(map(tuple, table["ranges"])) if known.has_ranges else ()
        return known(names, ranges=ranges, nullable=nullable)
    ends, none = table.get("range"), table.get("absent")
    return OtherCondition(
        names, kind, nullable=nullable, dtype=np.dtype(dtype), shape=shape,
        limits=None if ends is None else tuple(ends), none=None if none == "NaN" else none,
    )  # fmt: skip
