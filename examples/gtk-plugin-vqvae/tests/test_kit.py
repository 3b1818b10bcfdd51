"""The package keeps what gtk's contracts promise, as gtk's own kit for plugins checks it."""

from gtk.testing import plugin_checks


@plugin_checks("vqvae", kind="model")
def test_model(check) -> None:
    check()


@plugin_checks("vqvae", kind="loss")
def test_loss(check) -> None:
    check()
