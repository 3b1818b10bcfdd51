"""Bad images of a folder: refused with a remedy for the reason, or counted in a note."""

from pathlib import Path

from gtk.core.values.condition import Classes
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting
from gtk.core.values.text import counted, visible
from gtk.plugins.datasets.decoding import MEASURED
from gtk.plugins.datasets.folder_layout import FolderLayout
from gtk.plugins.datasets.folder_walk import FOLLOWABLE
from gtk.plugins.datasets.matched_rows import ANOTHER_SUFFIX, NO_IMAGE, NO_LINE, NOT_THERE

#: Bad images named in a note.
NAMED = 3
#: Remedies by a part of the reason, of those that are not a damaged file.
REMEDIES = {
    NO_LINE: "add its line to the table, or remove it",
    ANOTHER_SUFFIX: "write its name into the table as it is in the folder",
    NOT_THERE: "add it, or remove its line",
    NO_IMAGE: "rename it if it is one, or remove its line",
}


def refuse_bad(root: Path, layout: FolderLayout, *, skip: bool) -> None:
    """Refuse bad images unless they are to be skipped, and a split that is left without images.

    Raises:
        InvalidValue: an image is refused, or a split is empty; the message names the first.
    """
    bad = layout.bad
    left = {entry.testing for entry in layout.entries}
    if bad and not (skip and left):
        name = min(bad)
        others = counted(len(bad) - 1, "more image")
        more = f"; {others} cannot be used" if len(bad) > 1 else ""
        remedy = _remedy(bad[name], some_left=bool(left))
        raise InvalidValue(f"{visible(root / name)} {bad[name]}{more}: {remedy}")
    if len(left) < 2:
        what = "testing" if left == {False} else "training"
        raise InvalidValue(
            f"{visible(root)} has no usable image for {what}: give two images or more"
            + (" of a class" if layout.kind is Classes else "")
        )


def skipped_note(layout: FolderLayout) -> list[str]:
    """Return a note about the images that were skipped, if there are any."""
    bad = sorted(layout.bad.items())
    if not bad:
        return []
    named = "; ".join(f"{visible(name)} {reason}" for name, reason in bad[:NAMED])
    more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    return [f"bad images skipped: {len(bad)} ({named}{more})"]


def _remedy(reason: str, *, some_left: bool) -> str:
    """Return what to do about a bad image; skipping it helps only if `some_left` are good."""
    if reason.startswith(MEASURED) and not some_left:
        return f"{setting('range', example='LOW,HIGH')} reads such images, or add others"
    usual = "repair or remove it" if some_left else "add images to the folder"
    if "pip install" in reason and not some_left:
        usual = "install it, or add other images"
    remedy = next((remedy for part, remedy in REMEDIES.items() if part in reason), usual)
    if some_left:
        remedy += f", or add {setting('bad_images', 'skip')}"
    if reason.startswith(FOLLOWABLE):
        remedy += f". {setting('follow_links', value=True)} follows such links"
    if reason.startswith(MEASURED):
        remedy += f". {setting('range', example='LOW,HIGH')} reads such images"
    return remedy
