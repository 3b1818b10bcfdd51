"""`gtk plugins check`: run the test kit on a plugin."""

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from gtk.cli.config_options import click_option
from gtk.cli.console import make_console, print_json, print_line
from gtk.cli.options import json_option
from gtk.core.registry.discovery import find
from gtk.core.registry.installed import DATASET, KINDS, LOSS, Kind, installed
from gtk.core.registry.options import Option, make_config, options_of
from gtk.core.registry.suggestion import unknown_option
from gtk.core.registry.unknown_plugin import unknown_plugin
from gtk.core.settings.image_source import find_dataset, split_reference
from gtk.core.values.errors import InvalidValue, PluginError, WorkFailed
from gtk.core.values.text import visible
from gtk.defaults import DEFAULT_DATA

if TYPE_CHECKING:
    from gtk.testing.check import Specimen
    from gtk.testing.kit import CheckResult

#: How the terminal shows what a check found.
COLORS = {"passed": "green", "skipped": "yellow", "expected": "yellow", "failed": "red"}


@click.command(name="check")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice([kind.name for kind in KINDS]),
    help="The kind of the plugin, where plugins of several kinds have the name.",
)
@click.option(
    "--data",
    metavar="NAME[:PATH]",
    help="The data set it is tried with; for a data set that reads files, its own name with a path "
    "to some.  [default: digits]",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="One of the plugin's own options, or of the model that a loss is tried with, where its "
    "default does not fit the images it is tried with; can be repeated.",
)
@json_option()
def plugins_check(
    *, name: str, kind: str | None, data: str | None, options: tuple[str, ...], as_json: bool
) -> None:
    """Run the test kit on a plugin.

    NAME is the plugin's name, or PACKAGE/NAME. The exit code is 1 if a check fails.

    gtk plugins check vae
    """
    from gtk.testing.check import Specimen

    chosen = find_kind(name, kind)
    _check_data(chosen, name, data)
    specimen = Specimen(chosen, name, data or DEFAULT_DATA, _parse_options(chosen, name, options))
    title = f"{chosen.name} {name!r}{_origin(chosen, name)}"
    if not as_json:
        print_line(title)
    results = _run_checks(specimen, quiet=as_json)
    counts = Counter(result.status for result in results)
    if as_json:
        document = {
            "kind": chosen.name,
            "name": name,
            "checks": [vars(result) for result in results],
            "passed": not counts["failed"],
        }
        print_json(document)
    if counts["failed"]:
        failed = ", ".join(result.check for result in results if result.status == "failed")
        raise WorkFailed(
            f"{counts['failed']} of {len(results)} checks failed for {title}: {failed}"
        )
    if not as_json:
        skipped = f", {counts['skipped']} had nothing to look at" if counts["skipped"] else ""
        print_line(f"{counts['passed']} of {len(results)} checks passed{skipped}")


def _check_data(kind: Kind[Any], name: str, data: str | None) -> None:
    """Refuse data that no check could tell from a failure of the plugin.

    Raises:
        UserError: there is no such data set, or no file at its path; or a data set is tried with
            another one.
    """
    given, path = split_reference(data)
    if kind is not DATASET:
        find_dataset(given or DEFAULT_DATA)
    elif given is not None and given.rpartition("/")[2] != name.rpartition("/")[2]:
        raise InvalidValue(
            f"--data {data} is another data set: give the place of the files, {name}:PATH"
        )
    if path is not None and not path.exists():
        raise InvalidValue(
            f"--data {data}: {str(path)!r} does not exist: give the place of the files"
        )


def find_kind(name: str, kind: str | None) -> Kind[Any]:
    """Return the kind that is given, or the one that has a plugin of that name.

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
        raise InvalidValue(f"plugins of several kinds are called {name!r}: say {choices}")
    return having[0]


def _origin(kind: Kind[Any], name: str) -> str:
    try:
        return f" of {find(kind, name).installed}"
    except PluginError:  # which the checks report
        return ""


def _parse_options(kind: Kind[Any], name: str, texts: Sequence[str]) -> dict[str, Any]:
    """Read NAME=VALUE texts as values of the plugin's options, or of the model that a loss is for.

    Raises:
        InvalidValue: a text is something else, a name is given twice, or a value is impossible.
        UnknownName: the plugin has no such option.
        PluginError: there are texts, and the plugin cannot be loaded to know its options.
    """
    if not texts:
        return {}
    plugin, where = find(kind, name), f"{kind.name} {name!r}"
    configs = {kind.name: plugin.spec.config}
    if kind is LOSS:
        from gtk.testing.loss_case import candidates  # which imports torch

        for model in islice(candidates(plugin), 1):
            configs["model"] = model.spec.config
    options = {table: options_of({table: config}) for table, config in configs.items()}
    # A name that both have means the loss's own option.
    known = {option.field: option for table in reversed(options) for option in options[table]}
    if not known:
        raise InvalidValue(f"{where} has no options: leave --option out")
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        field = key.removeprefix("--").replace("-", "_")
        if not equals:
            raise InvalidValue(f"--option takes NAME=VALUE, not {text!r}")
        if field not in known:
            raise unknown_option(f"option of {where}", key, known)
        if field in values:
            raise InvalidValue(f"--option gives {field} twice")
        values[field] = _parse_value(known[field], value)
    for table, config in configs.items():  # to find a mistake before the checks
        own = {field: value for field, value in values.items() if known[field].table == table}
        make_config(config, own, where if table == kind.name else f"the model of {where}")
    return values


def _parse_value(option: Option, text: str) -> Any:  # noqa: ANN401 - of the option's type
    """Read a value as `gtk train` reads that of the option's own flag."""
    parameter = click_option(option, option.default, "")
    try:
        return parameter.type.convert(text, parameter, None)
    except click.BadParameter as error:
        reason = error.message.rstrip(".")
        raise InvalidValue(f"--option {option.field}={text}: {reason}") from error


def _run_checks(specimen: "Specimen", *, quiet: bool) -> "list[CheckResult]":
    """Run each check, and print its result at once unless that is to be quiet."""
    from gtk.testing.check import check_name
    from gtk.testing.kit import checks_of, run_check

    results = []
    for check in checks_of(specimen.kind).values():
        try:
            with redirect_stdout(sys.stderr):  # what a plugin prints is not a result
                results.append(run_check(check, specimen))
        except KeyboardInterrupt:  # Ctrl-C, or the plugin raises it
            print_line(f"Stopped by KeyboardInterrupt in the check '{check_name(check)}'", err=True)
            raise
        if not quiet:
            _print(results[-1])
    return results


def _print(result: "CheckResult") -> None:
    from rich.text import Text

    line = Text(visible(f"{result.status:<8} "), style=COLORS[result.status])
    line.append(result.check, style="default")
    console = make_console()
    console.print(line)
    if result.message:
        message = " ".join(result.message.split())
        console.print(Text(visible(f"         {message}")), soft_wrap=False)
