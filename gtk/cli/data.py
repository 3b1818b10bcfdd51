"""`gtk data`: what a data set holds, how it is labelled, and a sheet of its images."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gtk.cli.console import make_console, print_wrapped
from gtk.cli.options import HeadedCommand, PluginName, UserPath, click_option
from gtk.cli.progress_bar import work_shown
from gtk.core.registry.discovery import DATASET, OWN_PACKAGE, Plugin, find, installed
from gtk.core.registry.options import Option, make_config, options_of
from gtk.core.settings.image_source import find_dataset, find_root, load_data, split_reference
from gtk.core.values.errors import UserError
from gtk.core.values.output import check_output_file

if TYPE_CHECKING:
    from gtk.core.values.dataset import Dataset

COLUMNS, MOST_COLUMNS = 10, 100


class DataCommand(HeadedCommand):
    """Looks for the data set's name first: it adds its options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the data set, then parse everything."""
        reference = _probe(self.params, args)
        if reference is not None:
            try:
                ctx.obj = find_dataset(split_reference(reference)[0] or "")
            except UserError:
                if not ctx.resilient_parsing:  # while completing a word, say nothing
                    raise
        left = super().parse_args(ctx, args)
        if ctx.params["name"] != reference and not ctx.resilient_parsing:
            ctx.fail("give the data set's name before its options")
        return left

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return gtk's own options and the data set's."""
        own = super().get_params(ctx)
        if ctx.obj is None:
            return own
        heading = f"Options of data set {ctx.obj.spec.name}"
        return [
            *own,
            *(click_option(item, item.default, heading) for item in self.options(ctx.obj)),
        ]

    def options(self, plugin: "Plugin[Any]") -> list[Option]:
        """Return the data set's options: as for `gtk train`, or --data-NAME where that is taken."""
        taken = {parameter.name for parameter in self.params}
        return options_of({"data": plugin.spec.config}, taken)


def _probe(params: list[click.Parameter], args: list[str]) -> str | None:
    """Return which argument is the data set, among words that may be its options' values."""
    probe = click.Command(
        "probe",
        params=params,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    ).make_context("probe", list(args), resilient_parsing=True)
    words: list[str] = [
        word for word in (probe.params["name"], *probe.args) if word and word[0] != "-"
    ]
    for word in words:
        if any(item.goes_by(word.partition(":")[0]) for item in installed(DATASET)):
            return word
    return words[0] if words else None


@click.command(cls=DataCommand)
@click.argument("name", required=False, metavar="[NAME[:PATH]]", type=PluginName("dataset"))
@click.option(
    "--data-root",
    type=UserPath(),
    metavar="DIR",
    help="A folder with the data set's files, or PATH; as for gtk train.",
)
@click.option("--out", type=UserPath(), metavar="FILE", help="The PNG to write.")
@click.option("--test", is_flag=True, help="Show test images, not training images.")
@click.option(
    "-n",
    "columns",
    type=click.IntRange(1, MOST_COLUMNS),
    default=COLUMNS,
    show_default=True,
    metavar="N",
    help="Images in a row.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Decides which images."
)
@click.option("--no-preview", is_flag=True, help="Do not show images in the terminal.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@click.pass_context
def data(
    ctx: click.Context,
    /,
    *,
    name: str | None,
    data_root: Path | None,
    out: Path | None,
    test: bool,
    columns: int,
    seed: int,
    no_preview: bool,
    overwrite: bool,
    **options: Any,  # noqa: ANN401 - each data set has options of its own
) -> None:
    """Show a data set: size, labels and images; or list all.

    gtk data

    gtk data mnist --out mnist.png

    gtk data folder:photos --help
    """
    if name is None:
        _list_installed()
        return
    if out is not None:
        check_output_file(out, ".png", overwrite=overwrite)
    plugin: Plugin[Any] = ctx.obj
    spec = plugin.spec
    root = find_root(spec, data_root, split_reference(name)[1])
    fields = {option.name: option.field for option in _options(ctx)}
    values = {fields[key]: value for key, value in options.items() if value is not None}
    config = make_config(spec.config, values, f"data set '{spec.name}'")
    from gtk.cli.data_summary import (  # which takes numpy, that --help does without
        print_facts,
        train_command,
    )

    with work_shown():
        dataset = load_data(plugin, config, root)
    print_facts(spec, dataset, root)
    _show(dataset, test, columns, seed, out, no_preview)
    where = [] if data_root is None else ["--data-root", str(data_root)]
    chosen = [part for key, value in values.items() for part in _typed(key, value)]
    print_wrapped(make_console(), train_command(dataset, name, [*where, *chosen]), "train on it")


def _typed(field: str, value: Any) -> list[str]:  # noqa: ANN401 - of any type that an option has
    """Return an option as it is typed for `gtk train`."""
    flag = field.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    return [f"--{flag}", ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]


def _options(ctx: click.Context) -> list[Option]:
    assert isinstance(ctx.command, DataCommand)  # noqa: S101 - for mypy
    return ctx.command.options(ctx.obj)


def _list_installed() -> None:
    """Print the names and summaries of the installed data sets."""
    from rich.table import Table

    table = Table("name", "summary")
    for item in installed(DATASET):
        summary = f"of {item}"  # a package from outside may be slow to import, or broken
        if item.package == OWN_PACKAGE:
            summary = find(DATASET, f"{item.package}/{item.name}").spec.summary
        table.add_row(item.name, summary)
    console = make_console()
    console.print(table)
    console.print("Look at one with: gtk data NAME")


def _show(
    dataset: "Dataset", test: bool, columns: int, seed: int, out: Path | None, no_preview: bool
) -> None:
    """Draw the contact sheet: in the terminal, where there is one, and as a file if asked for."""
    from gtk.pictures.contact_sheet import make_contact_sheet
    from gtk.pictures.grid import image_grid, write_png

    console = make_console()
    preview = console.is_terminal and not no_preview
    if out is None and not preview:
        return
    split = dataset.test if test else dataset.train
    sheet = make_contact_sheet(split, dataset.spec.condition, columns, seed)
    if preview:
        from gtk.pictures.preview import half_blocks

        console.print(
            half_blocks(image_grid(sheet.images, columns, scale=1), console.width), end=""
        )
    if out is not None:
        from gtk.pictures.labels import labelled_grid

        write_png(labelled_grid(sheet.images, columns, row_names=sheet.row_names), out)
    where = "" if out is None else f"{out}: "
    which = "test" if test else "training"
    print_wrapped(console, f"{where}{sheet.shown} ({which} images, seed {seed})")
