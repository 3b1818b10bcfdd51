"""What the images of a picture are conditioned on: its options, and how they are read."""

from collections.abc import Sequence
from typing import Any

import click
from numpy.typing import NDArray

from gtk.cli.options import Decorator
from gtk.core.values.condition import NONE, Classes, ConditionSpec
from gtk.core.values.errors import InvalidValue
from gtk.core.values.text import as_utf8


def condition_options(label_help: str) -> Decorator:
    """Return a decorator that adds --label and --condition, as `label` and `conditions`."""
    label = click.option(
        "--label", type=as_utf8, multiple=True, callback=_only, metavar="CLASS", help=label_help
    )
    condition = click.option(
        "--condition",
        "conditions",
        type=as_utf8,
        multiple=True,
        metavar="NAME=VALUE",
        help="An attribute (0 or 1) or a number; can be repeated.",
    )
    return lambda command: label(condition(command))


def _only(context: click.Context, _: click.Parameter, labels: tuple[str, ...]) -> str | None:
    """Return the label; click would take the last of several without a word."""
    if len(labels) > 1:
        several = any(option.name == "labels" for option in context.command.params)
        more = f", or classes with --labels {','.join(labels)}" if several else ""
        raise InvalidValue(f"--label is given {len(labels)} times: give one class{more}")
    return labels[0] if labels else None


def wanted_condition(
    spec: ConditionSpec | None, label: str | None, conditions: Sequence[str]
) -> NDArray[Any] | None:
    """Return the row that --label or --condition asks for, None where neither is given.

    Raises:
        InvalidValue: the model takes no such condition, or a text is not NAME=VALUE.
        UnknownName: no class, attribute or number has a name.
    """
    if conditions and (spec is None or isinstance(spec, Classes)):
        raise InvalidValue("this model takes no attributes or numbers: leave --condition out")
    if label is not None:
        if spec is None:
            raise InvalidValue("this model was trained without a condition: leave --label out")
        check_classes(spec)
        return spec.encode(label)
    if spec is None or not conditions:
        return None
    if list(conditions) == [NONE]:
        return spec.encode(None)
    if not spec.by_name and len(conditions) == 1:
        return spec.encode(conditions[0])
    return spec.encode(parse_numbers(conditions, "--condition"))


def check_classes(spec: ConditionSpec) -> None:
    """Refuse a condition other than classes.

    Raises:
        InvalidValue: it says which option to use.
    """
    if not isinstance(spec, Classes):
        names = ", ".join(spec.names)
        raise InvalidValue(f"this model has no classes: give {names} with --condition NAME=VALUE")


def split_names(text: str, names: Sequence[str]) -> list[str]:
    """Split names at commas; a name that has commas itself is found as the longest that fits."""
    parts, known = text.split(","), set(names)
    longest = 1 + max(name.count(",") for name in names)
    found: list[str] = []
    while parts:
        ends = range(min(longest, len(parts)), 0, -1)
        joined = ((end, ",".join(parts[:end]).strip()) for end in ends)
        end, name = next((pair for pair in joined if pair[1] in known), (1, parts[0].strip()))
        found.append(name)
        parts = parts[end:] if longest > 1 else parts[1:]
    return found


def split_numbers(text: str) -> list[str]:
    """Split NAME=NUMBER texts at commas, of which a name may have some itself."""
    found, before = list[str](), ""
    for part in text.split(","):
        before += part
        if "=" in part:
            found.append(before)
            before = ""
        else:
            before += ","
    return [*found, before.removesuffix(",")] if before else found


def parse_numbers(texts: Sequence[str], option: str) -> dict[str, float]:
    """Read NAME=VALUE texts.

    Raises:
        InvalidValue: a text is something else, or a name is given twice.
    """
    numbers: dict[str, float] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")  # a name may have one
        name, value = (name, value) if equals else (text, "")
        if name in numbers:
            raise InvalidValue(f"{option} gives {name!r} twice")
        try:
            numbers[name] = float(value)
        except ValueError as error:
            raise InvalidValue(f"{option} takes NAME=NUMBER, not {text!r}") from error
    return numbers
