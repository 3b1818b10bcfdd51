"""Kill trainings at random, resume them to their ends, and compare them with unkilled ones.

    python benchmarks/kills.py --out FOLDER [--kills 1000] [--seed 0] [--kinds vae,hinge]
    python benchmarks/kills.py --out FOLDER --operations [--every 1] [--kinds vae,hinge]
    python benchmarks/kills.py --out FOLDER --overwriting [--every 1] [--kinds vae,hinge]

Without `--operations`, each training is killed (SIGKILL) at a moment drawn uniformly over the
processor's time that an unkilled one takes, resumed, and killed again, until one process comes to
the end. With `--operations` it is killed once, before its n-th operation on a file, for every n; a
file that is opened to write counts twice, before and while it is still empty. That finds what
random moments miss. `--overwriting` does the same to a training that replaces an older run, checks
that one of the two runs can be used after the kill, and types the command once more.

A training that came to its end must equal one that was never killed: checkpoints, metrics and
pictures in every byte, run.json and report.html in all but the time at which the run was made,
event files of TensorBoard in their points, and timing.json has to be there. No temporary file may
be left. What differs stays in FOLDER.

FOLDER/kills.json has the result of each training, and the script continues from it. It prints a
table of Markdown, and ends with exit code 1 if a training differs. Trainings are forks of this
process, which has imported torch and trains nothing itself, so a kill costs about a second. Linux
only.
"""

import argparse
import json
import logging
import os
import random
import select
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

COMMON = ["--epochs", "2", "--log-every", "3", "--checkpoint-every", "4", "--batch-size", "160"]
COMMON += ["--sample-every", "1", "--threads", "1", "--quiet"]
#: The six kinds of training, by what each of them has to restore.
KINDS = {
    "vae": "--plugin vae --latent-dim 2 --hidden-dims 16 --warmup-steps 3 --decay cosine "
    "--clip-norm 1",
    # It stops early at step 10, since kl rises from step 2 on.
    "cvae": "--plugin cvae --hidden-dims 16 --conditioner embedding --validation 100 --monitor kl "
    "--patience 4 --learning-rate 0.2 --average-decay 0.9 --checkpoint-every 2 "
    "--keep-checkpoints 2",
    "hinge": "--plugin cgan --network mlp --hidden-dims 16 --conditioner projection --loss hinge "
    "--average-decay 0.9",
    "wasserstein": "--plugin cgan --network mlp --hidden-dims 16 --loss wasserstein-gp "
    "--critic-steps 2",
    "iwae": "--plugin cvae --hidden-dims 16 --conditioner film --loss iwae --samples 3 "
    "--condition-dropout 0.2",
    "folder": "--plugin cvae --network conv --channels 4,6 --data folder:{data} --flip --shift 1 "
    "--batch-size 6",
}
#: What a kind needs to be given again to be resumed.
CALLBACKS = {"vae": ["--callback", "tensorboard"]}
NO_RUN, NO_CHECKPOINT = "before the run", "before a checkpoint"
BETWEEN, FINISHING = "after a checkpoint", "finishing"
LEFT_OVER = "left over"
PLACES = [NO_RUN, NO_CHECKPOINT, BETWEEN, FINISHING]
#: Seconds that no process may take.
LONGEST = 600
#: Imported before the first fork; what else the unkilled trainings import follows before the rest.
PRELOADED = ["gtk.cli.main", "gtk.core.training.training", "torch._dynamo"]


def make_images(folder: Path) -> None:
    """Write 40 small colour images of two classes, unless they are there."""
    from PIL import Image

    generator = np.random.default_rng(0)
    for number in range(40):
        place = folder / "ab"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            Image.fromarray(generator.integers(0, 256, (8, 8, 3), np.uint8)).save(place)


