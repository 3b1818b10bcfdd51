"""Data sets as published, through torchvision: read from a copy, or downloaded once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from gtk.core.errors import InvalidValue, WorkFailed


def published_splits(
    reader: Callable[..., Any], root: Path | None, name: str, files: str
) -> tuple[Any, Any]:
    """Return torchvision's training and test split.

    Args:
        reader: torchvision's class.
        root: a folder with `files` in it, which is only read; None downloads them into the user's
            cache folder, unless they are there.
        name: what people call the data set.
        files: the folder in `root` where torchvision looks for it.

    Raises:
        InvalidValue: the folder has no such data, or damaged ones.
        WorkFailed: the download did not succeed.
    """
    folder = root or user_cache_path("generative-toolkit") / "data"
    try:
        train, test = (
            reader(folder, train=train, download=root is None) for train in (True, False)
        )
    except Exception as error:  # torchvision raises whatever its readers and urllib raise
        reason = " ".join(str(error).split()) or type(error).__name__
        # What follows is advice to a programmer.
        reason = reason.removesuffix(". You can use download=True to download it")
        if root is None:
            raise WorkFailed(
                f"{name} could not be downloaded: point at a folder that holds {files} with "
                f"--data-root FOLDER, or try again ({reason})"
            ) from error
        raise InvalidValue(
            f"{folder} has no readable {files}: point --data-root at the folder that holds "
            f"{files}, or leave it out to download ({reason})"
        ) from error
    return train, test
