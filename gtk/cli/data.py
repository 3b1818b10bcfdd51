"""`gtk data`: what a data set holds, how it is labelled, and a sheet of its images."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gtk.cli.config_options import HeadedCommand, click_option, probe
from gtk.cli.console import make_console, print_columns, print_line, print_titled
from gtk.cli.options import (
    USER_PATH,
    number_option,
    out_option,
    overwrite_option,
    plugin_completer,
    seed_option,
)
from gtk.cli.progress_bar import work_shown
from gtk.core.registry.discovery import Plugin, find
from gtk.core.registry.installed import DATASET, OWN_PACKAGE, installed
from gtk.core.registry.options import Option, make_config, options_of
from gtk.core.settings.image_source import find_dataset, find_root, load_data, split_reference
from gtk.core.values.output import check_output_file

if TYPE_CHECKING:
    from gtk.core.values.dataset import Dataset


class DataCommand(HeadedCommand):
    """A command with the options of the data set that its argument names."""

    def choose(self, args: list[str]) -> "Plugin[Any] | None":
        """Find the data set."""
        reference = self._reference(args)
        return None if reference is None else find_dataset(split_reference(reference)[0] or "")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse everything; refuse a name that only looked like an option's value."""
        reference = self._reference(args)
        left = super().parse_args(ctx, args)
        if ctx.params["name"] != reference and not ctx.resilient_parsing:
            ctx.fail("give the data set's name before its options")
        return left

    def _reference(self, args: list[str]) -> str | None:
        """Return the argument that is the data set, among words that may be options' values."""
        ctx = probe(self.params, args)
        words = [str(word) for word in (ctx.params["name"], *ctx.args) if word and word[0] != "-"]
        for word in words:
            if any(item.goes_by(word.partition(":")[0]) for item in installed(DATASET)):
                return word
        return words[0] if words else None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return gtk's own options and the data set's."""
        own = super().get_params(ctx)
        if ctx.obj is None:
            return own
        heading = f"Options of data set {ctx.obj.spec.name}"
        added = _config_options(self, ctx.obj)
        return own + [click_option(item, item.default, heading) for item in added]


def _config_options(command: click.Command, plugin: "Plugin[Any]") -> list[Option]:
    """Return the data set's options: as for `gtk train`, or --data-NAME where that is taken."""
    taken = {parameter.name for parameter in command.params}
    return options_of({"data": plugin.spec.config}, taken)


@click.command(cls=DataCommand)
@click.argument(
    "name", required=False, metavar="[NAME[:PATH]]", shell_complete=plugin_completer("dataset")
)
@click.option(
    "--data-root",
    type=USER_PATH,
    metavar="DIR",
    help="A folder with the data set's files, or PATH; as for gtk train.",
)
@out_option("FILE", "The PNG to write.")
@click.option("--test", is_flag=True, help="Show test images, not training images.")
@number_option("-n", "columns", text="Images in a row.", high=100, default=10)
@seed_option("Decides which images.")
@click.option("--no-preview", is_flag=True, help="Do not show images in the terminal.")
@overwrite_option
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
    fields = {option.name: option.field for option in _config_options(ctx.command, plugin)}
    values = {fields[key]: value for key, value in options.items() if value is not None}
    config = make_config(spec.config, values, f"data set {spec.name!r}")
    from gtk.cli.data_summary import (
        print_suggestion,
        print_summary,
    )  # imports numpy, which --help does not need

    with work_shown():
        dataset = load_data(plugin, config, root)
    print_summary(spec, dataset, root)
    _show(dataset, test, columns, seed, out, no_preview)
    chosen = values if data_root is None else {"data_root": data_root, **values}
    print_suggestion(spec, dataset, name, chosen)


def _list_installed() -> None:
    """Print the names and summaries of the installed data sets."""
    rows = []
    for item in installed(DATASET):
        summary = f"of {item}"  # a package from outside may be slow to import, or broken
        if item.package == OWN_PACKAGE:
            summary = find(DATASET, f"{item.package}/{item.name}").spec.summary
        rows.append((item.name, summary))
    print_columns(("name", "summary"), rows)
    print_line("Look at one with: gtk data NAME")


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

        grid = image_grid(sheet.images, columns, scale=1)
        console.print(half_blocks(grid, console.width), end="")
    if out is not None:
        from gtk.pictures.labels import labelled_grid

        write_png(labelled_grid(sheet.images, columns, row_names=sheet.row_names), out)
    where = "" if out is None else f"{out}: "
    which = "test" if test else "training"
    print_titled(console, [("", f"{where}{sheet.shown} ({which} images, seed {seed})")])
