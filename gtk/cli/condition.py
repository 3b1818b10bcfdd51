"""What the images of a picture are conditioned on: options, and names for people."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from gtk.core.values.condition import NONE, Classes, ConditionSpec
from gtk.core.values.errors import InvalidValue

if TYPE_CHECKING:
    from numpy.typing import NDArray


def condition_options(label_help: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds --label and --condition, as `label` and `conditions`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        condition = click.option(
            "--condition",
            "conditions",
            multiple=True,
            metavar="NAME=VALUE",
            help="An attribute (0 or 1) or a number; can be repeated.",
        )
        return click.option("--label", metavar="CLASS", help=label_help)(condition(command))

    return decorate


def wanted_condition(
    spec: ConditionSpec | None, label: str | None, conditions: Sequence[str]
) -> "NDArray[Any] | None":
    """Return the row that --label or --condition asks for, None where neither is given.

    Raises:
        InvalidValue: the model takes no such condition, or a text is no NAME=VALUE.
        UnknownName: no class, attribute or number goes by a name.
    """
    if conditions and (spec is None or isinstance(spec, Classes)):
        raise InvalidValue("--condition is for models of attributes or numbers, which this is not")
    if label is not None and spec is None:
        raise InvalidValue("this model was trained without a condition: leave --label out")
    if spec is None or (label is None and not conditions):
        return None
    if label is not None and not isinstance(spec, Classes):
        names = ", ".join(spec.names)
        raise InvalidValue(f"this model has no classes: give {names} with --condition NAME=VALUE")
    if label is not None:
        return spec.encode(label)
    if list(conditions) == [NONE]:
        return spec.encode(None)
    if not spec.by_name and len(conditions) == 1:
        return spec.encode(conditions[0])
    return spec.encode(parse_numbers(conditions, "--condition"))


def parse_numbers(texts: Sequence[str], option: str) -> dict[str, float]:
    """Read NAME=VALUE texts.

    Raises:
        InvalidValue: a text is something else, or a name is given twice.
    """
    vector: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name in vector:
            raise InvalidValue(f"{option} gives {name} twice")
        try:
            vector[name] = float(value)
        except ValueError as error:
            raise InvalidValue(f"{option} takes NAME=NUMBER, not '{text}'") from error
    return vector
