"""An exported file as a source of images, without torch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.models.source import Source
from gtk.core.values.errors import InvalidValue, UserError, not_a_run
from gtk.core.values.noise import NoiseRows
from gtk.core.values.setting import setting
from gtk.core.values.tracking import track

#: What a file's manifest says of the run that it is from.
FROM_RUN = ("run", "step", "average")
NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


@contextmanager
def _user_errors() -> Iterator[None]:
    """Turn the errors of the runtime into gtk's."""
    from gtk.exports.runtime import DeviceError, ExportFileError, RequestError

    try:
        yield
    except RequestError as error:
        raise InvalidValue(str(error)) from error
    except (DeviceError, ExportFileError) as error:
        raise UserError(str(error)) from error


class FileSource(Source):
    """An exported file, which onnxruntime runs on a device, by default the CPU.

    Raises:
        UserError: it cannot be read, was not exported by gtk, is not the file that the JSON beside
            it describes, or there is no such device.
    """

    @_user_errors()
    def __init__(
        self,
        reference: str,
        device: str | None,
        sampler: str | None = None,
        options: Mapping[str, Any] = NO_OPTIONS,
    ) -> None:
        from gtk.exports.files import check_pair
        from gtk.exports.runtime import load

        self.reference = reference
        self._generator = load(reference, device or "cpu")
        check_pair(Path(reference))
        self.condition = self._generator.condition
        if not self._generator.denoises:
            check_file_options(reference, sampler=sampler)
        self._plan = self._generator.plan(sampler, options)

    @property
    def how(self) -> str:
        """The sampler's name and steps, or of a denoiser its evaluations for an image."""
        plan = self._plan
        if plan is not None:
            return f", by {plan.solver.name} with {plan.evaluations} evaluations each"
        sampler = self._manifest.get("sampler") or {}
        return f", by {sampler['name']} with {sampler['steps']} steps" if "steps" in sampler else ""

    @property
    def weights(self) -> dict[str, Any]:
        """The file, and the run and step that it is from."""
        known = {key: self._manifest[key] for key in FROM_RUN if key in self._manifest}
        return {"exported": Path(self.reference).name, **known}

    @property
    def drawn_with(self) -> dict[str, Any]:
        """The weights, and the sampler if the file has one, or is drawn from by one."""
        plan = self._plan
        if plan is not None:
            solver = {"name": plan.solver.name, **asdict(plan.config)}
            return {**self.weights, "sampler": solver, "evaluations": plan.evaluations}
        sampler = self._manifest.get("sampler")
        return {**self.weights, **({} if sampler is None else {"sampler": sampler})}

    @property
    def _manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = self._generator.contract
        return manifest

    @property
    def image_size(self) -> tuple[int, int]:
        """As the file's manifest says."""
        image = self._manifest["image"]
        return image["height"], image["width"]

    @property
    def channels(self) -> int:
        """As the file's manifest says."""
        channels: int = self._manifest["image"]["channels"]
        return channels

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """As the file's manifest says."""
        return self._generator.noise_shape

    @_user_errors()
    def draw_noise(self, count: int, seed: int) -> NDArray[np.float32]:
        """Draw noise."""
        return self._generator.draw_noise(count, seed)

    def _batches(
        self,
        noise: NDArray[np.float32] | NoiseRows,
        labels: NDArray[Any] | None,
        seed: int,
        *,
        moving: bool,
    ) -> Iterator[NDArray[np.uint8]]:
        with _user_errors():
            others = self._generator.other_noise(len(noise), seed, self._plan, same=moving)
        starts = range(0, len(noise), self.batch_size)
        for start in track(starts, "drawing", len(starts)):
            rows = slice(start, start + self.batch_size)
            with _user_errors():
                images = self._generator.draw(
                    noise[rows],
                    None if labels is None else labels[rows],
                    self.batch_size,
                    {name: own[rows] for name, own in others.items()},
                    self._plan,
                )
            yield images


def is_exported(reference: str) -> bool:
    """Say whether a reference names an exported file, not a run.

    Raises:
        UserError: torch is not installed, which would open a run.
    """
    if reference.lower().endswith(".onnx"):
        return True
    if find_spec("torch") is None:  # else find_run says what is wrong, and it knows all runs
        if Path(reference).is_file():
            raise not_a_run(reference)
        raise UserError(
            f"{reference} would be a run, which needs torch, which is not installed here; the name "
            "of an exported file ends in .onnx"
        )
    return False


def check_file_options(reference: str, **given: str | float | None) -> None:
    """Refuse options that choose something in a run, where an exported file is named.

    Raises:
        InvalidValue: it names the first option that is given.
    """
    for name, value in given.items():
        if value is not None:
            raise InvalidValue(
                f"{reference} is an exported file, which holds one {name}. Leave {setting(name)} "
                "out, or name a run"
            )
