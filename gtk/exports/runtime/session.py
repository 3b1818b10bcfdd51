"""Open an onnxruntime session on the CPU or on CUDA, and say why CUDA cannot be used.

CUDA has not been measured yet: its errors are tested, its images are not.
"""

import ctypes
import io
import math
import os
import re
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

from gtk.core.values.argument import check_type, shown
from gtk.exports.runtime.errors import DeviceError, RequestError, requested

#: The most threads that a small model gains from.
MOST_THREADS = 8
#: Microseconds that a thread waits awake for work: long enough for the next operator and the next
#: call, short enough to free the cores between the images of an app. onnxruntime's default keeps a
#: core busy in an app that draws 60 images a second.
SPINNING = 1000
#: The setting for the largest tensor that onnxruntime computes while it opens a file, in bytes.
FOLDING = "optimization.constant_folding_max_output_size_in_bytes"
#: The command that installs all libraries of CUDA, and the libraries of driver and provider.
_INSTALL = 'pip install "onnxruntime-gpu[cuda,cudnn]"'
DRIVER, PROVIDER = (
    ("nvcuda.dll", "onnxruntime_providers_cuda.dll")
    if sys.platform == "win32"
    else ("libcuda.so.1", "libonnxruntime_providers_cuda.so")
)


def open_session(content: bytes, device: str = "cpu", most_folded: int | None = None) -> Any | None:  # noqa: ANN401 - onnxruntime publishes no types
    """Return an onnxruntime session, None where onnxruntime cannot read the graph.

    Telemetry is switched off before the import: otherwise onnxruntime records each start in the
    user's home, to send the records to its makers.

    Args:
        content: of an ONNX file that `scan` accepts.
        device: as in `load`.
        most_folded: the most bytes of a tensor that onnxruntime may compute before the first run;
            None for its own limit. It has none before 1.27.

    Raises:
        DeviceError: CUDA was asked for and does not run.
        RequestError: an unknown kind of device, or content that is not bytes.
    """
    with requested():
        check_type("content", content, bytes)
    check_device(device)
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    reason = ""
    if device != "cpu" and (device != "auto" or not _trouble(onnxruntime, device)):
        missing = _preload(onnxruntime)
        reason = _trouble(onnxruntime, device)
        if not reason:
            session, reason = _open_on_cuda(onnxruntime, content, gpu(device), most_folded)
            if session is not None:
                return session
        absent = [f"{name} is missing" for name in missing if name not in reason]
        reason = "; ".join([*filter(None, [reason]), *absent])
    session = _open_on_cpu(onnxruntime, content, most_folded)
    if session is not None and device not in ("auto", "cpu"):
        raise DeviceError(
            f"{device} was asked for, onnxruntime {onnxruntime.__version__} loaded "
            f"{', '.join(session.get_providers())}: {reason}. {_remedy(reason)}"
        )
    return session


def check_device(device: str) -> None:
    """Refuse an unknown name of a device.

    Raises:
        RequestError: the message lists the names.
    """
    if not (isinstance(device, str) and re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", device)):
        raise RequestError(f"unknown device {shown(device)}: use auto, cpu, cuda or cuda:1")


def gpu(device: str) -> int:
    """Return the number of a device's GPU."""
    return int(device.partition(":")[2] or 0)


def _options(onnxruntime: Any, most_folded: int | None = None) -> Any:  # noqa: ANN401 - as above
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised
    options.intra_op_num_threads = threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPINNING))
    if most_folded is not None:
        options.add_session_config_entry(FOLDING, str(most_folded))
    return options


