"""Imports of plugins: every failure becomes a PluginError of one line."""

import sys
from contextlib import redirect_stdout
from importlib import import_module
from types import ModuleType

from gtk.core.values.errors import PluginError


def import_plugin(module: str) -> ModuleType:
    """Import a plugin's module; what it prints goes to standard error, apart from results.

    Raises:
        PluginError: it cannot be imported, or tries to exit.
        ModuleNotFoundError: torch is not installed; the command line reports that itself.
    """
    try:
        with redirect_stdout(sys.stderr):
            return import_module(module)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # SystemExit, and the errors of some libraries, derive from it
        if isinstance(error, ModuleNotFoundError) and error.name == "torch":
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(
            f"importing {module} failed with {reason}. Fix, update or uninstall it."
        ) from error
