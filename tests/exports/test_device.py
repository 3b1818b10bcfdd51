"""Devices: CUDA runs, or the error says why not; no graphics card is needed to see that it does.

What onnxruntime would do on a machine with a GPU is played by stand-ins; the refusals of a machine
without one are real where the tests run on such a machine.
"""

import ctypes
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from gtk.exports import runtime
from gtk.exports.runtime import (
    DeviceError,
    RequestError,
    load,
    load_part,
    open_session,
    session,
)

#: Everything here is promised of the package and of the single file.
pytestmark = pytest.mark.usefixtures("each_form")
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass
class Machine:
    """A machine with CUDA, as far as the runtime asks.

    Attributes:
        gpus: how many the driver finds; None where there is no driver.
        driver: the number that `cuInit` returns.
        missing: libraries of CUDA that are not there.
        available: the providers that this build of onnxruntime knows.
        loaded: those that a session asked for CUDA gets.
        error: what making that session raises.
        on_cpu: the types of the nodes that it puts on the CPU.
        asked: for each session, its providers, its options and how it was made.
        said: the severities of onnxruntime's own log.
        preloaded: whether the libraries of CUDA were loaded.
    """

    gpus: int | None = 2
    driver: int = 0
    missing: tuple[str, ...] = ()
    available: tuple[str, ...] = (CUDA, CPU)
    loaded: tuple[str, ...] = (CUDA, CPU)
    error: str | None = None
    on_cpu: tuple[str, ...] = ("Shape", "Concat")
    asked: list[tuple[Any, Any, dict[str, Any]]] = field(default_factory=list)
    said: list[int] = field(default_factory=list)
    preloaded: bool = False

    def session(self, content: bytes, options: Any, *, providers: Any, **made: Any) -> Any:
        self.asked.append((providers, options, made))
        if providers == [CPU]:
            return onnx_session(content)
        if self.error is not None:
            raise RuntimeError(self.error)
        nodes = [SimpleNamespace(op_type=name) for name in self.on_cpu]
        on_gpu = SimpleNamespace(op_type="ConvTranspose")
        graphs = [
            SimpleNamespace(ep_name=CPU, get_nodes=lambda: nodes),
            SimpleNamespace(ep_name=CUDA, get_nodes=lambda: [on_gpu]),
        ]
        real = onnx_session(content)
        return SimpleNamespace(
            get_providers=lambda: list(self.loaded),
            get_provider_graph_assignment_info=lambda: graphs,
            get_inputs=real.get_inputs,
            get_outputs=real.get_outputs,
            run=real.run,
        )

    def library(self, name: str) -> Any:
        if "cuda.so" in name and "providers" in name:
            return self.provider_library()
        if self.gpus is None:
            raise OSError(f"{name}: cannot open shared object file: No such file or directory")
        return SimpleNamespace(cuInit=lambda flags: self.driver, cuDeviceGetCount=self.count)

    def provider_library(self) -> Any:
        if self.missing:
            raise OSError(f"{self.missing[0]}: cannot open shared object file")

    def count(self, pointer: Any) -> int:
        pointer._obj.value = self.gpus
        return 0

    def preload(self) -> None:
        self.preloaded = True
        for name in self.missing:
            sys.stdout.write(f"Failed to load {name}: {name}: cannot open shared object file\n")


MakeSession = onnxruntime.InferenceSession


