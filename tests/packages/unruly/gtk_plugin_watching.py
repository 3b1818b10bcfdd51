"""Callbacks that cannot be made, cannot be told, or fail."""

import gtk


class Failing:
    @gtk.hookimpl
    def gtk_step_end(self):
        raise RuntimeError("no more ink")


class Misheard:
    @gtk.hookimpl
    def gtk_step_ends(self):
        pass


class Unbuilt:
    def __init__(self):
        raise RuntimeError("no ink at all")


@gtk.hookimpl
def gtk_callbacks():
    return [
        gtk.CallbackSpec(name=target.__name__.lower(), summary="No.", target=target)
        for target in (Failing, Misheard, Unbuilt)
    ]