class Operations:
    """Counts a process's operations on files below a folder, and ends it before one of them.

    Args:
        folder: operations elsewhere, as on caches of other packages, are not counted.
        last: the number of the operation that is not carried out; None for none.

    Attributes:
        names: the operations so far.
    """

    EVENTS = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"})

    def __init__(self, folder: Path, last: int | None) -> None:
        self._folder, self._last = str(folder.resolve()), last
        self.names: list[str] = []

    def watch(self) -> None:
        """Start."""
        flush = os.fsync

        def fsync(file: int) -> None:
            self._note("os.fsync", Path(f"/proc/self/fd/{file}").resolve())
            flush(file)

        os.fsync = fsync  # type: ignore[assignment]  # it has no audit event
        sys.addaudithook(self._hear)

    def _hear(self, event: str, given: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(given[0], str | bytes | os.PathLike):
            if given[2] & (os.O_WRONLY | os.O_RDWR) and self._note("open", given[0]):
                self._note("opened", given[0], later=True)
        elif event in self.EVENTS:
            self._note(event, given[0])

    def _note(self, name: str, path: Any, *, later: bool = False) -> bool:  # noqa: ANN401
        place = os.path.realpath(os.fsdecode(path))
        if not place.startswith(self._folder):
            return False
        if self._last == len(self.names):
            if not later:
                os.kill(os.getpid(), signal.SIGKILL)
            sys.setprofile(_die_after_call)
        self.names.append(f"{name} {place.removeprefix(self._folder)}")
        return True


def _die_after_call(_frame: object, event: str, _called: object) -> None:
    if event == "c_return":
        os.kill(os.getpid(), signal.SIGKILL)


def start(folder: Path, arguments: list[str], operations: Operations | None = None) -> int:
    """Fork a process that is `gtk` in a folder, with a cache of its own, and return its id."""
    from gtk.cli.main import run
    from gtk.core.storage.cache import CACHE_VARIABLE

    process = os.fork()
    if process:
        return process
    code = 70
    try:
        os.chdir(folder)
        os.environ[CACHE_VARIABLE] = str(folder / "cache")
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if operations:
            operations.watch()
        code = run(arguments)
        if operations:
            Path("operations.json").write_text(json.dumps(operations.names))
            Path("modules.json").write_text(json.dumps(list(sys.modules)))
    except BaseException:  # noqa: BLE001 - a fork must not go on with what its parent was doing
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended(process: int, seconds: float | None) -> bool:
    """Wait until a process ends, so many seconds at most, and return whether it has."""
    handle = os.pidfd_open(process)
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def ended_within(process: int, seconds: float) -> bool:
    """Wait until a process ends or has worked for so many seconds, and return whether it ended.

    Seconds of its processor, since those of a clock say little on a busy machine.
    """
    clock = ~process << 3 | 2  # Linux's number of the clock of a process
    while (left := seconds - time.clock_gettime(clock)) > 0:
        if ended(process, left):
            return True
    return False


def wait(process: int) -> tuple[int, float]:
    """Return how a process ended, -9 after a SIGKILL, and for how many seconds it has worked."""
    if not ended(process, LONGEST):
        os.kill(process, signal.SIGKILL)
        raise SystemExit(f"a process did not end in {LONGEST} s")
    _, status, usage = os.wait4(process, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime


class Kind:
    """A kind of training, and its unkilled run, which is made twice to see that it repeats.

    Attributes:
        arguments: of its command.
        seconds: of the processor that it took.
        operations: on files, in that run.
    """

    def __init__(self, name: str, out: Path) -> None:
        self.name, self.out = name, out
        words = KINDS[name].format(data=out / "data").split()
        self._callbacks = CALLBACKS.get(name, [])
        self.arguments = ["train", "--name", name, *COMMON, *words, *self._callbacks]
        folder = self.new_folder("unkilled")
        self.straight = folder / "runs" / name
        self._train(folder, Operations(folder, None))
        self.operations: list[str] = json.loads((folder / "operations.json").read_text())
        for module in json.loads((folder / "modules.json").read_text()):
            with suppress(ImportError):  # some packages make modules that none can import
                import_module(module)
        self.last_step = newest(self.straight)
        again = self.new_folder("again")
        self.seconds = self._train(again)
        if found := differences(self.straight, again / "runs" / name):
            raise SystemExit(f"{name} differs from itself: {found}")
        print(f"{name}: {self.seconds:.1f} s, {len(self.operations)} operations", flush=True)

    def _train(self, folder: Path, operations: Operations | None = None) -> float:
        """Train without a kill, and return for how many seconds the processor has worked."""
        code, seconds = wait(start(folder, self.arguments, operations))
        if code:
            raise SystemExit(f"{self.name}: {(folder / 'log').read_text()}")
        return seconds

    def new_folder(self, name: str) -> Path:
        """Return an empty folder for a training; all have the same depth, for relative paths."""
        folder = self.out / f"{self.name}-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def next_arguments(self, folder: Path) -> list[str]:
        """Return the command that brings a killed training further."""
        run = folder / "runs" / self.name
        if (run / "run.json").exists():
            return ["train", "--resume", self.name, "--quiet", *self._callbacks]
        return [*self.arguments, *(["--overwrite"] if run.exists() else [])]

    def place(self, folder: Path) -> str:
        """Return how far a training has come."""
        run = folder / "runs" / self.name
        if not (run / "run.json").exists():
            return NO_RUN
        step = newest(run)
        return NO_CHECKPOINT if not step else BETWEEN if step < self.last_step else FINISHING

    def carry_on(
        self,
        folder: Path,
        kill: Callable[[int], str | None],
        operations: Operations | None = None,
    ) -> dict[str, Any]:
        """Train to the end, however often a process is killed, and return the result.

        Args:
            folder: of this training.
            kill: waits and kills a process, and returns how far the training had come; None if the
                process ended by itself.
            operations: of the first process, which ends itself by them.
        """
        kills: list[str] = []
        while True:
            arguments = self.next_arguments(folder)
            process = start(folder, arguments, operations)
            place = kill(process)
            code, _ = wait(process)
            if operations:
                place, operations = self.place(folder) if code == -signal.SIGKILL else None, None
            if place is not None:
                kills.append(place)
                continue
            return {"kills": kills, "different": self.verdict(folder, code)}

    def verdict(self, folder: Path, code: int) -> list[str]:
        """Return what differs after the last command; remove the folder if nothing does."""
        last = (folder / "log").read_text().strip().rpartition("\n")[2]
        if code != 0 and not (code == 2 and "is complete" in last):
            return [f"exit code {code}: {last}"]
        different = differences(self.straight, folder / "runs" / self.name)
        if not different:
            shutil.rmtree(folder)
        return different


def newest(run: Path) -> int:
    """Return the step of a run's newest checkpoint, 0 where there is none."""
    found = (run / "checkpoints").glob("[0-9]" * 9 + "/state.json")
    return max((int(path.parent.name) for path in found), default=0)


def differences(straight: Path, killed: Path) -> list[str]:
    """Return the names of files that differ between two runs, with what is wrong."""
    ours, theirs = contents(killed), contents(straight)
    found = [f"missing: {name}" for name in sorted(theirs.keys() - ours.keys())]
    found += [f"{LEFT_OVER}: {name}" for name in sorted(ours.keys() - theirs.keys())]
    found += [f"different: {name}" for name in sorted(ours.keys() & theirs.keys())
              if ours[name] != theirs[name]]  # fmt: skip
    return found


def contents(run: Path) -> dict[str, object]:
    """Return what must be equal in two runs: what every file and folder holds, by its name.

    Nothing else may be in the folder of runs, so what is there counts, too.
    run.json and report.html come without the time at which the run was made, timing.json without
    that which its steps took.
    """
    found: dict[str, object] = {}
    for path in run.parent.rglob("*"):
        name = os.path.relpath(path, run)
        if name.startswith("tensorboard/") or name == ".lock":  # a lock file may stay or not
            continue
        timed = path.name == "timing.json"
        found[name] = path.read_bytes() if path.is_file() and not timed else None
    try:
        document = json.loads((run / "run.json").read_text())
    except (OSError, ValueError):
        return found
    created = document.pop("created").encode()
    found["run.json"] = document
    if "report.html" in found:
        found["report.html"] = (run / "report.html").read_bytes().replace(created, b"")
    if (run / "tensorboard").is_dir():
        found["tensorboard"] = points(run / "tensorboard")
    return found


def points(folder: Path) -> dict[str, object]:
    """Return the points that TensorBoard shows, without those of the speed."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logging.getLogger("tensorboard").disabled = True  # it would warn of purged points
    found: dict[str, object] = {}
    for split in ("train", "validation", "test"):
        if (folder / split).is_dir():
            events = EventAccumulator(str(folder / split), size_guidance={"scalars": 0})
            events.Reload()
            for tag in events.Tags()["scalars"]:
                if tag != "training/images_per_second":
                    values = [(point.step, point.value) for point in events.Scalars(tag)]
                    found[f"{split} {tag}"] = values
    return found


def left_over(result: dict[str, Any]) -> bool:
    """Return whether a run differs, and only by files that should not be there any more."""
    lines = result["different"]
    return bool(lines) and all(line.startswith(LEFT_OVER) for line in lines)


class Record:
    """The results so far, in FOLDER/kills.json."""

    def __init__(self, out: Path, seed: int) -> None:
        self._path = out / "kills.json"
        names = ("generative-toolkit", "torch", "numpy")
        self.document: dict[str, Any] = {
            "seed": seed,
            "versions": {name: version(name) for name in names},
            "random": {},
            "operations": {},
            "overwriting": {},
        }
        if self._path.exists():
            before = json.loads(self._path.read_text())
            if any(before[key] != self.document[key] for key in ("seed", "versions")):
                raise SystemExit(f"{self._path} is of another seed or of other versions")
            self.document = before

    def add(self, mode: str, kind: Kind, number: int, result: dict[str, Any]) -> None:
        """Add a training."""
        self.document[mode].setdefault(kind.name, {})[str(number)] = result
        partial_file = self._path.with_suffix(".partial")
        partial_file.write_text(json.dumps(self.document, indent=1) + "\n")
        partial_file.replace(self._path)
        for line in result["different"]:
            print(f"{kind.name} {number} ({', '.join(result['kills'])}): {line}", flush=True)

    def results(self, mode: str, kind: str) -> dict[str, dict[str, Any]]:
        """Return the results of a kind by number."""
        found: dict[str, dict[str, Any]] = self.document[mode].get(kind, {})
        return found

    def kills(self) -> int:
        """Return how many kills at random there were."""
        kinds = self.document["random"].values()
        return sum(len(result["kills"]) for results in kinds for result in results.values())

    def table(self, mode: str) -> list[list[str]]:
        """Return a row for each kind, and their sum."""
        rows = [["kind", "trainings", "kills", *PLACES, LEFT_OVER, "different"]]
        total: Counter[str] = Counter()
        for kind in self.document[mode]:
            results = self.results(mode, kind).values()
            places = Counter(place for result in results for place in result["kills"])
            sums = Counter(
                {
                    "trainings": len(results),
                    "kills": places.total(),
                    LEFT_OVER: sum(left_over(result) for result in results),
                    "different": sum(
                        bool(result["different"]) and not left_over(result) for result in results
                    ),
                }
            )
            sums += places
            rows.append([kind, *(str(sums[name]) for name in rows[0][1:])])
            total += sums
        return [*rows, ["all", *(str(total[name]) for name in rows[0][1:])]]


def kill_at_random(kind: Kind, folder: Path, moments: random.Random, process: int) -> str | None:
    """Kill a process at a moment of its time, unless it ends before; return where that was."""
    if ended_within(process, moments.uniform(0, kind.seconds)):
        return None
    os.kill(process, signal.SIGSTOP)  # so that the place is that of the kill
    stopped = os.waitid(os.P_PID, process, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    if stopped is None or stopped.si_code != os.CLD_STOPPED:  # it ended just before
        return None
    place = kind.place(folder)
    os.kill(process, signal.SIGKILL)
    return place


def at_random(kinds: list[Kind], record: Record, seed: int, kills: int) -> None:
    """Train one of each kind after the other until there were so many kills or a few more."""
    for number in count():
        if record.kills() >= kills:
            return
        for kind in kinds:
            if str(number) in record.results("random", kind.name):
                continue
            moments = random.Random(f"{seed} {kind.name} {number}")  # noqa: S311 - not a secret
            folder = kind.new_folder(f"{number:04d}")
            kill = partial(kill_at_random, kind, folder, moments)
            record.add("random", kind, number, kind.carry_on(folder, kill))


def at_operations(kinds: list[Kind], record: Record, every: int) -> None:
    """Kill a training of each kind at every n-th operation on a file."""
    for kind in kinds:
        for number in range(0, len(kind.operations), every):
            if str(number) in record.results("operations", kind.name):
                continue
            folder = kind.new_folder(f"operation-{number:04d}")
            operations = Operations(folder, number)
            result = kind.carry_on(folder, lambda _process: None, operations)
            result["operation"] = kind.operations[number]
            record.add("operations", kind, number, result)


def at_overwriting(kinds: list[Kind], record: Record, every: int) -> None:
    """Kill a training that replaces another kind's run at every n-th operation on a file."""
    for kind, older in zip(kinds, [kinds[-1], *kinds], strict=False):
        for number in count(0, every):
            if str(number) in record.results("overwriting", kind.name):
                continue
            folder = kind.new_folder(f"overwriting-{number:04d}")
            shutil.copytree(older.straight, folder / "runs" / kind.name)
            arguments = [*kind.arguments, "--overwrite"]
            code, _ = wait(start(folder, arguments, Operations(folder, number)))
            if code != -signal.SIGKILL:  # it has no such operation any more
                break
            place, runs = kind.place(folder), (folder / "runs").iterdir()
            kept = any(newest(run) and (run / "run.json").exists() for run in runs)
            different = [] if kept else ["lost: neither run has a checkpoint"]
            code, _ = wait(start(folder, arguments))
            different += kind.verdict(folder, code)
            result = {"kills": [place], "different": different}
            record.add("overwriting", kind, number, result)


def main() -> int:
    """Kill, resume, compare, and print a table; return 1 if a training differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--operations", action="store_true")
    parser.add_argument("--overwriting", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    wanted = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: threads do not survive a fork
    for module in PRELOADED:
        import_module(module)
    out = wanted.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    make_images(out / "data")
    record = Record(out, wanted.seed)
    kinds = [Kind(name, out) for name in wanted.kinds.split(",")]
    mode = "operations" if wanted.operations else "random"
    if wanted.overwriting:
        mode = "overwriting"
        at_overwriting(kinds, record, wanted.every)
    elif wanted.operations:
        at_operations(kinds, record, wanted.every)
    else:
        at_random(kinds, record, wanted.seed, wanted.kills)
    table = record.table(mode)
    for row in [table[0], ["---"] * len(table[0]), *table[1:]]:
        print(f"| {' | '.join(row)} |")
    return int(table[-1][-2:] != ["0", "0"])


if __name__ == "__main__":
    sys.exit(main())
