"""Written for contracts of the future."""

import gtk


@gtk.hookimpl
def gtk_losses():
    return [gtk.LossSpec(name="newer", summary="From the future.", target="nowhere:Loss", api=3)]
