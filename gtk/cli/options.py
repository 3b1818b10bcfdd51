"""Arguments and options that several commands share."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gtk.core.registry.options import EXPECTED, READERS
from gtk.core.values.errors import InvalidValue
from gtk.core.values.user_path import user_path

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Decorator = Callable[[Callable[..., None]], Callable[..., None]]
Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


def several(kind: Any) -> Callable[[str], Any]:  # noqa: ANN401 - a type annotation
    """Return what reads the text of a type of several values, such as 256,128."""

    def read(text: str) -> Any:  # noqa: ANN401 - of that type
        try:
            return READERS[kind](text)
        except ValueError as error:
            raise click.BadParameter(f"{text!r} must be {EXPECTED[kind]}") from error

    return read


class UserPath(click.Path):
    """A path; a leading ~ is the user's home, even where no shell has replaced it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's signature
        """Return it as a `Path`; click names the option or argument where it cannot be one."""
        try:
            path = user_path(value)
        except InvalidValue as error:
            self.fail(str(error), param, ctx)
        return super().convert(path, param, ctx)


class RunReference(UserPath):
    """A run's folder, its name or "latest", or an exported file; a leading ~ is replaced."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - as above
        """Return it as a string."""
        path = super().convert(value, param, ctx)
        return str(path) if value.startswith("~") else value


USER_PATH = UserPath(path_type=Path)
RUN_REFERENCE = RunReference()


data_root_option = click.option(
    "--data-root",
    type=USER_PATH,
    metavar="PATH",
    help="Where the run's data are, if they were moved.",
)


def completer(names: Callable[[click.Context], Iterable[str]], *, files: bool = False) -> Completer:
    """Return what completes a word in a shell: to one of `names`, or else to a file."""

    def complete(ctx: click.Context, _: click.Parameter, begun: str) -> "list[CompletionItem]":
        from click.shell_completion import CompletionItem

        known = [name for name in names(ctx) if name.startswith(begun) and name.isprintable()]
        found = [CompletionItem(name) for name in known]
        return found or ([CompletionItem(begun, type="file")] if files else [])

    return complete


def plugin_completer(kind: str) -> Completer:
    """Return what completes the name of a plugin of a kind; it imports no plugin."""

    def names(_: click.Context) -> list[str]:
        from gtk.core.registry.installed import KINDS, installed

        return sorted({item.name for one in KINDS if one.name == kind for item in installed(one)})

    return completer(names)


def recipe_names(_: click.Context) -> Iterable[str]:
    """Return the names of gtk's own recipes."""
    from gtk.defaults import built_in_names

    return built_in_names()


def _run_names(ctx: click.Context) -> list[str]:
    from gtk.core.storage.runs import list_runs

    runs = list_runs(Path(ctx.params.get("runs") or "runs"))
    return ["latest", *(run.name for run in runs)] if runs else []


complete_run = completer(_run_names, files=True)


def run_argument(name: str = "run", metavar: str = "RUN", nargs: int = 1) -> Decorator:
    """Add an argument that names a run."""
    return click.argument(
        name, metavar=metavar, nargs=nargs, required=True, type=RUN_REFERENCE,
        shell_complete=complete_run,
    )  # fmt: skip


def number_option(
    *names: str, text: str, low: int = 1, high: int | None = None, default: int | None = None
) -> Decorator:
    """Add an option that takes a whole number from `low` to `high`; `text` is its help."""
    return click.option(
        *names, type=click.IntRange(low, high), default=default, show_default=default is not None,
        metavar="N", help=text,
    )  # fmt: skip


def seed_option(text: str, default: int | None = 0) -> Decorator:
    """Add --seed."""
    return number_option("--seed", text=text, low=0, default=default)


def out_option(metavar: str, text: str = "The file to write.") -> Decorator:
    """Add --out."""
    return click.option("--out", type=USER_PATH, metavar=metavar, help=text)


def json_option(text: str = "Print one JSON object, for programs.") -> Decorator:
    """Add --json, as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=text)


source_argument = run_argument("source", "RUN|FILE.onnx")
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
runs_option = click.option(
    "--runs",
    type=USER_PATH,
    default=Path("runs"),
    show_default=True,
    metavar="DIR",
    is_eager=True,  # a run's name is completed from it
    help="The folder that holds the runs.",
)
checkpoint_option = click.option(
    "--checkpoint",
    metavar="STEP",
    help="A step, 'latest' or 'best'; by default the best if one was selected, else the last.",
)
average_option = click.option(
    "--average",
    type=float,
    metavar="DECAY",
    help="Weights averaged with this decay, of a run with several averages; by default the first.",
)
