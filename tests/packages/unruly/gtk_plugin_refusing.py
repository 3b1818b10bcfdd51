"""Its hooks do not answer."""

import sys

import gtk


@gtk.hookimpl
def gtk_models():
    raise RuntimeError("not today")


@gtk.hookimpl
def gtk_conditioners():
    raise BaseException("never")  # noqa: TRY002 - which is the point


@gtk.hookimpl
def gtk_losses():
    return gtk.LossSpec(name="alone", summary="In no list.", target="nowhere:Loss")


@gtk.hookimpl
def gtk_datasets():
    sys.exit(1)
