"""The examples that the tutorials grow keep what gtk's contracts promise."""

import pages
import pytest
from reader import Reader

from gtk.testing import check_plugin


@pytest.mark.long
@pytest.mark.parametrize(
    ("package", "name", "kind"),
    [
        ("flow", "straight-flow", "model"),
        ("flow", "straight-flow", "loss"),
        ("flow", "rk4", "sampler"),
        ("vaegan", "vae-gan", "loss"),
    ],
)
def test_the_example_passes_the_kit(package: str, name: str, kind: str, reader: Reader) -> None:
    reader.install(pages.ROOT / "examples" / f"gtk-plugin-{package}")
    results = check_plugin(name, kind=kind)
    assert not [result for result in results if result.status == "failed"]
    assert sum(result.status == "passed" for result in results) > 10
