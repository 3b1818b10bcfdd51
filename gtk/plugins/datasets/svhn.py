"""SVHN, house numbers in Google Street View."""

from collections.abc import Iterator
from pathlib import Path

from gtk.core.registry.spec import NoConfig
from gtk.core.storage.cache import Decoded, ImageWriter
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import Dataset, DataSpec, Split
from gtk.plugins.datasets.published import Published, load_published, write_splits

SPEC = DataSpec("svhn", 3, 32, 32, ConditionSpec(tuple("0123456789")))
SPLITS = ("train", "test")


def load(_config: NoConfig, root: Path | None) -> Dataset:
    """Return SVHN's 73,257 training and 26,032 test images of the cropped digits.

    Its 531,131 extra training images, easier ones, are not used. The files count 0 as 10;
    torchvision undoes that.

    Netzer, Wang, Coates, Bissacco, Wu, Ng, Reading Digits in Natural Images with Unsupervised
    Feature Learning (2011).

    Args:
        root: a folder with train_32x32.mat and test_32x32.mat in it, which is only read; None
            downloads them into the user's cache folder, unless they are there.

    Raises:
        InvalidValue: the folder has no SVHN, or a damaged one.
        WorkFailed: the download did not succeed.
    """

    def decode(plain: Path, writer: ImageWriter) -> Decoded:
        return write_splits(writer, SPEC, _splits(plain))

    published = Published(
        name="svhn",
        title="SVHN",
        place="train_32x32.mat and test_32x32.mat",
        files=tuple(f"{split}_32x32.mat" for split in SPLITS),
        download=_download,
    )
    return load_published(published, root, SPEC.image_shape, decode)


def _splits(folder: Path) -> Iterator[Split]:
    from torchvision.datasets import SVHN

    for split in SPLITS:
        data = SVHN(folder, split=split)
        yield Split(data.data, data.labels)


def _download(folder: Path) -> None:
    from torchvision.datasets import SVHN

    for split in SPLITS:
        SVHN(folder, split=split, download=True)
