"""A path as its user wrote it."""

import os
from pathlib import Path

from gtk.core.values.errors import InvalidValue


def user_path(path: str | Path) -> Path:
    """Return a path with a leading ~ replaced by the user's home, as in a shell.

    Raises:
        InvalidValue: nothing says where that home is, as in a container without HOME.
    """
    # Not Path.expanduser: it raises on an unknown ~user, which a shell leaves unchanged.
    found = Path(os.path.expanduser(path))  # noqa: PTH111
    if found.parts[:1] == ("~",):
        raise InvalidValue(
            f"{str(path)!r} begins with ~, but there is no home directory: set HOME, or give a "
            "path without ~"
        )
    return found
