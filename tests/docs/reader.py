"""Somebody who reads a page of the documentation and does what it says."""

import contextlib
import importlib
import io
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pages

from gtk.cli.main import gtk as command_group, run
from gtk.core.registry import plugin_module
from gtk.core.registry.installed import all_installed


def parse(command: str) -> None:
    """Read a command as click does, and do nothing."""
    words = shlex.split(command.partition(" > ")[0])[1:]
    ctx = command_group.make_context("gtk", words)
    group: click.Group = command_group
    rest = words
    with contextlib.suppress(click.exceptions.Exit, io.UnsupportedOperation):
        while True:
            name, inner, rest = group.resolve_command(ctx, rest)
            assert inner is not None
            ctx = inner.make_context(name, list(rest), parent=ctx)
            if not isinstance(inner, click.Group):
                break
            group, rest = inner, ctx._protected_args + ctx.args


def excused(block: pages.Block, command: str) -> bool:
    return block.excuse is not None and block.excuse[0].search(command) is not None


class Reader:
    """Does what a page says, in order.

    Args:
        folder: where.
        site: where packages are installed.
    """

    def __init__(self, folder: Path, site: Path) -> None:
        self.folder = folder
        self.site = site
        self.names: dict[str, object] = {}

    def follow(self, block: pages.Block) -> None:
        """Write, run or pass over a block."""
        if block.file is not None:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            forget_plugins()
        elif block.language == "python" and block.excuse is None:
            exec(compile(block.text, block.place, "exec"), self.names)  # noqa: S102 - that is the test
        elif block.language == "sh":
            for command in block.commands():
                if not excused(block, command):
                    self.type(command, block.place)

    def type(self, command: str, place: str) -> None:
        """Run a command: gtk's in this process, which saves importing torch anew each time."""
        if command == "pip install -e .":
            self.install(self.folder)
            return
        if not command.startswith("gtk "):
            result = subprocess.run(
                ["bash", "-c", command], capture_output=True, text=True, check=False
            )
            assert result.returncode == 0, f"{place}: {command}\n{result.stdout}{result.stderr}"
            return
        command, _, file = command.partition(" > ")
        output = io.StringIO()
        with contextlib.redirect_stdout(output) if file else contextlib.nullcontext():
            code = run(shlex.split(command)[1:])
        assert code == 0, f"{place}: {command}"
        if file:
            Path(file.strip()).write_text(output.getvalue(), encoding="utf-8")

    def install(self, package: Path) -> None:
        """Install a package, not into this environment; its modules stay those in `package`."""
        copy = self.site.with_name("source")
        left_out = shutil.ignore_patterns("runs", "*.png", "*.egg-info", "build")
        shutil.rmtree(copy, ignore_errors=True)  # of an earlier version
        shutil.copytree(package, copy, ignore=left_out)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
        command += ["--no-build-isolation", "--disable-pip-version-check", "--no-compile"]
        command += ["--upgrade"]
        subprocess.run([*command, "--target", str(self.site), str(copy)], check=True)
        if package == self.folder:
            for module in self.folder.glob("*.py"):
                (self.site / module.name).unlink()
        forget_plugins()


def forget_plugins() -> None:
    """Have plugins be looked for and imported again."""
    importlib.invalidate_caches()
    for name in [name for name in sys.modules if name.startswith("gtk_plugin_")]:
        del sys.modules[name]
    all_installed.cache_clear()
    plugin_module.manager.cache_clear()
