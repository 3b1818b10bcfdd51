"""The noise of the examples in JavaScript is numpy's."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gtk.core.values.noise import NoiseSpec, draw_ports
from gtk.core.values.seeding import derive_seed

ROOT = Path(__file__).parents[2]
NOISE, SEED = (ROOT / "examples" / "web" / name for name in ("noise.js", "seed.js"))
#: Of one word, of several, and of more than the four that the pool of a seed has.
SEEDS = (0, 7, 2**32, 2**63, 2**200 + 7)
#: Where the ziggurat's tail begins.
TAIL = 3.654

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def evaluated(script: str) -> bytes:
    """Return what a module prints, which may call `normal`, `deriveSeed` and `drawNoise`."""
    whole = f"""import {{ normal }} from {json.dumps(NOISE.as_uri())};
        import {{ deriveSeed, drawNoise }} from {json.dumps(SEED.as_uri())};
        {script}"""
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


def test_seeds_are_derived_as_in_python() -> None:
    vectors = json.loads((ROOT / "docs" / "noise.json").read_text(encoding="utf-8"))
    expected = {
        (vector["seed"], purpose): seed
        for vector in vectors
        for purpose, seed in vector["derived"].items()
    }
    # Texts of 127 to 129 bytes, about the end of the hash's first block, and of several blocks.
    more = [(str(10**size), "p" * 10) for size in (115, 116, 117, 300)]
    expected |= {(seed, purpose): derive_seed(int(seed), purpose) for seed, purpose in more}
    script = f"""const asked = {json.dumps(list(expected))};
        console.log(JSON.stringify(asked.map(([seed, purpose]) => deriveSeed(seed, purpose))))"""
    assert json.loads(evaluated(script)) == list(expected.values())
    assert json.loads(evaluated('console.log(deriveSeed(7, "é") + deriveSeed("07", "é"))')) == (
        2 * derive_seed(7, "é")
    )


def test_each_input_has_noise_of_its_own_seed() -> None:
    shapes = {"z": (2, 3), "steps": (4,)}
    ports: list[dict[str, Any]] = [
        {"name": name, "kind": "latent", "shape": shape} for name, shape in shapes.items()
    ]
    ports[1]["seed"] = "sample/steps"
    inputs = json.dumps([*ports, {"name": "label", "kind": "condition", "shape": []}])
    script = f"""const drawn = drawNoise({inputs}, 7n, 5);
        console.log(JSON.stringify(Object.entries(drawn).map(([name, own]) => [name, ...own])))"""
    found = {name: np.float32(own) for name, *own in json.loads(evaluated(script))}
    expected = draw_ports({name: NoiseSpec(shape) for name, shape in shapes.items()}, 5, 7)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], own.ravel()) for name, own in expected.items())
