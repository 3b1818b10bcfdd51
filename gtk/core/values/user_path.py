"""A path as its user wrote it."""

import os
from pathlib import Path


def user_path(path: str | Path) -> Path:
    """Return the path that is meant: a leading ~ is the user's home, as in a shell."""
    # Not Path.expanduser, which raises where a shell leaves ~nobody as it is.
    return Path(os.path.expanduser(path))  # noqa: PTH111
