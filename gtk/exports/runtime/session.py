"""An onnxruntime session on the CPU or on CUDA, and why it is not on CUDA where it is not.

CUDA has not been measured yet: there the refusals are tried out, the pictures are not.
"""

import ctypes
import io
import math
import os
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from gtk.exports.runtime.errors import DeviceError, RequestError

#: The most threads that a small model is spread over.
MOST_THREADS = 8
#: How long a thread waits awake for more work, in microseconds: long enough to be there for the
#: next operator and the next call, short enough to leave the cores to others between the images of
#: an app. onnxruntime's own way keeps a core busy in an app that draws 60 images a second.
SPINNING = 1000
#: The installation that holds all libraries which CUDA needs, and its driver's library.
_INSTALL = 'pip install "onnxruntime-gpu[cuda,cudnn]"'
DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def open_session(content: bytes, device: str = "cpu") -> Any | None:  # noqa: ANN401 - onnxruntime publishes no types
    """Return an onnxruntime session, None for what it cannot read.

    onnxruntime notes every start in a database in the user's home, to be sent to its makers,
    unless it is told not to before it is imported.

    Args:
        content: of an ONNX file that `scan` let pass.
        device: as in `load`.

    Raises:
        DeviceError: CUDA was asked for and does not run.
        RequestError: there is no such kind of device.
    """
    check_device(device)
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    reason = ""
    if device != "cpu" and (device != "auto" or not _trouble(onnxruntime, device)):
        missing = _preload(onnxruntime)
        reason = _trouble(onnxruntime, device)
        if not reason:
            session, reason = _open_on_cuda(onnxruntime, content, gpu(device))
            if session is not None:
                return session
        absent = [f"{name} is missing" for name in missing if name not in reason]
        reason = "; ".join([*filter(None, [reason]), *absent])
    session = _open_on_cpu(onnxruntime, content)
    if session is not None and device not in ("auto", "cpu"):
        raise DeviceError(
            f"{device} was asked for, onnxruntime {onnxruntime.__version__} loaded "
            f"{', '.join(session.get_providers())}: {reason}. {_remedy(reason)}"
        )
    return session


def check_device(device: str) -> None:
    """Refuse what is not the name of a device.

    Raises:
        RequestError: it says which names there are.
    """
    if not (isinstance(device, str) and re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", device)):
        raise RequestError(f"unknown device {device!r}: say auto, cpu, cuda or cuda:1")


def gpu(device: str) -> int:
    """Return which GPU a device means."""
    return int(device.partition(":")[2] or 0)


def _options(onnxruntime: Any) -> Any:  # noqa: ANN401 - as above
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what matters is raised
    options.intra_op_num_threads = threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPINNING))
    return options


def threads() -> int:
    """Return how many cores this process may use, up to `MOST_THREADS`."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    try:  # a container may have less time than cores
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        pass
    return max(1, min(cores, MOST_THREADS))


def _open_on_cpu(onnxruntime: Any, content: bytes) -> Any | None:  # noqa: ANN401 - as above
    try:
        return onnxruntime.InferenceSession(
            content, _options(onnxruntime), providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception:  # noqa: BLE001 - onnxruntime's errors have no common root
        return None


def _open_on_cuda(onnxruntime: Any, content: bytes, number: int) -> tuple[Any | None, str]:  # noqa: ANN401 - as above
    """Return a session whose networks run on a GPU, or else the reason why there is none.

    onnxruntime itself goes on without CUDA in many ways, so it is asked what it did. Nodes that
    compute shapes do belong on the CPU: `session.disable_cpu_ep_fallback` would refuse them.
    """
    options = _options(onnxruntime)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    settings = {
        "device_id": str(number),
        "cudnn_conv_algo_search": "HEURISTIC",  # the default tries all again for each batch size
        "use_tf32": "0",  # which would compute with 10 bits of each number
    }
    onnxruntime.set_default_logger_severity(4)  # it would print what is raised here
    try:
        session = onnxruntime.InferenceSession(
            content, options, providers=[("CUDAExecutionProvider", settings)], enable_fallback=0
        )
    except Exception as error:  # noqa: BLE001 - as above
        return None, first_line(error)
    finally:
        onnxruntime.set_default_logger_severity(2)  # its default
    if session.get_providers()[0] != "CUDAExecutionProvider":
        return None, _loading_error(onnxruntime)
    left = _networks_on_cpu(session)
    if left:
        return None, f"onnxruntime would compute {', '.join(left)} on the CPU"
    return session, ""


def _networks_on_cpu(session: Any) -> list[str]:  # noqa: ANN401 - as above
    """Return the types of the layers that a session on CUDA runs on the CPU all the same."""
    assigned = getattr(session, "get_provider_graph_assignment_info", None)
    if assigned is None:  # onnxruntime before 1.24
        return []
    return sorted(
        {
            node.op_type
            for graph in assigned()
            if graph.ep_name == "CPUExecutionProvider"
            for node in graph.get_nodes()
        }
        & {"Conv", "ConvTranspose", "Gemm", "MatMul"}
    )


def _trouble(onnxruntime: Any, device: str) -> str:  # noqa: ANN401 - as above
    """Return why CUDA cannot run here, empty where nothing is known to stand against it."""
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "it is a build for CPUs alone"
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return f"there is no NVIDIA driver ({DRIVER} is missing)"
    count = ctypes.c_int()
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if status or not count.value:
        code = f" (CUDA error {status})" if status else ""
        return f"the NVIDIA driver finds no GPU{code}"
    if gpu(device) >= count.value:
        return f"there is no such GPU, the last one is cuda:{count.value - 1}"
    return ""


def _preload(onnxruntime: Any) -> list[str]:  # noqa: ANN401 - as above
    """Load the libraries of CUDA from where pip puts them, and return which ones are missing."""
    said = io.StringIO()
    with redirect_stdout(said):  # it prints what it does not find
        onnxruntime.preload_dlls()
    paths = re.findall(r"Failed to load (\S+):", said.getvalue())
    return sorted({re.split(r"[/\\]", path)[-1] for path in paths})


def _loading_error(onnxruntime: Any) -> str:  # noqa: ANN401 - as above
    """Return why the part of onnxruntime that knows CUDA cannot be loaded, after it was tried."""
    name = (
        "onnxruntime_providers_cuda.dll"
        if sys.platform == "win32"
        else ("libonnxruntime_providers_cuda.so")
    )
    try:
        ctypes.CDLL(str(Path(onnxruntime.__file__).parent / "capi" / name))
    except OSError as error:
        return first_line(error)
    return "it left CUDA out, although everything can be loaded"


def _remedy(reason: str) -> str:
    """Return how to repair it."""
    if "for CPUs alone" in reason:
        return f"Install the other build: pip uninstall -y onnxruntime && {_INSTALL}"
    steps = []
    if "no NVIDIA driver" in reason:
        steps.append("install NVIDIA's driver")
    if "driver version" in reason:
        steps.append("install a newer driver of NVIDIA's")
    if "no GPU" in reason:
        steps.append("let the driver see a GPU (nvidia-smi, CUDA_VISIBLE_DEVICES)")
    if re.search(r"\.(so|dll)\S* (is missing(;|$)|cannot open)", reason):
        steps.append(_INSTALL)
    return f"To mend it: {', and '.join(steps)}" if steps else "The device cpu works"


def first_line(error: BaseException) -> str:
    """Return the first line of an error of onnxruntime's, which may quote names from the file."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    found = re.search(r"CUDA failure \d+: [^;]+", line)
    text = (found[0] if found else line).strip()
    return "".join(letter if letter.isprintable() else "?" for letter in text[:300])
