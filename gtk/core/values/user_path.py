"""A path as its user wrote it."""

import errno
import os
from pathlib import Path

from gtk.core.values.argument import check_type
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting
from gtk.core.values.text import shortened


def user_path(path: str | Path, name: str = "") -> Path:
    """Return a path with a leading ~ replaced by the user's home, as in a shell.

    Args:
        path: what the user gave.
        name: of the argument, for messages; left out where they name it otherwise.

    Raises:
        InvalidValue: it is not a path, or no file can have it: it has a NUL or a name that is too
            long; or nothing says where the home is, as in a container without HOME.
    """
    check_type(name or "path", path, Path)
    # Not Path.expanduser: it raises on an unknown ~user, which a shell leaves unchanged.
    found = Path(os.path.expanduser(path))  # noqa: PTH111
    if found.parts[:1] == ("~",):
        raise InvalidValue(
            f"{str(path)!r} begins with ~, but there is no home directory: set HOME, or give a "
            "path without ~"
        )
    argument = f"{setting(name)}: " if name else ""
    try:
        os.lstat(found)
    except ValueError as error:
        raise InvalidValue(f"{argument}{str(path)!r} cannot be a path: {error}") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InvalidValue(
                f"{argument}{shortened(str(path))!r} cannot be a path of {len(str(path))} letters: "
                "a name is too long for a file, or the whole"
            ) from error
    return found
