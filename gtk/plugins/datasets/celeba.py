"""CelebA: faces of celebrities with forty attributes each."""

import zipfile
from contextlib import nullcontext
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gtk.core.storage.cache import Decoded, ImageWriter
from gtk.core.values.condition import Attributes
from gtk.core.values.dataset import Dataset, DataSpec
from gtk.core.values.tracking import track
from gtk.plugins.datasets import CELEBA_CROP, CelebAConfig
from gtk.plugins.datasets.published import Published, add_images, load_published, torchvision_reader
from gtk.plugins.datasets.unpacking import NotReadable

#: Width and height of the aligned images, and the side of the centre crop: the face without most
#: of the background, as in many VAE and GAN code bases.
ALIGNED, CROP = (178, 218), CELEBA_CROP
LEFT, TOP = ((side - CROP) // 2 for side in ALIGNED)
#: Images that the cache writes at once.
CHUNK = 256
FOLDER = "img_align_celeba"
LISTS = (
    "list_attr_celeba.txt",
    "list_eval_partition.txt",
    "identity_CelebA.txt",
    "list_bbox_celeba.txt",
    "list_landmarks_align_celeba.txt",
)
VALIDATION_NOTE = (
    "the published validation images are not used, neither for training nor for testing"
)


def load(config: CelebAConfig, root: Path | None) -> Dataset:
    """Return CelebA's 162,770 training and 19,962 test images of aligned faces.

    The centre 148x148 pixels of each, scaled bicubically with antialiasing. The 19,867 images of
    the published validation split are left out.

    Liu, Luo, Wang, Tang, Deep Learning Face Attributes in the Wild (2015).

    The root has celeba: the five lists, and img_align_celeba as a folder or img_align_celeba.zip.
    A download needs the package gdown.
    """
    size = config.image_size

    def decode(plain: Path, writer: ImageWriter) -> Decoded:
        source = published.image_source(plain)
        (plain / "celeba" / FOLDER).mkdir(exist_ok=True)  # torchvision checks that it exists
        names, files, labels, train_count = _lists(plain)
        spec = DataSpec("celeba", 3, size, size, Attributes(names))
        with nullcontext(source) if source.is_dir() else zipfile.ZipFile(source) as opened:
            images = opened if isinstance(opened, Path) else zipfile.Path(opened, f"{FOLDER}/")
            faces = (_face(images / file, size) for file in files)
            tracked = track(faces, "decoding celeba", len(files))
            while chunk := list(islice(tracked, CHUNK)):
                add_images(writer, np.stack(chunk))
        return Decoded(spec, train_count, labels, (VALIDATION_NOTE,))

    published = Published(
        name="celeba",
        title="CelebA",
        place="celeba",
        files=tuple(f"celeba/{name}" for name in LISTS),
        images=(f"celeba/{FOLDER}", f"celeba/{FOLDER}.zip"),
        download=lambda folder: torchvision_reader("CelebA")(folder, download=True),
    )
    return load_published(published, root, (3, size, size), decode, options={"image_size": size})


def _lists(folder: Path) -> tuple[tuple[str, ...], list[str], NDArray[np.float32], int]:
    """Return attribute names, file names and labels, training images first, and their number."""
    # torchvision compares the MD5 of each list with the published one.
    train, test = (torchvision_reader("CelebA")(folder, split=split) for split in ("train", "test"))
    names = tuple(name for name in train.attr_names if name)  # the header ends in a blank
    labels = np.concatenate([data.attr.numpy().astype(np.float32) for data in (train, test)])
    return names, [*train.filename, *test.filename], labels, len(train.filename)


def _face(path: Path | zipfile.Path, size: int) -> NDArray[np.uint8]:
    """Crop and scale a face to (3, size, size)."""
    from PIL import Image

    try:
        with path.open("rb") as stream, Image.open(stream, formats=["JPEG"]) as image:
            size_found = image.size  # checked before decoding: the image may be absurdly large
            if size_found == ALIGNED:
                face = image.convert("RGB").crop((LEFT, TOP, LEFT + CROP, TOP + CROP))
    except FileNotFoundError as error:
        raise NotReadable(f"{FOLDER}/{path.name} is missing") from error
    except Exception as error:  # Pillow's readers raise errors of many types
        raise NotReadable(f"{FOLDER}/{path.name}: {error}") from error
    if size_found != ALIGNED:
        raise NotReadable(
            f"{FOLDER}/{path.name} has {size_found[0]}x{size_found[1]} pixels instead of the "
            f"{ALIGNED[0]}x{ALIGNED[1]} of aligned images"
        )
    scaled = face.resize((size, size), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(scaled).transpose(2, 0, 1))
