"""Greets whoever imports it, and works."""

import gtk

print("Thank you for choosing loud!")  # noqa: T201 - which is what it is for


@gtk.hookimpl
def gtk_conditioners():
    return [
        gtk.ConditionerSpec(
            name="loud",
            summary="As onehot.",
            target="gtk.plugins.conditioners.onehot:OneHot",
        )
    ]
