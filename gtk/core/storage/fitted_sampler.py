"""The samplers of a run; what one learns from training images is kept in the run's folder."""

import json
import logging
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import Tensor

from gtk.core.contracts.model import Model
from gtk.core.contracts.sampler import Sampler
from gtk.core.models.build import build_sampler
from gtk.core.models.sampler_fit import fit, learns
from gtk.core.models.split_rows import split_rows
from gtk.core.registry.installed import SAMPLER
from gtk.core.registry.options import as_table
from gtk.core.settings.choice import SamplerChoice, Settings
from gtk.core.settings.plugin_lookup import model_default
from gtk.core.storage.run_data import check_counts, load_again
from gtk.core.storage.run_folder import SAMPLERS
from gtk.core.storage.stored_run import StoredRun
from gtk.core.storage.tensor_file import decode_sealed, encode_sealed, encode_tensors
from gtk.core.values.dataset import Dataset
from gtk.core.values.errors import GtkError, InvalidValue, UserError
from gtk.core.values.ordinary_file import read_ordinary
from gtk.core.values.output import write_file
from gtk.core.values.setting import setting
from gtk.core.values.text import counted, visible

logger = logging.getLogger("gtk")

#: The largest file of what was fitted, in bytes.
LARGEST = 1 << 30


def run_sampler(
    run: StoredRun,
    choice: SamplerChoice,
    model: Model,
    *,
    data: Dataset | None = None,
    data_root: Path | None = None,
) -> Sampler[Any]:
    """Build a sampler of a run's model; one that learns is fitted when it is first used.

    What it has learned is kept in the run, for these weights, options and data, and read from there
    the next time. Where it cannot be written, or is damaged, a warning says so.

    Args:
        run: the run.
        choice: the sampler and its options.
        model: the run's, in eval mode on its device.
        data: the run's, where they are at hand; by default they are loaded again.
        data_root: where the data are now; by default where they were.

    Raises:
        InvalidValue: it does not fit the model, or `data_root` is given and it does not learn.
        GtkError: it has to be fitted, and the data cannot be read, or have changed.
    """
    plugin, config = choice
    sampler = build_sampler(plugin, config, model)
    if not learns(type(sampler)):
        if data_root is not None:
            raise InvalidValue(
                f"{setting('data_root')} is for samplers that learn from the data, and "
                f"{plugin.spec.name!r} does not: leave it out"
            )
        return sampler
    name = re.sub(r"[^A-Za-z0-9.+-]", "-", plugin.spec.name)
    file = run.path / SAMPLERS / f"{name}-{_key(run, choice, model)}.safetensors"
    kept = _read(file)
    if kept is None:
        _fit(run, sampler, plugin.spec.name, data, data_root, file)
    else:
        device = next(model.parameters()).device
        sampler.fitted = {name: tensor.to(device) for name, tensor in kept.items()}
    return sampler


def choice_in_training(
    settings: Settings, options: Mapping[str, Any], *, last: bool
) -> SamplerChoice:
    """Return the sampler of a picture in a training: the one it is to have, with these options.

    Before the last a sampler that learns would be fitted anew for each picture: these are drawn by
    the model's own, and so are pictures of the latent code itself.
    """
    choice = settings.sampler_choice(None, options)
    target: Any = choice[0].resolve()
    if not learns(target) or last:
        return choice
    plugin = model_default(SAMPLER, settings.choice.model)
    return plugin, plugin.spec.config()


def _key(run: StoredRun, choice: SamplerChoice, model: Model) -> str:
    """Return what tells apart weights, options and data: 16 hexadecimal digits."""
    (plugin, config), document, train = choice, run.document, run.settings.train
    what = {
        "weights": sha256(encode_tensors(model.state_dict())).hexdigest(),
        "sampler": [plugin.installed.package, plugin.installed.version, plugin.spec.name],
        "options": as_table(config),
        "data": {key: value for key, value in document["data"].items() if key != "root"},
        "images": [document.get("images"), document.get("content")],
        "held out": [train.validation, train.seed],
    }
    return sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def _read(file: Path) -> dict[str, Tensor] | None:
    """Return what a file holds, None if there is none, or it is damaged."""
    try:
        return decode_sealed(read_ordinary(file, LARGEST))
    except FileNotFoundError:
        return None
    except (OSError, InvalidValue):
        logger.warning("%s is damaged: it is fitted anew", visible(file))
        return None


def _fit(
    run: StoredRun,
    sampler: Sampler[Any],
    name: str,
    data: Dataset | None,
    data_root: Path | None,
    file: Path,
) -> None:
    """Fit a sampler to the images that the run was trained on, and keep what it learns."""
    found = data or _training_data(run, name, data_root)
    train = run.settings.train
    _, rows = split_rows(len(found.train), train.validation, train.seed)
    count = fit(sampler, found.train, rows, train.seed)
    where, kept = f", and kept in {file.parent}", True
    try:
        file.parent.mkdir(exist_ok=True)
        write_file(file, encode_sealed(sampler.fitted), follow=False, synced=True)
    except (GtkError, OSError) as error:
        where, kept = f", which is not kept: {getattr(error, 'strerror', error)}", False
    if data is None or not kept:  # a training shows its own progress
        images = counted(count, "training image")
        logger.warning("%s", visible(f"sampler {name!r} is fitted to {images}{where}"))


def _training_data(run: StoredRun, name: str, data_root: Path | None) -> Dataset:
    """Load the data again for a fit.

    Raises:
        GtkError: they cannot be read, or are not those of the training.
    """
    try:
        data = load_again(run, data_root)
    except UserError as error:
        raise type(error)(
            f"sampler {name!r} learns from the training images when it is first used, and "
            f"{error}. What it learns is kept in the run: gtk sample takes --data-root"
        ) from error
    check_counts(run, data, so=f", so sampler {name!r} cannot be fitted to them")
    return data
