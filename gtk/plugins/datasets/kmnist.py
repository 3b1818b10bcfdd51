"""Kuzushiji-MNIST, grey cursive hiragana."""

from pathlib import Path

from gtk.core.registry.spec import NoConfig
from gtk.core.values.dataset import Dataset
from gtk.plugins.datasets.idx import load_idx

#: One character of each of the ten rows of hiragana, romanized.
CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


def load(_config: NoConfig, root: Path | None) -> Dataset:
    """Return Kuzushiji-MNIST's 60,000 training and 10,000 test images.

    Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto, Ha, Deep Learning for Classical Japanese
    Literature (2018).

    Args:
        root: a folder with KMNIST/raw/*-ubyte or *-ubyte.gz in it, which is only read; None
            downloads the files into the user's cache folder, unless they are there.

    Raises:
        InvalidValue: the folder has no Kuzushiji-MNIST, or a damaged one.
        WorkFailed: the download did not succeed.
    """
    return load_idx("kmnist", "Kuzushiji-MNIST", "KMNIST", CLASSES, root)
