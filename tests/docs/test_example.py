"""The example that the tutorial grows keeps what gtk's contracts promise."""

import pages
import pytest
from reader import Reader

from gtk.testing import check_plugin


@pytest.mark.long
@pytest.mark.parametrize("kind", ["model", "loss"])
def test_the_example_passes_the_kit(kind: str, reader: Reader) -> None:
    reader.install(pages.ROOT / "examples" / "gtk-plugin-flow")
    results = check_plugin("flow", kind=kind)
    assert not [result for result in results if result.status == "failed"]
    assert sum(result.status == "passed" for result in results) > 10
