"""Import what a plugin brings, so that nothing it does then is more than one line of trouble."""

import sys
from contextlib import redirect_stdout
from importlib import import_module
from types import ModuleType

from gtk.core.values.errors import PluginError


def import_plugin(module: str) -> ModuleType:
    """Import a plugin's module; what it prints goes to standard error, which results do not.

    Raises:
        PluginError: it cannot be imported, or tries to end the program.
        ModuleNotFoundError: torch is not installed, which is gtk's to need and to say.
    """
    try:
        with redirect_stdout(sys.stderr):
            return import_module(module)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # some libraries derive their own from it, SystemExit does
        if isinstance(error, ModuleNotFoundError) and error.name == "torch":
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(
            f"importing {module} failed with {reason}. Mend, update or uninstall it."
        ) from error
