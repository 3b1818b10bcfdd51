from gtk.testing import plugin_checks


@plugin_checks("vae-gan", kind="loss")
def test_loss(check):
    check()
