"""Callbacks that are wrong in one way each, to see that the test kit says in which."""

import os
from pathlib import Path

import gtk
import numpy as np
import torch


class Wanting:
    """Cannot be made without being told something."""

    def __init__(self, folder):
        self.folder = folder

    @gtk.hookimpl
    def gtk_step_end(self, progress):
        pass


class Silent:
    """Hears nothing."""

    def step_end(self, progress):
        pass


class Unmarked:
    """Forgets to mark a method, so that nobody calls it."""

    def gtk_step_end(self, progress):
        pass

    @gtk.hookimpl
    def gtk_epoch_end(self, progress):
        pass


class Misspelt:
    """Listens to an event that there is not."""

    @gtk.hookimpl
    def gtk_epoch_ends(self, progress):
        pass


class Latent:
    """Takes it that every model encodes images."""

    @gtk.hookimpl
    def gtk_epoch_end(self, model, dataset):
        model.encode(torch.zeros(1, 1, 8, 8), torch.zeros(1, dtype=torch.int64))


class Meddling:
    """Changes the weights."""

    @gtk.hookimpl
    def gtk_epoch_end(self, model):
        with torch.no_grad():
            next(model.parameters()).mul_(0.999)


class Seeding:
    """Seeds numpy's generator for everybody."""

    @gtk.hookimpl
    def gtk_epoch_end(self, progress):
        np.random.seed(progress.epoch)  # noqa: NPY002 - that is what is wrong with it


class Marking:
    """Sets an environment variable when it first hears of a training, and never again."""

    done = False

    @gtk.hookimpl
    def gtk_train_start(self, run):
        if not Marking.done:
            os.environ["GTK_PLUGIN_WRONG"] = "1"
        Marking.done = True


class Littering:
    """Writes wherever the user happens to be."""

    @gtk.hookimpl
    def gtk_step_end(self, progress):
        Path("steps.txt").write_text(str(progress.step))


class Squatting:
    """Leaves a file in the run that gtk does not know."""

    @gtk.hookimpl
    def gtk_train_end(self, run):
        (run.path / "notes.txt").write_text("done")


@gtk.hookimpl
def gtk_callbacks():
    kinds = (
        Wanting, Silent, Unmarked, Misspelt, Latent, Meddling, Seeding, Marking, Littering,
        Squatting,
    )  # fmt: skip
    return [
        gtk.CallbackSpec(name=f"wrong-{kind.__name__.lower()}", summary="Wrong.", target=kind)
        for kind in kinds
    ]
