"""Where hypothesis may keep things."""

from collections.abc import Iterator

import pytest
from hypothesis import configuration


@pytest.fixture(scope="session", autouse=True)
def quiet_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what hypothesis stores about letters out of the folder of the tests."""
    configuration.set_hypothesis_home_dir(tmp_path_factory.mktemp("hypothesis"))
    yield
    configuration.set_hypothesis_home_dir(None)
