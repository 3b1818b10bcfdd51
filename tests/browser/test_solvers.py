"""The solvers of the examples in JavaScript are gtk's."""

import json
import shutil
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gtk.core.values.noise import NoiseSpec
from gtk.core.values.path import PATHS
from gtk.core.values.solvers import SOLVERS
from gtk.core.values.time_grid import TIME_GRIDS
from gtk.exports.runtime.denoiser import Plan

MODULE = Path(__file__).parents[2] / "examples" / "web" / "solvers.js"
#: The field, with a condition and without one, in both languages.
FIELD = """const evaluate = (x, time, guided) => {
    const own = x.map((value) => (0.3 - time) * value + 0.1);
    return guided ? [own, own.map((value) => value / 2)] : own;
};"""

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def evaluated(script: str) -> Any:
    """Return what a module with the solvers prints, as JSON."""
    imports = f"import {{ plan, states, SOLVERS, PATHS, GRIDS }} from {json.dumps(MODULE.as_uri())}"
    command = ["node", "--input-type=module", "--eval", f"{imports};\n{script}"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


def field(x: Any, time: Any, condition: Any) -> Any:
    """Return the velocity, of the second half of the rows without a condition."""
    own = (np.float32(0.3) - time) * x + np.float32(0.1)
    return own if len(own) == 1 else np.concatenate([own[:1], own[1:] / 2])


def test_every_solver_on_every_path_and_grid_is_gtk_s() -> None:
    options: dict[str, Any] = {"steps": 5, "guidance": 2.5, "guidance_from": 0.1}
    given = {**options, "guidance_until": 0.7}
    drawn = NoiseSpec((5, 1, 1, 2)).draw(1, 7)
    found = evaluated(f"""{FIELD}
        const found = {{}};
        for (const path in PATHS) for (const grid in GRIDS) for (const sampler in SOLVERS) {{
            const chosen = {{ ...{json.dumps(given)}, grid, sampler }};
            const all = [];
            const start = Float32Array.of(0.8, -1.5);
            const drawn = [{drawn.ravel().tolist()}];
            for await (const x of states(evaluate, path, start, chosen, drawn)) {{
                all.push([...x]);
            }}
            found[[path, grid, sampler]] = all;
        }}
        console.log(JSON.stringify(found));""")
    assert {name.split(",")[2] for name in found} == SOLVERS.keys()
    assert len(found) == len(PATHS) * len(TIME_GRIDS) * len(SOLVERS)
    x, label = np.float32([0.8, -1.5]).reshape(1, 1, 1, 2), np.array([0])
    for path, grid, name in product(PATHS, TIME_GRIDS, SOLVERS):
        config = SOLVERS[name].config(grid=grid, **given)
        plan = Plan(SOLVERS[name], config, path, np.array(1))
        wanted = [state.reshape(-1) for state in plan.states(field, x, label, drawn)]
        np.testing.assert_allclose(found[f"{path},{grid},{name}"], wanted, rtol=2e-4, atol=2e-5)


def test_a_plan_is_the_run_s_or_a_sampler_s_own() -> None:
    own = {"package": "generative-toolkit", "name": "dpm++", "steps": 7, "grid": "rho"}
    contract = {"sampler": own, "condition": {"absent": 10}}
    plans = evaluated(f"""const contract = {json.dumps(contract)};
        const named = [{{ sampler: "heun" }}, {{ sampler: "ddim", steps: 3 }}];
        const given = [{{}}, {{ guidance: 2 }}, ...named];
        const other = {{ ...contract, sampler: {{ ...contract.sampler, package: "elsewhere" }} }};
        console.log(JSON.stringify([...given.map((it) => plan(contract, it)), plan(other)]));""")
    found = [[it["sampler"], it["steps"], it["grid"], it["guidance"]] for it in plans]
    assert found == [
        ["dpm++", 7, "rho", 1], ["dpm++", 7, "rho", 2], ["heun", 8, "uniform", 1],
        ["ddim", 3, "uniform", 1], ["heun", 8, "uniform", 1],
    ]  # fmt: skip
    defaults = evaluated(
        "console.log(JSON.stringify(Object.fromEntries(Object.entries(SOLVERS)"
        ".map(([name, it]) => [name, it.steps]))))"
    )
    assert defaults == {name: SOLVERS[name].config().steps for name in defaults}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sampler": "toString"}, "unknown sampler 'toString'. Known: euler, heun"),
        ({"steps": 0}, "steps must be a whole number within 1..1,000, not 0"),
        ({"steps": 1.5}, "steps must be a whole number"),
        ({"grid": "even"}, "unknown grid 'even'"),
        ({"guidance": -1}, "guidance must be within 0..100, not -1"),
        ({"guidance_until": 2}, "must be from less than until, within 0..1, not 0..2"),
        ({"guidance": 2}, "guidance needs a model that was trained with --condition-dropout"),
    ],
)
def test_what_cannot_be_drawn_is_said(given: dict[str, Any], message: str) -> None:
    found = evaluated(
        f"try {{ plan({{ condition: {{}} }}, {json.dumps(given)}) }} catch (error) {{"
        "console.log(JSON.stringify(error.message)) }"
    )
    assert message in found
