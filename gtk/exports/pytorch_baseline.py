"""A part in eager PyTorch, as the model itself computes it, to measure beside its file."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gtk.core.models.device import resolve_device
from gtk.core.models.tf32 import without_tf32
from gtk.core.storage.run import Run
from gtk.core.values.errors import ExportMismatch, GtkError, UserError
from gtk.exports.loaded_part import LoadedModel, LoadedPart, load_parts, one_line
from gtk.exports.parity import Tolerance, measure
from gtk.exports.reference import sample
from gtk.exports.sampled_part import SamplerReference, sampler_of
from gtk.exports.timing import Call


class Eager:
    """A part of a run in eager PyTorch; InvalidValue where torch cannot use the device."""

    def __init__(self, subject: LoadedPart, device: str) -> None:
        self.device = resolve_device(device)
        self.model = subject.model.to(self.device)
        # After the move: a reference or margin of the part may hold tensors of the model.
        parts = load_parts(self.model, subject.plugin, subject.image_shape, optional=True)
        self.part = subject.part if subject.sampled else parts[subject.name].part
        reference = self.part.reference or sample
        if isinstance(reference, SamplerReference):  # an app makes the module once
            self._compute: Callable[..., Any] = reference.module(self.model)
        else:
            self._compute = partial(reference, self.model)

    def call(self, inputs: Mapping[str, NDArray[Any]], image: Mapping[str, Any] | None) -> Call:
        """Return a call that computes the part's outputs, from and to the CPU's memory.

        Inputs are as the file takes them; `image` is that entry of its manifest.
        """
        rows = self._rows(inputs, image)

        def on_the_cpu() -> object:
            return self._compute(*rows)

        def elsewhere() -> object:
            given = self._compute(*[row.to(self.device) for row in rows])
            return [output.cpu() for output in ((given,) if isinstance(given, Tensor) else given)]

        return on_the_cpu if self.device.type == "cpu" else elsewhere

    def clear(
        self,
        inputs: Mapping[str, NDArray[Any]],
        image: Mapping[str, Any] | None,
        margin: float | None,
    ) -> NDArray[np.bool_]:
        """Return which rows have choices clear by the margin of the file's proof: (B,)."""
        rows = [row.to(self.device) for row in self._rows(inputs, image)]
        if self.part.margin is None or margin is None:
            return np.ones(len(rows[0]), np.bool_)
        clear: NDArray[np.bool_] = (self.part.margin(self.model, *rows) >= margin).cpu().numpy()
        return clear

    @contextmanager
    def working(self, threads: int) -> Iterator[None]:
        """Have torch work as in an app: no gradients, `threads` threads, float32 without TF32."""
        before = torch.get_num_threads()
        with ExitStack() as stack:
            stack.callback(torch.set_num_threads, before)
            torch.set_num_threads(threads)
            stack.enter_context(torch.inference_mode())
            stack.enter_context(without_tf32(self.device))  # the file is run without it, too
            yield

    def _rows(
        self, inputs: Mapping[str, NDArray[Any]], image: Mapping[str, Any] | None
    ) -> list[Tensor]:
        """Return rows as the model takes them."""
        return [
            torch.from_numpy(np.ascontiguousarray(_as_trained(name, inputs[name], image)))
            for name in self.part.inputs
        ]


def find_eager(
    manifest: Mapping[str, Any],
    rows: Mapping[str, NDArray[Any]],
    found: Mapping[str, NDArray[Any]],
    places: list[Path],
    device: str,
) -> Eager:
    """Return the part of a file in PyTorch, from the run with the file's weights.

    Args:
        manifest: of the file.
        rows: a batch of the file's inputs.
        found: the file's outputs for these; the part has to give the same.
        places: folders that may hold the file's run.
        device: where PyTorch computes.

    Raises:
        UserError: no place is that run, or its weights have changed; the message says why.
    """
    why = (
        f"its run, {manifest.get('run')}, is neither where the file lies nor among the runs: "
        "--runs DIR says where they are"
    )
    for place in places:
        try:
            if not (place / "run.json").is_file():
                continue
            run, table = Run(place), manifest.get("sampler")
            sampler = None if table is None else sampler_of(table, run)
            loaded = LoadedModel(run, manifest["step"], manifest.get("average"), sampler)
            eager = Eager(loaded.part(manifest["part"]), device)
            _check_same(eager, manifest, rows, found)
        except ExportMismatch:
            why = f"the weights in {place} are not the file's"
        except GtkError as error:
            why = f"{place} cannot be used: {error}"
        except Exception as error:  # noqa: BLE001 - any model may raise anything for other inputs
            why = f"{place} is not the file's run: {one_line(error)}"
        else:
            return eager
    raise UserError(why)


def _check_same(
    eager: Eager,
    manifest: Mapping[str, Any],
    rows: Mapping[str, NDArray[Any]],
    found: Mapping[str, NDArray[Any]],
) -> None:
    """Raise an error unless the part gives what its file gives, within the file's tolerance."""
    image, parity = manifest["image"], manifest["parity"]
    tolerance = Tolerance(float(parity["tolerance"]), parity.get("spreads", {}))
    with eager.working(1):
        given: Any = eager.call(rows, image)()
        clear = eager.clear(rows, image, parity.get("margin"))
    if not clear.any():
        raise UserError(f"all choices of {len(clear)} rows are undecided: none can be compared")
    outputs = (given,) if isinstance(given, Tensor) else given
    for (name, values), tensor in zip(found.items(), outputs, strict=True):
        last = name == "image" and image["layout"] == "NHWC"
        mine, theirs = values.transpose(0, 3, 1, 2) if last else values, tensor.cpu().numpy()
        unrounded = theirs if mine.dtype == np.uint8 else mine  # a file gives rounded images alone
        measure(name, mine, unrounded, theirs, clear, tolerance)


def _as_trained(name: str, rows: NDArray[Any], image: Mapping[str, Any] | None) -> NDArray[Any]:
    """Return rows as the model takes them: images as float32 (B, C, H, W) in 0..1."""
    if name != "image" or image is None:
        return rows
    if image["dtype"] == "uint8":
        rows = rows.astype(np.float32) / 255
    return rows.transpose(0, 3, 1, 2) if image["layout"] == "NHWC" else rows