def threads() -> int:
    """Return the number of cores that this process may use, up to `MOST_THREADS`."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # a container may have less time than cores
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    return max(1, min(cores, MOST_THREADS))


def _open_on_cpu(onnxruntime: Any, content: bytes, most_folded: int | None) -> Any | None:  # noqa: ANN401 - as above
    try:
        return _cpu_session(onnxruntime, content, most_folded)
    except Exception:  # noqa: BLE001 - onnxruntime's errors have no common root
        return None


def _cpu_session(onnxruntime: Any, content: bytes, most_folded: int | None) -> Any:  # noqa: ANN401 - as above
    options = _options(onnxruntime, most_folded)
    return onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"], enable_fallback=0
    )


def reading_error(content: bytes, most_folded: int | None = None) -> str:
    """Say why onnxruntime, which is named with its version, cannot read a graph."""
    import onnxruntime

    reason = "nothing"
    try:
        _cpu_session(onnxruntime, content, most_folded)
    except Exception as error:  # noqa: BLE001 - as above
        reason = str(error)
    name = f"onnxruntime {onnxruntime.__version__}"
    limit = re.search(r"till (opset) (\d+)|max supported (IR version): (\d+)", reason)
    if limit is not None:
        what, most = filter(None, limit.groups())
        return f"{name} reads {what} up to {most}"
    # It starts with a code and, for some errors, the place in onnxruntime's source.
    reason = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", reason)
    reason = re.sub(r"^\S*/\S+:\d+ .*?\) (?=[A-Z])", "", reason)
    return f"{name} says: {first_line(RuntimeError(reason))[:200].rstrip('.')}"


def _open_on_cuda(
    onnxruntime: Any,  # noqa: ANN401 - as above
    content: bytes,
    number: int,
    most_folded: int | None,
) -> tuple[Any | None, str]:
    """Return a session whose layers run on a GPU, or None and the reason.

    onnxruntime falls back to the CPU silently in many ways, so its assignment is checked. Nodes
    that compute shapes belong on the CPU: `session.disable_cpu_ep_fallback` would refuse them.
    """
    options = _options(onnxruntime, most_folded)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    settings = {
        "device_id": str(number),
        "cudnn_conv_algo_search": "HEURISTIC",  # the default searches anew for each batch size
        "use_tf32": "0",  # TF32 computes with 10 bits of each number
    }
    onnxruntime.set_default_logger_severity(4)  # it prints the errors that are raised here
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
    """Return the types of layers that a session on CUDA runs on the CPU."""
    assigned = getattr(session, "get_provider_graph_assignment_info", list)  # from 1.24 on
    graphs = [graph for graph in assigned() if graph.ep_name == "CPUExecutionProvider"]
    on_cpu = {node.op_type for graph in graphs for node in graph.get_nodes()}
    return sorted(on_cpu & {"Conv", "ConvTranspose", "Gemm", "MatMul"})


def _trouble(onnxruntime: Any, device: str) -> str:  # noqa: ANN401 - as above
    """Return why CUDA cannot run here, empty if no reason is known."""
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "this build supports only CPUs"
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
    """Load the libraries of CUDA from where pip installs them, and return the missing ones."""
    said = io.StringIO()
    with redirect_stdout(said):  # it prints the names of missing libraries
        onnxruntime.preload_dlls()
    paths = re.findall(r"Failed to load (\S+):", said.getvalue())
    return sorted({re.split(r"[/\\]", path)[-1] for path in paths})


def _loading_error(onnxruntime: Any) -> str:  # noqa: ANN401 - as above
    """Return why onnxruntime's provider of CUDA could not be loaded."""
    try:
        ctypes.CDLL(str(Path(onnxruntime.__file__).parent / "capi" / PROVIDER))
    except OSError as error:
        return first_line(error)
    return "it does not use CUDA, although all libraries can be loaded"


def _remedy(reason: str) -> str:
    """Return what the user can do."""
    if "only CPUs" in reason:
        return f"Install the other build: pip uninstall -y onnxruntime && {_INSTALL}"
    steps = {
        "no NVIDIA driver": "install NVIDIA's driver",
        "driver version": "install a newer driver of NVIDIA's",
        "no GPU": "let the driver see a GPU (nvidia-smi, CUDA_VISIBLE_DEVICES)",
        r"\.(so|dll)\S* (is missing(;|$)|cannot open)": _INSTALL,
    }
    fitting = [step for pattern, step in steps.items() if re.search(pattern, reason)]
    return f"To fix it: {', and '.join(fitting)}" if fitting else "Use the device cpu"


def first_line(error: BaseException) -> str:
    """Return an error's first line, printable: onnxruntime may quote names in the file."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    found = re.search(r"CUDA failure \d+: [^;]+", line)
    text = (found[0] if found else line).strip()
    return "".join(letter if letter.isprintable() else "?" for letter in text[:300])
