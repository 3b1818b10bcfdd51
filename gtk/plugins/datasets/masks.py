"""Images of masks, which lie beside those that they belong to; found by names."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator

from gtk.plugins.datasets.split_name import squeezed_name

#: Names of folders of masks, in lower case, without spaces and signs.
MASKS = frozenset({
    "groundtruth", "groundtruths", "masks", "segmentationmasks", "segmentations",
    "segmentationclass", "segmentationobject", "trimaps", "gtfine", "gtcoarse",
})  # fmt: skip
#: Names that also classes and other things have: masks only if images lie beside them.
PERHAPS = frozenset({
    "gt", "mask", "label", "labels", "annotation", "annotations", "annot", "annots", "instance",
    "instances", "panoptic", "seg", "segmentation", "semantic", "semantics", "semanticrgb",
})  # fmt: skip
IMAGES = frozenset({
    "image", "images", "img", "imgs", "jpegimages", "photos", "pictures", "input", "inputs",
    "train",
})  # fmt: skip
#: A file of a mask, beside the image whose name is the first group.
MASK_FILE = re.compile(
    r"(.*?)[ _.-]+(?:masks?|seg|segmentation|groundtruth|gt|labels?|annotations?)(?:[ _-]?\d+)?",
    re.IGNORECASE,
)


def find_masks(names: Collection[str]) -> set[str]:
    """Return which images are masks of others: as MVTec AD, ISIC, BUSI and Carvana name them.

    Args:
        names: of all images of a folder, with "/".
    """
    files = defaultdict[str, list[str]](list)
    for name in names:
        folder, _, file = name.rpartition("/")
        files[folder].append(file)
    children = defaultdict[str, set[str]](set)
    for folder in files:
        for parent, child in _steps(folder):
            children[parent].add(child)
    squeezed = {
        parent: {squeezed_name(child) for child in inside} for parent, inside in children.items()
    }
    masks = set[str]()
    for folder, inside in files.items():
        if any(
            _is_mask(squeezed_name(child), squeezed[parent]) for parent, child in _steps(folder)
        ):
            masks.update(_joined(folder, file) for file in inside)
        else:
            masks.update(_joined(folder, file) for file in _mask_files(inside))
    return masks if len(masks) < len(names) else set()


def _steps(folder: str) -> Iterator[tuple[str, str]]:
    """Yield each folder on the way to this one, as its parent and its name."""
    parts = folder.split("/") if folder else []
    for depth, part in enumerate(parts):
        yield "/".join(parts[:depth]), part


def _is_mask(name: str, siblings: set[str]) -> bool:
    """Return whether a folder holds masks, by its name and those beside it."""
    unnumbered = {sibling.rstrip("0123456789") for sibling in siblings}  # KITTI's image_2
    if name in MASKS or (name in PERHAPS and unnumbered & IMAGES):
        return True
    return any(
        {name.removesuffix(word), name.removeprefix(word)} & (siblings - {name})
        for word in MASKS | PERHAPS
    )


def _mask_files(files: list[str]) -> Iterator[str]:
    """Yield the files of a folder that are masks of others in it: "x_mask.png" beside "x.png"."""
    stems = {file.rpartition(".")[0] or file for file in files}
    for file in files:
        found = MASK_FILE.fullmatch(file.rpartition(".")[0] or file)
        if found and file[: found.end(1)] in stems:
            yield file


def _joined(folder: str, file: str) -> str:
    return f"{folder}/{file}" if folder else file
