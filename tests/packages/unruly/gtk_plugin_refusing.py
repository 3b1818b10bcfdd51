"""Its hooks do not answer."""

import sys

import gtk


@gtk.hookimpl
def gtk_models():
    raise RuntimeError("not today")


@gtk.hookimpl
def gtk_datasets():
    sys.exit(1)
