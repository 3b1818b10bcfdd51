"""The function `gtk.train`, which `gtk train` calls too: from a request to a finished run."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtk.core.registry.train_request import TrainRequest
from gtk.core.settings.choice import Choice
from gtk.core.settings.recipe import NO_RECIPE
from gtk.core.storage.run import Run
from gtk.core.storage.runs import RunPlace, find_resumable
from gtk.core.values.default_device import on_cpu_by_default
from gtk.defaults import DEFAULT_DATA, FIGURES, find_recipe, own_callbacks

if TYPE_CHECKING:  # `gtk train --help` must not import torch
    from torch import nn

    from gtk.core.training.training import Training


@on_cpu_by_default()
def train(
    plugin: str | None = None,
    data: str | None = None,
    *,
    recipe: str | Path | None = None,
    data_root: str | Path | None = None,
    conditioner: str | None = None,
    loss: str | None = None,
    sampler: str | None = None,
    name: str | None = None,
    runs: str | Path = "runs",
    init_from: "str | Path | nn.Module | None" = None,
    overwrite: bool = False,
    resume: str | Path | None = None,
    device: str | None = None,
    callbacks: Iterable[str | object] = (),
    quiet: bool = False,
    **options: Any,  # noqa: ANN401 - each plugin has options of its own
) -> Run:
    """Train a model, or resume a training, and return its run.

    Args:
        plugin: the model, by name: "cvae", or "package/name" if several packages have one.
        data: the data set, by name; by default "digits". "NAME:PATH" adds its path, as in
            "folder:photos".
        recipe: a recipe's name, a TOML file or a run's run.json; all other arguments override it.
        data_root: the path the data set reads; by default that of the environment variable
            GENERATIVE_TOOLKIT_DATA, else the data set's own.
        conditioner: the conditioning strategy, by name; by default the model's own.
        loss: the loss, by name; by default the model's own.
        sampler: how images are drawn where nobody says so, by name; by default the model's own.
        name: the run becomes runs/NAME; by default plugin-data-0001, or recipe-0001 for one of
            gtk's own recipes, with the next free number.
        runs: the folder that holds the runs.
        init_from: a run (a folder, a name or "latest"), a .safetensors file or a module, whose
            weights the training starts from: all that fit the model by name and shape. A note
            counts the others.
        overwrite: replace an older run of that name.
        resume: resume this run (a folder, a name or "latest") instead, with its own settings; only
            `epochs`, to train longer, `data_root` and `device` can be changed.
        device: "auto" or a torch device; by default "auto", or that of a resumed or repeated run.
        callbacks: names of callbacks, or objects whose methods implement event hooks.
        quiet: show no progress.
        options: settings of the trainer (epochs, batch_size, learning_rate, ...), of the plugins
            (latent_dim, ...) and of the metrics that it computes (likelihood_samples, ...), by the
            names that `gtk train --plugin NAME --metric METRIC --help` lists.

    Raises:
        GtkError: something does not exist, does not fit or failed; the message says what.
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP has interrupted the training; the first saves
            the current step, a second one leaves the last checkpoint.
    """
    arguments = locals()  # all parameters; a test compares them with the fields of a request
    _, fit = prepare(TrainRequest(**arguments))
    return fit()


def choose(request: TrainRequest) -> Choice:
    """Find the plugins that a request names, or its recipe, or gtk's defaults."""
    recipe = NO_RECIPE if request.recipe is None else find_recipe(request.recipe)
    return Choice.by_name(
        request.plugin,
        request.data,
        request.conditioner,
        request.loss,
        recipe,
        sampler=request.sampler,
        default_data=DEFAULT_DATA,
    )


def prepare(request: TrainRequest) -> "tuple[Training, Callable[[], Run]]":
    """Return a prepared training, and the function that runs it; write nothing yet.

    Raises:
        GtkError: something does not exist or does not fit.
    """
    if request.resume is None:
        settings = choose(request).settle(request.options, request.data_root)
        place = RunPlace(request.runs, request.name, request.overwrite)
        place.check(settings)
    else:
        run = find_resumable(request.resume, request.runs)
    # Only now, so that a mistake in the request does not wait for torch.
    from gtk.core.training.resumption import resumed_training
    from gtk.core.training.training import Training, find_callbacks

    callbacks = find_callbacks([*own_callbacks(quiet=request.quiet), *request.callbacks])
    if request.resume is None:
        weights = None
        if request.init_from is not None:
            from gtk.core.training.warm_start import read_weights

            weights = read_weights(request.init_from, request.runs)
        training = Training(settings, request.device, callbacks, weights, figures=FIGURES)
        return training, lambda: training.start(place)
    resumed = resumed_training(
        run,
        epochs=request.options.get("epochs"),
        data_root=request.data_root,
        device=request.device,
        callbacks=callbacks,
    )
    return resumed, lambda: resumed.go_on(run)
