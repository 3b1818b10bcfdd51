"""Prints when the process ends, which is no reason to refuse it."""

import atexit

import gtk

from gtk_plugin_wrong_models import spec

atexit.register(print)


@gtk.hookimpl
def gtk_models():
    return [spec("parting", "sound:Sound")]
