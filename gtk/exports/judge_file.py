"""A judge of one's own: a classifier in an ONNX file, whoever trained it."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtk.core.evaluation.evaluation import check_better_than_guessing
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import InvalidValue, UserError
from gtk.core.values.text import one_line
from gtk.exports.runtime.errors import DeviceError, ExportFileError, RequestError
from gtk.exports.runtime.graph_file import read, walk
from gtk.exports.runtime.session import open_session

#: Images in one pass, and how many tell whether the file is a judge at all.
BATCH, PROBE = 500, 2


class FileJudge:
    """A classifier that onnxruntime runs.

    It takes float32 images (N, C, H, W) in 0..1, any number at a time. Its output "logits", or else
    its first one, is (N, classes), in the order of the data's classes; "features", or else the
    second one, (N, F). Without a second one the logits are the features.

    Args:
        path: the file.
        data: what it judges; the test images tell how often it is right.
        device: "auto", "cpu", "cuda" or "cuda:1".

    Attributes:
        accuracy: the share of the test images whose class it sees.

    Raises:
        UserError: the file cannot be read or run, or is none that gtk would run.
        InvalidValue: it is no classifier of these images and classes, or no better than a guess.
    """

    def __init__(self, path: Path, data: Dataset, device: str = "cpu") -> None:
        self._path, self._data = path, data
        try:
            content = read(path)
            walk(content, str(path))
            self._session: Any = open_session(content, device)
        except RequestError as error:
            raise InvalidValue(str(error)) from error
        except (ExportFileError, DeviceError) as error:
            raise UserError(str(error)) from error
        if self._session is None:
            raise UserError(f"onnxruntime cannot run {path}")
        self.digest = sha256(content).hexdigest()[:16]
        self._check(data.test.images[:PROBE])
        found = self.look(data.test.images)[1].argmax(1)
        self.accuracy = float((found == data.test.labels).mean())
        check_better_than_guessing(self.accuracy, data, str(path))

    @property
    def stated(self) -> dict[str, Any]:
        """Its digest and accuracy, for protocols."""
        return {"digest": self.digest, "accuracy": self.accuracy}

    def look(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the features (N, F) and the logits (N, classes) of images (N, C, H, W)."""
        starts = range(0, len(images), BATCH)
        parts = [self._run(images[start : start + BATCH]) for start in starts]
        features, logits = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return features, logits

    def _run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        outputs = [output.name for output in self._session.get_outputs()]
        logits = "logits" if "logits" in outputs else outputs[0]
        others = [name for name in outputs if name != logits]
        features = "features" if "features" in outputs else [*others, logits][0]
        given = {self._session.get_inputs()[0].name: images.astype(np.float32) / 255}
        found = self._session.run([features, logits], given)
        return tuple(np.asarray(array, np.float64) for array in found)  # type: ignore[return-value]

    def _check(self, images: NDArray[np.uint8]) -> None:
        """Refuse a file that does not give logits and features of images.

        Raises:
            InvalidValue: it says what is wrong.
        """
        condition = self._data.spec.condition
        classes = 0 if condition is None else len(condition.names)
        inputs = len(self._session.get_inputs())
        if inputs != 1:
            raise InvalidValue(f"{self._path} has {inputs} inputs, and a judge takes images alone")
        try:
            features, logits = self._run(images)
        except Exception as error:  # onnxruntime's errors have no common root
            raise InvalidValue(
                f"{self._path} does not take images {images.shape[1:]} of {self._data.spec.name}: "
                f"{one_line(error)}"
            ) from error
        for name, array in (("logits", logits), ("features", features)):
            if array.ndim != 2 or len(array) != len(images) or not np.isfinite(array).all():
                raise InvalidValue(
                    f"{self._path} gives {name} of shape {array.shape} for {len(images)} images: "
                    "they have to be finite, a row for each image"
                )
        if logits.shape[1] != classes:
            raise InvalidValue(
                f"{self._path} tells {logits.shape[1]} classes apart, and {self._data.spec.name} "
                f"has {classes}"
            )
