"""SVHN: house numbers in Google Street View."""

from collections.abc import Iterator
from pathlib import Path

from gtk.core.registry.spec import NoConfig
from gtk.core.values.condition import Classes
from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.plugins.datasets.published import Published, load_splits, torchvision_reader

SPEC = DataSpec("svhn", 3, 32, 32, Classes(tuple("0123456789")))
SPLITS = ("train", "test")


def load(_config: NoConfig, root: Path | None) -> Dataset:
    """Return SVHN's 73,257 training and 26,032 test images of the cropped digits.

    Its 531,131 extra training images, easier ones, are not used. The files label 0 as 10, which
    torchvision undoes.

    Netzer, Wang, Coates, Bissacco, Wu, Ng, Reading Digits in Natural Images with Unsupervised
    Feature Learning (2011). The root has train_32x32.mat and test_32x32.mat.
    """
    published = Published(
        name="svhn",
        title="SVHN",
        place="train_32x32.mat and test_32x32.mat",
        files=tuple(f"{split}_32x32.mat" for split in SPLITS),
        download=_download,
    )
    return load_splits(published, root, SPEC.image_shape, lambda folder: (SPEC, _splits(folder)))


def _splits(folder: Path) -> Iterator[Split]:
    for split in SPLITS:
        data = torchvision_reader("SVHN")(folder, split=split)
        yield Split(data.data, data.labels)


def _download(folder: Path) -> None:
    for split in SPLITS:
        torchvision_reader("SVHN")(folder, split=split, download=True)
