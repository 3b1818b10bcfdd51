"""`gtk plugins new`: write a package with a working plugin, to start one's own from."""

import re
import shlex
from importlib.metadata import version
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import Any

import click

from gtk.cli.console import make_console
from gtk.cli.options import out_option
from gtk.core.registry.installed import KINDS, Kind, installed
from gtk.core.values.errors import InvalidValue, UserError
from gtk.core.values.output import check_writable_folder, unwritable

TEMPLATES = Path(__file__).parent / "templates"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
LONGEST_NAME = 40
PREFIX = "gtk-plugin-"

#: How each kind of plugin is used.
USAGE = {
    "model": "gtk train --plugin {}",
    "conditioner": "gtk train --plugin cvae --conditioner {}",
    "loss": "gtk train --plugin cvae --loss {}",
    "sampler": "gtk sample latest --sampler {} --out samples.png",
    "metric": "gtk evaluate latest --metrics {}",
    "dataset": "gtk train --plugin cvae --data {}",
    "callback": "gtk train --plugin cvae --callback {}",
}


@click.command(name="new")
@click.argument("name")
@click.option(
    "--kind",
    required=True,
    type=click.Choice([kind.name for kind in KINDS]),
    help="The kind of the plugin.",
)
@out_option("DIR", "The folder to write the package into; by default the current one.")
def plugins_new(*, name: str, kind: str, out: Path | None) -> None:
    """Write a package with a working plugin, to start your own from.

    The folder gtk-plugin-NAME has a module, a test, pyproject.toml, README and a CI file.

    gtk plugins new my-model --kind model
    """
    chosen = next(item for item in KINDS if item.name == kind)
    check_name(chosen, name)
    folder = (out or Path()) / f"{PREFIX}{name}"
    write_package(folder, package_files(chosen, name))
    console = make_console()
    console.print(f"{folder} has a working {kind}. Go on with")
    for command in (
        f"cd {shlex.quote(str(folder))}",
        "pip install -e '.[test]'",
        f"gtk plugins check {name} --kind {kind}",
        USAGE[kind].format(name),
    ):
        console.print(f"  {command}")
    console.print(f"and change {module_name(name)}.py into your own")


def check_name(kind: Kind[Any], name: str) -> None:
    """Refuse a name that a plugin cannot have.

    Raises:
        InvalidValue: it is malformed, or a plugin of another package has it.
    """
    if name.startswith(PREFIX):
        raise InvalidValue(
            f"{name!r} is the name of a package. Give the name of its {kind.name}: "
            f"gtk plugins new {name.removeprefix(PREFIX) or 'NAME'}"
        )
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise InvalidValue(
            f"{name!r} cannot name a plugin. Use at most {LONGEST_NAME} small letters and digits, "
            "a letter first, words joined by single hyphens, such as my-model"
        )
    for item in installed(kind):
        if item.name == name and item.package != f"{PREFIX}{name}":
            raise InvalidValue(
                f"{kind.name} {name!r} is installed already, from {item}. Choose another name, or "
                "users have to name the package, too"
            )


def package_files(kind: Kind[Any], name: str) -> dict[str, str]:
    """Return the text of each file of the package, by its path in it."""
    values = {
        "name": name,
        # At least two words, so that it differs from the module's other names.
        "class_name": f"{name.title().replace('-', '')}{kind.name.title()}",
        "kind": kind.name,
        "group": kind.group,
        "package": f"{PREFIX}{name}",
        "module": module_name(name),
        "usage": USAGE[kind.name].format(name),
        "version": version("generative-toolkit"),
    }
    paths = {
        "pyproject.toml": "pyproject.toml",
        f"{module_name(name)}.py": f"{kind.name}.py",
        "test_plugin.py": "test_plugin.py",
        "README.md": "README.md",
        ".gitignore": "gitignore",
        ".github/workflows/test.yml": "test.yml",
    }
    return {
        path: Template((TEMPLATES / f"{template}.template").read_text("utf-8")).substitute(values)
        for path, template in paths.items()
    }


def module_name(name: str) -> str:
    """Return the name of the package's one module."""
    return f"{PREFIX}{name}".replace("-", "_")


def write_package(folder: Path, files: dict[str, str]) -> None:
    """Make a folder with these files, whole or not at all.

    Raises:
        UserError: the folder exists, or cannot be written.
    """
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{folder} exists, and nothing in it is replaced: choose another --out")
    check_writable_folder(folder, folder.absolute().parent)
    try:
        # The temporary folder has a unique name, since it is removed with everything in it. The
        # package is a folder inside it, since only its user may open a temporary folder.
        with TemporaryDirectory(
            prefix=f".{folder.name}.", dir=folder.parent, ignore_cleanup_errors=True
        ) as temporary:
            partial = Path(temporary) / folder.name
            for path, text in files.items():
                (partial / path).parent.mkdir(parents=True, exist_ok=True)
                (partial / path).write_text(text, "utf-8")
            partial.rename(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
