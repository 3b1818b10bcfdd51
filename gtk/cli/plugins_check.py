"""`gtk plugins check`: run the test kit on a plugin."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from gtk.cli.console import make_console
from gtk.cli.options import click_option
from gtk.core.registry.discovery import DATASET, KINDS, Kind, find, installed
from gtk.core.registry.options import Option, make_config, options_of
from gtk.core.registry.unknown_plugin import unknown_plugin
from gtk.core.settings.image_source import find_dataset, split_reference
from gtk.core.values.errors import InvalidValue, PluginError, WorkFailed, unknown_name
from gtk.core.values.text import visible
from gtk.defaults import DEFAULT_DATA

if TYPE_CHECKING:
    from gtk.testing.kit import CheckResult

#: How the terminal shows what a check found.
COLORS = {"passed": "green", "skipped": "yellow", "expected": "yellow", "failed": "red"}


@click.command(name="check")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice([kind.name for kind in KINDS]),
    help="What it is, where plugins of several kinds have the name.",
)
@click.option(
    "--data",
    metavar="NAME[:PATH]",
    help="The data set it is tried with; of a data set of files, itself and where some are. "
    "[default: digits]",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the plugin's own, where its defaults are not for the images it is tried "
    "with; can be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
def plugins_check(
    *, name: str, kind: str | None, data: str | None, options: tuple[str, ...], as_json: bool
) -> None:
    """Run the test kit on a plugin: does it keep what the contracts promise?

    NAME is a plugin's, or PACKAGE/NAME. It ends with exit code 1 if a check fails.

    gtk plugins check vae
    """
    chosen = find_kind(name, kind)
    if chosen is not DATASET:
        find_dataset(split_reference(data)[0] or DEFAULT_DATA)
    elif data is not None and not _names(data, name):
        raise InvalidValue(f"--data {data} is another data set: say where files are, {name}:PATH")
    path = split_reference(data)[1]
    if path is not None and not path.exists():  # what no check could tell from a plugin's failure
        raise InvalidValue(f"--data {data}: there is no {path}; say where the files are")
    values = _parse_options(chosen, name, options)
    title = f"{chosen.name} '{name}'{_origin(chosen, name)}"
    if not as_json:
        click.echo(visible(title))
    results = []
    for result in _results(chosen, name, data or DEFAULT_DATA, values):
        results.append(result)
        if not as_json:
            _print(result)
    counts = Counter(result.status for result in results)
    if as_json:
        checks = [vars(result) for result in results]
        document = {"kind": chosen.name, "name": name, "checks": checks}
        click.echo(json.dumps({**document, "passed": not counts["failed"]}))
    if counts["failed"]:
        failed = ", ".join(result.check for result in results if result.status == "failed")
        raise WorkFailed(
            f"{counts['failed']} of {len(results)} checks failed for {title}: {failed}"
        )
    if not as_json:
        skipped = f", {counts['skipped']} had nothing to look at" if counts["skipped"] else ""
        click.echo(f"{counts['passed']} of {len(results)} checks passed{skipped}")


def _names(data: str, name: str) -> bool:
    """Say whether NAME:PATH names the data set that is checked."""
    return (split_reference(data)[0] or "").rpartition("/")[2] == name.rpartition("/")[2]


def find_kind(name: str, kind: str | None) -> Kind[Any]:
    """Return the kind that is meant: the one given, or the one that has a plugin of that name.

    Raises:
        UnknownName: no plugin has that name.
        InvalidValue: plugins of several kinds have it.
    """
    kinds = [item for item in KINDS if kind in (None, item.name)]
    having = [item for item in kinds if any(one.goes_by(name) for one in installed(item))]
    if not having:
        known = {one.name for item in kinds for one in installed(item)}
        raise unknown_plugin(kind or "plugin", name, known, [item.group for item in kinds])
    if len(having) > 1:
        choices = " or ".join(f"--kind {item.name}" for item in having)
        raise InvalidValue(f"plugins of several kinds are called '{name}': say {choices}")
    return having[0]


def _origin(kind: Kind[Any], name: str) -> str:
    try:
        return f" of {find(kind, name).installed}"
    except PluginError:  # which the checks will tell
        return ""


def _parse_options(kind: Kind[Any], name: str, texts: Sequence[str]) -> dict[str, Any]:
    """Read NAME=VALUE texts as values of the plugin's own options.

    Raises:
        InvalidValue: a text is something else, a name is given twice, or a value is not possible.
        UnknownName: the plugin has no such option.
        PluginError: there are such texts, and the plugin cannot be loaded to know its options.
    """
    if not texts:
        return {}
    config, where = find(kind, name).spec.config, f"{kind.name} '{name}'"
    known = {option.field: option for option in options_of({kind.name: config})}
    if not known:
        raise InvalidValue(f"{where} has no options: leave --option out")
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        field = key.removeprefix("--").replace("-", "_")
        if not equals:
            raise InvalidValue(f"--option takes NAME=VALUE, not '{text}'")
        if field not in known:
            raise unknown_name(f"option of {where}", key, known)
        if field in values:
            raise InvalidValue(f"--option gives {field} twice")
        values[field] = _parse_value(known[field], value)
    make_config(config, values, where)  # so that a mistake is found before the checks
    return values


def _parse_value(option: Option, text: str) -> Any:  # noqa: ANN401 - of the option's type
    """Read a value as `gtk train` reads that of the option's own flag."""
    parameter = click_option(option, option.default, "")
    try:
        return parameter.type.convert(text, parameter, None)
    except click.BadParameter as error:
        reason = error.message.rstrip(".")
        raise InvalidValue(f"--option {option.field}={text}: {reason}") from error


def _results(
    kind: Kind[Any], name: str, data: str, options: Mapping[str, Any]
) -> "Iterator[CheckResult]":
    """Yield what each check finds, as soon as it has."""
    from gtk.testing.check import Specimen, check_name
    from gtk.testing.kit import checks_of, run_check

    specimen = Specimen(kind, name, data, options)
    for check in checks_of(kind).values():
        try:
            with redirect_stdout(sys.stderr):  # what a plugin prints is no result
                result = run_check(check, specimen)
        except KeyboardInterrupt:  # Ctrl-C, or the plugin raises it
            click.echo(f"Stopped by KeyboardInterrupt in the check '{check_name(check)}'", err=True)
            raise
        yield result


def _print(result: "CheckResult") -> None:
    from rich.text import Text

    line = Text(f"{result.status:<8} ", style=COLORS[result.status])
    line.append(result.check, style="default")
    console = make_console()
    console.print(line)
    if result.message:
        message = visible(" ".join(result.message.split()))
        console.print(Text(f"         {message}"), soft_wrap=False)
