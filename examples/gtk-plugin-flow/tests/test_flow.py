from gtk.testing import plugin_checks


@plugin_checks("flow", kind="model")
def test_model(check):
    check()


@plugin_checks("flow", kind="loss")
def test_loss(check):
    check()
