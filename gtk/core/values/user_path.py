"""A path as its user wrote it."""

import os
from pathlib import Path


def user_path(path: str | Path) -> Path:
    """Return a path with a leading ~ replaced by the user's home, as in a shell."""
    # Not Path.expanduser: it raises on an unknown ~user, which a shell leaves unchanged.
    return Path(os.path.expanduser(path))  # noqa: PTH111
