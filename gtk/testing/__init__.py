"""The test kit for plugins: it checks that a plugin keeps the promises of gtk's contracts.

In a test of a plugin's own:

    from gtk.testing import plugin_checks

    @plugin_checks("vqvae", kind="model")
    def test_vqvae(check):
        check()
"""

from gtk.testing.kit import (
    CheckResult as CheckResult,
    check_plugin as check_plugin,
    plugin_checks as plugin_checks,
)
