"""Returns something else than specs."""

import gtk


@gtk.hookimpl
def gtk_models():
    return [{"name": "wrong_spec"}]
