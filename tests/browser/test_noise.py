"""The noise of the examples in JavaScript is numpy's."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

NOISE = Path(__file__).parents[2] / "examples" / "web" / "noise.js"
#: Of one word, of several, and of more than the four that the pool of a seed has.
SEEDS = (0, 7, 2**32, 2**63, 2**200 + 7)
#: Where the ziggurat's tail begins.
TAIL = 3.654

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def evaluated(script: str) -> bytes:
    """Return what a module prints, which may call `normal`."""
    whole = f"import {{ normal }} from {json.dumps(NOISE.as_uri())};\n{script}"
    command = ["node", "--input-type=module", "--eval", whole]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


def numpy_noise(seed: int, count: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(count, dtype=np.float32)


def test_every_number_is_numpy_s_and_those_of_the_tail_to_their_last_bit() -> None:
    count = 60_000
    seeds = ", ".join(f"{seed}n" for seed in SEEDS)
    script = f"""for (const seed of [{seeds}]) {{
        process.stdout.write(new Uint8Array(normal(seed, {count}).buffer));
    }}"""
    found = np.frombuffer(evaluated(script), "<f4")
    expected = np.concatenate([numpy_noise(seed, count) for seed in SEEDS])
    assert found.shape == expected.shape
    in_tail = abs(expected) > TAIL
    assert in_tail.sum() > 20
    assert np.array_equal(found[~in_tail], expected[~in_tail])
    steps: NDArray[Any] = np.testing.assert_array_max_ulp(found[in_tail], expected[in_tail], 1)
    assert np.count_nonzero(steps) <= 3


def test_a_seed_is_a_number_or_a_bigint_or_digits() -> None:
    found = json.loads(
        evaluated('console.log(JSON.stringify([7, 7n, "7"].map((s) => normal(s, 1)[0])))')
    )
    assert np.float32(found).tolist() == [numpy_noise(7, 1).item()] * 3


@pytest.mark.parametrize("seed", ["-1", "-1n", "1.5", '""', '"x"', "1e30", "NaN"])
def test_a_wrong_seed_is_refused(seed: str) -> None:
    script = f"try {{ normal({seed}, 1) }} catch (error) {{ console.log(error.message) }}"
    assert evaluated(script).startswith(b"a seed is a whole number of at least 0, not '")