def onnx_session(content: bytes) -> Any:
    return MakeSession(content, providers=[CPU])


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that the runtime takes for real."""
    played = Machine()
    monkeypatch.setattr(onnxruntime, "InferenceSession", played.session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(played.available))
    monkeypatch.setattr(onnxruntime, "preload_dlls", played.preload)
    monkeypatch.setattr(onnxruntime, "set_default_logger_severity", played.said.append)
    monkeypatch.setattr(ctypes, "CDLL", played.library)
    return played


@pytest.mark.parametrize(
    ("device", "place"), [("auto", "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1")]
)
def test_cuda_runs_where_it_can(exported: Path, machine: Machine, device: str, place: str) -> None:
    generator = load(exported, device)
    assert generator.device == place
    [(providers, options, made)] = machine.asked
    [(name, settings)] = providers
    assert name == CUDA
    number = place.removeprefix("cuda:")
    expected = {"device_id": number, "cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
    assert settings == expected
    assert made == {"enable_fallback": 0}  # else onnxruntime goes on with the CPU when a run fails
    assert options.get_session_config_entry("session.record_ep_graph_assignment_info") == "1"
    assert machine.said == [4, 2]
    assert generator.sample(count=3).shape == (3, 8, 8)


def test_the_cpu_is_not_asked_about_cuda(exported: Path, machine: Machine) -> None:
    machine.gpus = None
    for device in ("cpu", "auto"):
        assert load(exported, device).device == "cpu"
    assert not machine.preloaded
    assert [providers for providers, _, _ in machine.asked] == [[CPU], [CPU]]


INSTALL = 'pip install "onnxruntime-gpu[cuda,cudnn]"'
DRIVER = "there is no NVIDIA driver (libcuda.so.1 is missing)"
OLD = "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version"
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "build": (
        {"available": (CPU,)},
        "this build supports only CPUs",
        f"Install the other build: pip uninstall -y onnxruntime && {INSTALL}",
    ),
    "driver": ({"gpus": None}, DRIVER, "To fix it: install NVIDIA's driver"),
    "driver and library": (
        {"gpus": None, "missing": ("libcurand.so.10",)},
        f"{DRIVER}; libcurand.so.10 is missing",
        f"To fix it: install NVIDIA's driver, and {INSTALL}",
    ),
    "libraries": (
        {"missing": ("libcublas.so.13", "/lib/libcurand.so.10"), "loaded": (CPU,)},
        "libcublas.so.13: cannot open shared object file; libcurand.so.10 is missing",
        f"To fix it: {INSTALL}",
    ),
    "no GPU": (
        {"driver": 100},
        "the NVIDIA driver finds no GPU (CUDA error 100)",
        "To fix it: let the driver see a GPU (nvidia-smi, CUDA_VISIBLE_DEVICES)",
    ),
    "hidden GPU": (
        {"gpus": 0},
        "the NVIDIA driver finds no GPU",
        "To fix it: let the driver see a GPU (nvidia-smi, CUDA_VISIBLE_DEVICES)",
    ),
    "number": ({"gpus": 1}, "there is no such GPU, the last one is cuda:0", "Use the device cpu"),
    "old driver": (
        {"error": f'/src/a.cc:63 Failed to parse "device_id": {OLD} ; GPU=-1 ; hostname=h'},
        OLD,
        "To fix it: install a newer driver of NVIDIA's",
    ),
    "silence": (
        {"loaded": (CPU,)},
        "it does not use CUDA, although all libraries can be loaded",
        "Use the device cpu",
    ),
    "layers on the CPU": (
        {"on_cpu": ("Shape", "Gemm", "ConvTranspose", "Gemm")},
        "onnxruntime would compute ConvTranspose, Gemm on the CPU",
        "Use the device cpu",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_cuda_that_does_not_run_is_an_error(
    exported: Path, machine: Machine, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    change, reason, remedy = CASES[case]
    for name, value in change.items():
        setattr(machine, name, value)
    asked = f"cuda:1 was asked for, onnxruntime {onnxruntime.__version__} loaded {CPU}"
    with pytest.raises(DeviceError) as caught:
        load(exported, "cuda:1")
    assert str(caught.value) == f"{asked}: {reason}. {remedy}"
    if case != "number":
        generator = load(exported, "auto")
        assert generator.device == "cpu"
        assert generator.sample(count=3).shape == (3, 8, 8)
    assert capfd.readouterr() == ("", "")


def test_a_run_that_fails_on_cuda_does_not_go_on_elsewhere(
    exported: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = load(exported, "cuda")

    def fail(*_: Any) -> None:
        raise RuntimeError("CUDNN failure 4: libcudnn.so.9 is not there\nsecond line")

    monkeypatch.setattr(generator.session, "run", fail)
    message = (
        r"cannot run .*small.onnx on cuda:0 at batch 3: CUDNN failure 4: libcudnn.* not there$"
    )
    with pytest.raises(DeviceError, match=message):
        generator.sample(count=3)


def test_a_file_that_cannot_be_read_is_no_trouble_of_cudas(machine: Machine) -> None:
    machine.error = "this is no graph"
    assert open_session(b"nonsense", "cuda") is None
    assert open_session(b"nonsense", "auto") is None


@pytest.mark.parametrize(
    "device",
    ["", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:\u0663", "cuda:0\n", "cpu:0", None, 0],
)
def test_a_device_that_is_none_is_refused(exported: Path, device: Any) -> None:
    for opener in (load, load_part):
        with pytest.raises(RequestError, match=r"unknown device .*: use auto, cpu, cuda or cuda:1"):
            opener(exported, device)


def has_driver() -> bool:
    try:
        ctypes.CDLL(session.DRIVER)
    except OSError:
        return False
    return True


@pytest.mark.skipif(has_driver(), reason="has a driver of NVIDIA's")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "auto", "cpu"])
def test_on_this_machine_without_a_gpu(exported: Path, device: str) -> None:
    code = (
        f"import sys; sys.path.insert(0, sys.argv[3]); from {runtime.__name__} import *\n"
        "try:\n    print(load(sys.argv[1], sys.argv[2]).device)\n"
        "except DeviceError as error:\n    print(error)"
    )
    folder = Path(str(runtime.__file__)).parent
    command = [sys.executable, "-c", code, str(exported), device, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    if device.startswith("cuda"):
        assert done.stdout.startswith(f"{device} was asked for, onnxruntime")
        assert "no NVIDIA driver" in done.stdout or "this build supports only CPUs" in done.stdout
        assert done.stdout.count("\n") == 1
    else:
        assert done.stdout == "cpu\n"


@pytest.mark.skipif(has_driver(), reason="has a driver of NVIDIA's")
@pytest.mark.parametrize("each_form", ["package"], indirect=True)  # uses neither form itself
def test_the_command_line_says_it_in_a_line(exported: Path) -> None:
    command = [sys.executable, "-m", "gtk", "sample", str(exported), "-n", "4", "--out", "a.png"]
    done = subprocess.run(
        [*command, "--device", "cuda"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("gtk: error: cuda was asked for, onnxruntime")
    assert done.stderr.count("\n") == 1
    assert not Path("a.png").exists()
    for device in ("cpu", "auto"):
        subprocess.run([*command, "--overwrite", "--device", device], check=True)


@pytest.mark.parametrize(
    ("cores", "quota", "threads"),
    [(1, None, 1), (2, None, 2), (64, None, runtime.MOST_THREADS), (64, "150000 100000", 2),
     (4, "max 100000", 4), (4, "10000 100000", 1), (4, "nonsense", 4)],
)  # fmt: skip
def test_threads_are_as_many_as_cores_that_may_be_used(
    monkeypatch: pytest.MonkeyPatch, cores: int, quota: str | None, threads: int
) -> None:
    def read(path: Path, encoding: str) -> str:
        assert path == Path("/sys/fs/cgroup/cpu.max")
        if quota is None:
            raise FileNotFoundError
        return quota

    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    monkeypatch.setattr(Path, "read_text", read)
    assert session.threads() == threads


def test_a_session_has_threads_of_its_own_that_soon_sleep(exported: Path) -> None:
    opened = open_session(exported.read_bytes())
    assert opened is not None
    options = opened.get_session_options()
    assert options.intra_op_num_threads == session.threads()
    assert options.inter_op_num_threads == 1
    spinning = options.get_session_config_entry("session.intra_op.spin_duration_us")
    assert 0 < int(spinning) <= 2000
