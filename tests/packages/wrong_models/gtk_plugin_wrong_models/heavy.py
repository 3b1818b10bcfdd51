"""Says what it brings, and imports all of torch to say it."""

import gtk
import torch  # noqa: F401 - the mistake


@gtk.hookimpl
def gtk_models():
    return [
        gtk.ModelSpec(
            name="wrong-heavy",
            summary="Imports torch where it only says what it is.",
            target="gtk_plugin_wrong_models.sound:Sound",
            loss="wrong-likeness",
            conditioner="onehot",
        )
    ]
