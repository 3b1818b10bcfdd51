"""Options that several commands share, and options made from config dataclasses."""

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
from click.shell_completion import CompletionItem

from gtk.core.registry.options import Option, parse_integers
from gtk.core.values.user_path import user_path


class Integers(click.ParamType[Any]):
    """Whole numbers separated by commas."""

    name = "integers"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, ...]:
        """Return them as a tuple."""
        try:
            return parse_integers(value)
        except ValueError:
            self.fail(f"'{value}' is not whole numbers such as 256,128", param, ctx)


class UserPath(click.Path):
    """A path; a leading ~ is the user's home, also where no shell has replaced it."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401 - click's signature
        """Return it as a `Path`."""
        return super().convert(user_path(value), param, ctx)


class PluginName(click.ParamType[Any]):
    """A plugin of some kind, completed from what is installed."""

    name = "name"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the installed names that begin so; imports no plugin."""
        from gtk.core.registry.discovery import KINDS, installed

        kind = next(kind for kind in KINDS if kind.name == self.kind)
        names = sorted({item.name for item in installed(kind)})
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class RecipeReference(click.ParamType[Any]):
    """A recipe: the name of one of gtk's own, or a file.

    Args:
        files: whether a file will do.
    """

    name = "recipe"

    def __init__(self, *, files: bool = True) -> None:
        self.files = files

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the names that begin so, or else files."""
        from gtk.defaults import built_in_names

        found = [CompletionItem(name) for name in built_in_names() if name.startswith(incomplete)]
        return found or ([CompletionItem(incomplete, type="file")] if self.files else [])


class RunReference(click.ParamType[Any]):
    """A run: its folder, its name, or "latest"; for some commands also an exported file."""

    name = "run"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        """Return it with a leading ~ replaced."""
        return str(user_path(value)) if str(value).startswith("~") else str(value)

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the names of runs that begin so, or else files."""
        from gtk.core.storage.runs import list_runs

        runs = list_runs(Path(ctx.params.get("runs") or "runs"))
        names = ["latest", *(run.name for run in runs)] if runs else []
        found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="file")]


class HeadedOption(click.Option):
    """An option made from a config field; remembers under which heading it is listed."""

    def __init__(self, *args: Any, heading: str, **kwargs: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **kwargs)
        self.heading = heading


class HeadedCommand(click.Command):
    """A command that lists the options of every plugin under a heading of its own."""

    def help_record(self, ctx: click.Context, parameter: click.Parameter) -> tuple[str, str] | None:
        """Return how an option is typed and what it does, None for an argument."""
        return parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options, gtk's own first."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = self.help_record(ctx, parameter)
            if record is not None:
                heading = parameter.heading if isinstance(parameter, HeadedOption) else "Options"
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def runs_option(command: Any) -> Any:  # noqa: ANN401 - a decorator of click's
    """Add --runs."""
    return click.option(
        "--runs",
        type=UserPath(),
        default=Path("runs"),
        show_default=True,
        metavar="DIR",
        is_eager=True,
        help="The folder that holds the runs.",
    )(command)


def checkpoint_option(command: Any) -> Any:  # noqa: ANN401 - a decorator of click's
    """Add --checkpoint."""
    return click.option(
        "--checkpoint",
        metavar="STEP",
        help="A step, 'latest' or 'best'; by default the best if one was selected, else the last.",
    )(command)


def click_option(option: Option, default: Any, heading: str) -> click.Option:  # noqa: ANN401 - of any type
    """Turn a config field into an option that is None unless given, and says its default."""
    kind = option.type
    flags = [option.flag]
    arguments: dict[str, Any] = {"type": kind}
    if kind is bool:
        flags = [f"{option.flag}/--no-{option.flag.removeprefix('--')}"]
        arguments = {}
    elif get_origin(kind) is Literal:
        arguments = {"type": click.Choice(get_args(kind))}
    elif kind == tuple[int, ...]:
        arguments = {"type": Integers()}
    shown = ",".join(map(str, default)) if isinstance(default, tuple | list) else str(default)
    return HeadedOption(
        [*flags, option.name],
        default=None,
        help=f"{option.help}  [default: {shown}]" if shown else option.help,
        heading=heading,
        **arguments,
    )
