from gtk.testing import plugin_checks


@plugin_checks("straight-flow", kind="model")
def test_model(check):
    check()


@plugin_checks("straight-flow", kind="loss")
def test_loss(check):
    check()


@plugin_checks("rk4", kind="sampler")
def test_sampler(check):
    check()
