"""A run: a training in a folder. Only its weights need torch."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtk.core.storage.stored_run import StoredRun
from gtk.core.values.argument import shown, typed
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.decays import chosen_decay
from gtk.core.values.default_device import on_cpu_by_default
from gtk.core.values.errors import InvalidValue, UserError
from gtk.core.values.memory import within_memory
from gtk.core.values.request import check_at_least, choose_labels, is_list
from gtk.core.values.setting import setting
from gtk.core.values.text import counted
from gtk.core.values.user_path import user_path

if TYPE_CHECKING:  # reading a run's description must not import torch
    import numpy as np
    from numpy.typing import NDArray

    from gtk.core.contracts.model import Model


class Run(StoredRun):
    """A training in a folder: its description, metrics, checkpoints and pictures.

    Args:
        path: the folder; it must hold a run.json.

    Raises:
        UserError: it is not a run folder, or one of a newer gtk.
    """

    @typed
    @on_cpu_by_default()
    @within_memory("loading the model", "Use a machine or a GPU with more memory")
    def load_model(
        self, checkpoint: str | int | None = None, average: float | None = None
    ) -> "Model":
        """Rebuild the model from this folder alone, in eval mode on the CPU.

        Args:
            checkpoint: a step, "latest" or "best"; by default the best one if one was selected,
                else the latest; a damaged one is passed over with a warning. If weights were
                averaged, it has the averaged ones.
            average: the decay of an average, of a run with several; by default the first.

        Raises:
            UnknownName: there is no such checkpoint or average, or a plugin is not installed.
            InvalidValue: the checkpoint that was named, or every one, is damaged.
            UserError: the weights do not fit the model that run.json describes.
        """
        from gtk.core.models.build import build
        from gtk.core.storage.tensor_file import check_tensors

        self.check_links()
        average = chosen_decay(self.settings.train.average_decay, average, self.path)
        step = self.checkpoints.choose(checkpoint)
        model, _ = build(self.settings, self.data_spec)
        weights = self.checkpoints.load_model(step, average)
        try:
            check_tensors(weights, model.state_dict())
            model.load_state_dict(weights)
        except (InvalidValue, RuntimeError) as error:
            what = f"the weights in {self.checkpoints.folder(step)} do"
            raise misfit(self, what, error) from error
        return model.eval()

    @typed
    @on_cpu_by_default()
    def sample(
        self,
        labels: Sequence[Any] | None = None,
        count: int | None = None,
        *,
        seed: int = 0,
        checkpoint: str | int | None = None,
        average: float | None = None,
        batch_size: int = 256,
        device: str = "cpu",
        sampler: str | None = None,
        data_root: str | Path | None = None,
        **options: Any,  # noqa: ANN401 - each sampler has options of its own
    ) -> "NDArray[np.uint8]":
        """Draw images: (N, H, W) if grey, (N, H, W, C) in colour, uint8.

        Args:
            labels: an image's condition each: class numbers or names, or a mapping from names of
                attributes or numbers to values; None for an image without one, where the model
                was trained with `condition_dropout`. By default they cycle through the classes,
                or through examples of the others.
            count: how many images; by default one a label.
            seed: decides the noise; the same seed gives the same images.
            checkpoint: as in `load_model`.
            average: as in `load_model`.
            batch_size: images in one pass through the network; changes no image.
            device: "auto" or a torch device.
            sampler: how they are drawn, by name, with its defaults; by default the run's own.
            data_root: where the run's data are now, for a sampler that learns from them when it is
                first used; by default where they were.
            options: of the sampler, such as `temperature`.

        Raises:
            UnknownName: there is no such sampler, or it has no such option.
            InvalidValue: a label out of range, labels for a model without a condition, or a sampler
                that is not for this model.
            GtkError: the sampler has to be fitted to data that cannot be read.
        """
        from gtk.core.models.device import resolve_device
        from gtk.core.models.sampling import sample
        from gtk.core.storage.fitted_sampler import run_sampler

        rows, total = choose_labels(self.condition, labels, count)
        choice = self.settings.sampler_choice(sampler, options)
        root = None if data_root is None else user_path(data_root, "data_root")
        with self.drawing(batch_size):
            place = resolve_device(device)
            model = self.load_model(checkpoint, average).to(place)
            chosen = run_sampler(self, choice, model, data_root=root)
            return sample(
                chosen, labels=rows, count=total, seed=seed, batch_size=batch_size, device=place
            )

    @typed
    @on_cpu_by_default()
    def generate(
        self,
        noise: "NDArray[np.float32]",
        labels: Sequence[Any] | None = None,
        *,
        checkpoint: str | int | None = None,
        seed: int = 0,
        average: float | None = None,
        batch_size: int = 256,
        device: str = "cpu",
        sampler: str | None = None,
        **options: Any,  # noqa: ANN401 - as above
    ) -> "NDArray[np.uint8]":
        """Make images of given noise: (N, H, W) if grey, (N, H, W, C) in colour, uint8.

        The noise is (N, *shape) as the model's `noise` says; standard normal noise gives images
        like those that it was trained on. `seed` decides what else the sampler draws, if anything.
        The other arguments are those of `sample`.

        Raises:
            InvalidValue: noise of another shape, or labels as in `sample`.
        """
        from gtk.core.models.device import resolve_device
        from gtk.core.models.sampling import generate
        from gtk.core.storage.fitted_sampler import run_sampler
        from gtk.core.values.noise import other_rows

        if not is_list(noise):
            raise InvalidValue(
                f"noise must be an array with a row for each image, not {shown(noise)}"
            )
        check_at_least("seed", seed, 0)
        rows, _ = choose_labels(self.condition, labels, len(noise))
        choice = self.settings.sampler_choice(sampler, options)
        with self.drawing(batch_size):
            place = resolve_device(device)
            chosen = run_sampler(self, choice, self.load_model(checkpoint, average).to(place))
            others = other_rows(chosen.noise, len(noise), seed)
            ports: dict[str, Any] = {"z": noise, **others}
            return generate(chosen, ports, labels=rows, batch_size=batch_size, device=place)

    def drawing(self, batch_size: int, remedy: str = "") -> AbstractContextManager[None]:
        """Report a lack of memory inside as one of drawing `batch_size` images at a time."""
        check_at_least("batch_size", batch_size, 1)
        _, height, width = self.data_spec.image_shape
        return within_memory(
            f"drawing {counted(batch_size, 'image')} of {height}x{width} pixels at a time",
            remedy or f"Use a smaller {setting('batch_size')}, or draw fewer images",
        )

    @property
    def condition(self) -> ConditionSpec | None:
        """What a sample is conditioned on: the data's labels, None without conditioning."""
        conditioner: Any = self.settings.choice.conditioner.resolve()
        if not conditioner.conditional:
            return None
        nullable = self.settings.train.condition_dropout > 0
        return (self.data_spec.with_absent() if nullable else self.data_spec).condition


def misfit(run: Run, what: str, error: Exception) -> UserError:
    """Return the error for weights or a checkpoint, "X does", that do not fit the run's model.

    An `error` that names the tensor, as `check_tensors` raises it, is quoted.
    """
    tensor = f" (tensor {error})" if isinstance(error, InvalidValue) else ""
    package = run.document["packages"]["model"]
    author = f"{package['package']} {package.get('version', '')}".rstrip()
    return UserError(
        f"{what} not fit the model that {run.path / 'run.json'} describes: the code of {author}, "
        f"or that file, has changed since the training, so train anew{tensor}"
    )
