"""Pictures of the same kind from several epochs, with a slider to go through them."""

from collections.abc import Sequence

from gtk.pictures.embedded import Frames
from gtk.pictures.grid import GAP
from gtk.pictures.markup import escaped

#: Pixels of a screen that an image in a grid takes at least; wider grids scroll in their box.
CELL = 34


def frames_figure(name: str, frames: Frames, columns: int, heads: str, text: str) -> str:
    """Return a figure that shows the last epoch, and the others where its slider is moved.

    Args:
        name: what the pictures show, for those who do not see them.
        frames: at least one.
        columns: images side by side.
        heads: what stands above them, as markup.
        text: what they are, below.
    """
    epochs = sorted(frames)
    last = frames[epochs[-1]]
    images = "".join(
        f'<img src="{frames[epoch].uri}" data-epoch="{epoch}" width="{frames[epoch].width}" '
        f'height="{frames[epoch].height}" alt="{escaped(name)} after epoch {epoch}"'
        f"{'' if epoch == epochs[-1] else ' hidden'}>\n"
        for epoch in epochs
    )
    widest = max(320, min(980, last.width, columns * 96))
    sheet = (
        f'<div class="sheet" style="min-width:{columns * CELL}px;max-width:{widest}px">\n'
        f"{heads}{images}</div>"
    )
    return (
        f'<figure class="frames">{_slider(name, epochs)}<div class="wide">{sheet}</div></figure>\n'
        f'<p class="note">{escaped(text)}</p>\n'
    )


def _slider(name: str, epochs: Sequence[int]) -> str:
    """Return the slider; it shows itself where there is a script to move it."""
    if len(epochs) < 2:
        return f'<p class="note">epoch {epochs[0]}</p>'
    place = f"{name.partition(' ')[0].lower()}-epoch"
    return (
        f'<div class="slider" hidden><label for="{place}">Epoch</label>'
        f'<input type="range" id="{place}" min="0" max="{len(epochs) - 1}" step="1" '
        f'value="{len(epochs) - 1}" aria-label="{escaped(name)}: epoch">'
        f'<output for="{place}">epoch {epochs[-1]}</output></div>\n'
    )


def column_heads(heads: Sequence[str], columns: int, width: int) -> str:
    """Return names that stand above the columns of a grid, as `image_grid` lays it out.

    Args:
        heads: a name for each column; empty for nothing.
        columns: how many there are.
        width: of an image in the data set's own pixels, by which the gaps are known.
    """
    if not heads:
        return ""
    gap = 100 * GAP / (columns * (width + GAP) - GAP)
    names = "".join(f'<bdi title="{escaped(head)}">{escaped(head)}</bdi>' for head in heads)
    return (
        f'<div class="heads" style="grid-template-columns:repeat({columns},minmax(0,1fr));'
        f'column-gap:{gap:.3f}%">{names}</div>\n'
    )
