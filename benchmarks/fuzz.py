"""Try gtk's readers on many inputs that nobody means well: python benchmarks/fuzz.py --minutes 20.

Each input follows from its kind and number, so it can be made again. What has been tried is kept
in a file, and the next call goes on from there. An exception other than gtk's own, a command that
prints what a terminal acts on, 10 seconds, 1 GB or a crash are faults: each is listed.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from readers import Kind

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "fuzz"))

#: Inputs that one process tries.
BLOCK = 200


def main() -> int:
    """Try inputs until the count or the time is reached; return 1 if there were faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="inputs in all, of all calls")
    parser.add_argument("--minutes", type=float, default=60.0, help="of this call")
    parser.add_argument("--state", type=Path, default=Path("fuzz.json"), help="what was tried")
    parser.add_argument("--kind", action="append", help="only this kind; can be repeated")
    given = parser.parse_args()
    state = {"tried": {}, "faults": []}
    if given.state.exists():
        state = json.loads(given.state.read_text())
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GENERATIVE_TOOLKIT_CACHE"] = f"{folder}/cache"
        kinds = _kinds(Path(folder))
        names = given.kind or list(kinds)
        end = time.monotonic() + 60 * given.minutes
        while time.monotonic() < end and sum(state["tried"].values()) < given.count:
            name = min(names, key=lambda name: state["tried"].get(name, 0))
            first = state["tried"].get(name, 0)
            tried = _block(kinds[name], name, first, Path(folder), state["faults"], end)
            state["tried"][name] = first + tried
            given.state.write_text(json.dumps(state, indent=1))
    for name, count in state["tried"].items():
        print(f"{name:<10} {count:>8,}")
    print(f"{sum(state['tried'].values()):,} inputs, {len(state['faults'])} faults")
    shown = {(fault["kind"], fault["error"][:200]): fault for fault in state["faults"]}
    for fault in shown.values():  # the last of those alike
        print(fault["kind"], fault["number"], fault["error"])
    return 1 if state["faults"] else 0


def _kinds(folder: Path) -> dict:
    """Return all kinds, after making the run and the exported file that some need."""
    import readers
    from run_readers import run_kinds

    import gtk

    run = gtk.train(
        plugin="cvae", runs=folder, name="run", epochs=1, hidden_dims=8, latent_dim=2, quiet=True
    )
    exported = gtk.export(run, folder / "run.onnx").path
    return readers.ALONE | readers.file_kinds(exported) | run_kinds(run.path)


def _block(kind: "Kind", name: str, first: int, folder: Path, faults: list, end: float) -> int:
    """Try some inputs in a process of their own, and return how many."""
    report = folder / "report"
    report.write_text("")
    child = os.fork()
    if child == 0:
        _work(kind, name, first, folder, report, end)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    faults.extend(line for line in lines if "error" in line)
    begun = [line["number"] for line in lines]
    if status:  # killed by a signal: by memory, or a crash
        faults.append({"kind": name, "number": begun[-1], "error": f"process ended with {status}"})
    return begun[-1] - first + 1


def _work(kind: "Kind", name: str, first: int, folder: Path, report: Path, end: float) -> None:
    import readers

    place = folder / f"{name}-place"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    shutil.copy(folder / "run.onnx", place)
    shutil.copytree(folder / "run", place / "run")
    if name == "sidecar":
        shutil.copy(folder / "run.json", place)
    os.chdir(place)
    with report.open("a", buffering=1) as file:
        for number in range(first, first + BLOCK):
            line = {"kind": name, "number": number}
            file.write(json.dumps(line) + "\n")
            content = kind.make(Random(f"{name}-{number}"))  # noqa: S311
            try:
                readers.attempt(kind, content)
            except BaseException as error:  # noqa: BLE001
                file.write(json.dumps({**line, "error": _trace(error)}) + "\n")
            if time.monotonic() > end:
                return


def _trace(error: BaseException) -> str:
    """Return an error, and the place in gtk that raised it."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if f"{os.sep}gtk{os.sep}" in file:
            place = f"{file.rpartition(f'{os.sep}gtk{os.sep}')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{place} {type(error).__name__} {error!s:.3000}"


if __name__ == "__main__":
    sys.exit(main())
