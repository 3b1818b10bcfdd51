"""Data sets that are wrong in one way each, to see that the test kit says in which."""

import os
from pathlib import Path

import gtk
import numpy as np

CLASSES = gtk.ConditionSpec(("rows", "columns"))


def stripes(count, first_label=0, levels=255, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = generator.random((count, 1, 8, 8)) / 2
    images[labels == 0, :, ::2] += 0.5
    images[labels == 1, :, :, ::2] += 0.5
    return gtk.Split((images * levels).astype(np.uint8), labels + first_label)


def made(condition=CLASSES, size=8, **options):
    spec = gtk.DataSpec("stripes", 1, size, size, condition)
    return gtk.Dataset(spec, stripes(200, **options), stripes(40, **{"seed": 1} | options))


def dark(config, root):
    """Images in 0..1 as whole numbers: almost all are 0."""
    return made(levels=1)


def fresh(config, root):
    """Other images whenever it is loaded."""
    return made(seed=None)


KEPT = made()


def kept(config, root):
    """The same arrays for everybody."""
    return KEPT


def counted(config, root):
    """Labels from 1."""
    return made(first_label=1)


def foreign(config, root):
    """Numbers that JSON does not know."""
    return made(size=np.int64(8))


def absent(config, root):
    """A class of which there is no image."""
    return made(gtk.ConditionSpec(("rows", "columns", "rings")))


def tidy(config, root):
    """Writes an index beside the user's files."""
    if not root.is_dir():
        raise gtk.InvalidValue(f"{root} is no folder")
    (root / "index.txt").write_text("\n".join(sorted(path.name for path in root.iterdir())))
    return made()


def abrupt(config, root):
    """Lets Python say what is missing."""
    if len(root.read_bytes()) < 1:
        return None
    return made()


def mirrored(config, root):
    """Images as a view that runs backwards, which torch does not take."""
    data = made()
    images = data.train.images[..., ::-1]
    return gtk.Dataset(data.spec, gtk.Split(images, data.train.labels), data.test)


def peeking(config, root):
    """Tests on what it trains on."""
    return made(seed=0)


def seeding(config, root):
    """Seeds numpy's generator for everybody."""
    np.random.seed(0)  # noqa: NPY002 - that is what is wrong with it
    return made()


def setting(config, root):
    """Sets an environment variable."""
    os.environ["GTK_PLUGIN_WRONG"] = "1"
    return made()


def stray(config, root):
    """Writes wherever the user happens to be."""
    Path("stray.txt").write_text("here")
    return made()


@gtk.hookimpl
def gtk_datasets():
    kinds = (
        dark, fresh, kept, counted, foreign, absent, tidy, abrupt, mirrored, peeking, seeding,
        setting, stray,
    )  # fmt: skip
    return [
        gtk.DatasetSpec(
            name=f"wrong-{kind.__name__}",
            summary="Wrong.",
            target=kind,
            root="required" if kind in (tidy, abrupt) else "none",
        )
        for kind in kinds
    ]
