"""What a picture's file says about how it was made."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo

#: The key of the text in a PNG file.
KEY = "gtk"


def picture_text(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return what a picture was made with, as the text that goes into its file: JSON, one key."""
    return {KEY: json.dumps({"gtk": version("generative-toolkit"), **facts})}


def png_text(text: Mapping[str, str]) -> "PngInfo":
    """Return texts by their keys as a PNG file has them."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, value in text.items():
        info.add_text(key, value)
    return info
