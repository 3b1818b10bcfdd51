"""Write docs/commands.md from the commands themselves: python docs/commands.py."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from gtk.cli.config_options import HeadedCommand, HeadedOption, click_option
from gtk.cli.main import gtk
from gtk.core.registry.discovery import find
from gtk.core.registry.installed import CONDITIONER, DATASET, LOSS, MODEL, Kind, installed
from gtk.core.registry.options import options_of

PAGE = Path(__file__).with_name("commands.md")
PACKAGE = "generative-toolkit"
CTX = click.Context(gtk, info_name="gtk", help_option_names=["-h", "--help"])
HEAD = """\
# The commands

Every command and option of `gtk`, generated from the commands by `python docs/commands.py`; a test
fails where this page differs from them. `gtk COMMAND --help` prints the same.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | the work failed |
| 2 | a mistake in the command |
| 130, 143, 129 | interrupted, by Ctrl-C, by SIGTERM, or by SIGHUP, as when a terminal closes |
"""
PLUGIN_OPTIONS = """\
## Options of plugins

`gtk train` also takes the options of the chosen plugins, and `gtk data NAME` those of the data set.
Where two of the chosen plugins have an option of the same name, it is called `--model-NAME`,
`--conditioner-NAME`, `--loss-NAME` or `--data-NAME`.
"""


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for name in gtk.list_commands(CTX):
        command = gtk.get_command(CTX, name)
        if command is not None:
            parts += sections(command, click.Context(command, CTX, info_name=name))
    parts.append(PLUGIN_OPTIONS)
    for kind in (MODEL, CONDITIONER, LOSS, DATASET):
        parts += plugin_tables(kind)
    return "\n".join(parts)


def sections(command: click.Command, ctx: click.Context) -> Iterator[str]:
    """Yield the section of a command, and those of its own commands."""
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    yield f"## {ctx.command_path}\n\n`{usage}`\n"
    yield from paragraphs(command.help or "")
    records: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(ctx):
        record = (
            command.help_record(ctx, parameter)
            if isinstance(command, HeadedCommand)
            else parameter.get_help_record(ctx)
        )
        if record is not None and isinstance(parameter, click.Option):
            heading = parameter.heading if isinstance(parameter, HeadedOption) else ""
            records.setdefault(heading, []).append(record)
    for heading, rows in records.items():
        yield (f"{heading}:\n\n" if heading else "") + table(rows)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            if inner is not None:
                yield from sections(inner, click.Context(inner, ctx, info_name=name))


def paragraphs(text: str) -> Iterator[str]:
    """Yield a command's help; examples in a row become one code block."""
    examples: list[str] = []
    for paragraph in [*re.split(r"\n\s*\n", text.replace("\b", "").strip()), ""]:
        lines = [" ".join(line.split()) for line in paragraph.splitlines()]
        if paragraph.strip().startswith("gtk "):
            examples += lines
            continue
        if examples:
            typed = "\n".join(examples)
            yield f"<!-- not run: examples of what can be typed -->\n```sh\n{typed}\n```\n"
            examples = []
        if paragraph:
            yield escaped(" ".join(lines)) + "\n"


def plugin_tables(kind: Kind[Any]) -> Iterator[str]:
    """Yield a table for each set of options that a built-in plugin of this kind has."""
    named: dict[type, list[str]] = {}
    for item in installed(kind):
        if item.package == PACKAGE:
            config = find(kind, f"{PACKAGE}/{item.name}").spec.config
            named.setdefault(config, []).append(item.name)
    called = "data set" if kind is DATASET else kind.name
    for config, names in named.items():
        if fields(config):
            options = options_of({kind.name: config})
            records = [
                click_option(item, item.default, called).get_help_record(CTX) for item in options
            ]
            rows = [record for record in records if record is not None]
            which = ", ".join(f"`{name}`" for name in names)
            yield f"### {called.capitalize()} {which}\n\n{table(rows)}"


def table(rows: list[tuple[str, str]]) -> str:
    """Return rows of options and what they do, as Markdown."""
    lines = ["| option | what |", "| --- | --- |"]
    lines += [f"| `{cell(option)}` | {cell(escaped(text))} |" for option, text in rows]
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Return text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def escaped(text: str) -> str:
    """Return text in which Markdown sees no tags and no emphasis."""
    return re.sub(r"([<>*_])", r"\\\1", text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
