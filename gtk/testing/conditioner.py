"""The checks of a conditioner."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from gtk.core.contracts.conditioner import Conditioner, ConditioningLayer, ScoreLayer
from gtk.core.models.build import build
from gtk.core.settings.choice import Choice, Settings
from gtk.core.settings.image_source import load_data
from gtk.core.storage.runs import RunPlace
from gtk.core.training.training import Training
from gtk.core.values.errors import GtkError, InvalidValue
from gtk.testing.bf16 import CLOSE, REMEDY
from gtk.testing.check import (
    CheckFailed,
    CheckSkipped,
    Specimen,
    checks_in,
    error_line,
    needs,
    unchanged_process_state,
)
from gtk.testing.layer_case import SEED, fixed_noise, layer_cases, randomize, strategies
from gtk.testing.weights import same_bits

#: How far outputs may differ, since sums are rounded differently for one image than for a batch.
TOLERANCE = 1e-5
#: Models of gtk with small options; the first that the conditioner fits is used.
MODELS: dict[str, dict[str, Any]] = {
    "cvae": {"network": "conv", "channels": (8,), "hidden_dims": (8,), "normalization": "batch"},
    "cgan": {"channels": (8, 8), "latent_dim": 8},
}
UNCONDITIONAL_MODELS: dict[str, dict[str, Any]] = {"vae": {"hidden_dims": (8,)}}


def check_constructs(specimen: Specimen) -> None:
    """It accepts a kind of condition, or refuses it with `gtk.InvalidValue`."""
    target: Any = specimen.plugin.spec.resolve()
    if not (isinstance(target, type) and issubclass(target, Conditioner)):
        raise CheckFailed(f"its target {target!r:.60} is not a gtk.Conditioner: derive it from one")
    accepted = strategies(specimen)
    if not accepted:
        remedy = "raise gtk.InvalidValue only for kinds of condition that it cannot take"
        raise CheckFailed(f"it refuses classes, attributes and numbers: {remedy}")
    for condition, strategy in accepted:
        if strategy.condition is not condition.spec:
            remedy = "call super().__init__(config, condition) in __init__"
            raise CheckFailed(f"its condition is not the one it was constructed with: {remedy}")
        if isinstance(strategy, nn.Module):
            remedy = "make only its layers modules, since each belongs to a network"
            raise CheckFailed(f"it is a torch module: {remedy}")


@needs(check_constructs)
def check_layers(specimen: Specimen) -> None:
    """It returns a layer of the right class at every site, for vectors and for images."""
    for case in layer_cases(specimen):
        wanted = ScoreLayer if len(case.inputs) == 2 else ConditioningLayer
        if not isinstance(case.layer, wanted):
            raise CheckFailed(
                f"as {case.where} it returns {type(case.layer).__name__}: return a gtk."
                f"{wanted.__name__}; where it does not act, the one of gtk.Conditioner"
            )


@needs(check_layers)
def check_runs(specimen: Specimen) -> None:
    """Every layer runs with the condition that it was made for."""
    for case in layer_cases(specimen):
        try:
            case()
        except Exception as error:
            raise CheckFailed(
                f"its {case.where} fails with {case.condition.kind} ({error_line(error)}): refuse "
                "what it cannot take with gtk.InvalidValue in __init__; an image is (B, F, H, W)"
            ) from error


@needs(check_runs)
def check_widths(specimen: Specimen) -> None:
    """A layer's output has `out_features` features, and otherwise the shape of its input."""
    for case in layer_cases(specimen):
        output, shape = tuple(case().shape), tuple(case.inputs[0].shape)
        if isinstance(case.layer, ScoreLayer):
            if output != shape:
                remedy = "return one score for each image"
                raise CheckFailed(f"its {case.where} returns {output} for scores {shape}: {remedy}")
            continue
        width = getattr(case.layer, "out_features", None)
        if width is None:
            remedy = "set it to the width of its output"
            raise CheckFailed(f"its {case.where} lacks out_features: {remedy}")
        wanted = (shape[0], width, *shape[2:])
        if output != wanted:
            raise CheckFailed(
                f"its {case.where} returns {output} for {shape}, and with out_features {width} "
                f"that should be {wanted}: make the two agree"
            )
        if case.keeps_width and width != shape[1]:
            remedy = "let the normalization keep the width"
            raise CheckFailed(f"its {case.where} returns {width} features for {shape[1]}: {remedy}")


@needs(check_runs)
def check_acts(specimen: Specimen) -> None:
    """A layer depends on every class, attribute and number exactly where `acts` is True."""
    acting = 0
    for case in layer_cases(specimen):
        randomize(case.layer)
        count = len(case.condition.rows)
        outputs = [case(row.expand(count, *row.shape)) for row in case.condition.differing]
        same = [same_bits(one, two) for one, two in combinations(outputs, 2)]
        if case.acts and any(same):
            fault = f"has acts = True and returns the same for different {case.condition.kind}"
            remedy = "use all of the condition, or set acts = False"
            raise CheckFailed(f"its {case.where} {fault}: {remedy}")
        if not case.acts and not all(same):
            raise CheckFailed(
                f"its {case.where} has acts = False and depends on the condition: set acts = True, "
                "so that gtk knows that the network is conditioned"
            )
        acting += case.acts
    conditional = specimen.plugin.spec.resolve().conditional
    if conditional and not acting:
        remedy = "override input, hidden, normalization or score, or set conditional = False"
        raise CheckFailed(f"it acts at no site although conditional = True: {remedy}")
    if acting and not conditional:
        raise CheckFailed("it acts although conditional = False: set conditional = True")


@needs(check_runs)
def check_own_weights(specimen: Specimen) -> None:
    """Each layer has weights of its own."""
    owners: dict[Tensor, str] = {}
    for case in layer_cases(specimen):
        for parameter in case.layer.parameters():
            if parameter in owners:
                raise CheckFailed(
                    f"its {case.where} and its {owners[parameter]} share weights, which two "
                    "optimizers would train: make new weights for each layer"
                )
            owners[parameter] = case.where


@needs(check_runs)
def check_gradients(specimen: Specimen) -> None:
    """The gradient reaches all weights of every layer, and its input."""
    for case in layer_cases(specimen):
        randomize(case.layer)
        for value in case.inputs:
            value.requires_grad_()
        output = case.run()
        if output.requires_grad:
            (output * fixed_noise(output.shape)).sum().backward()  # type: ignore[no-untyped-call]
        unreached = [name for name, value in case.layer.named_parameters() if value.grad is None]
        if unreached:
            raise CheckFailed(
                f"the gradient does not reach {unreached[0]} of its {case.where}: use it in "
                "forward(), outside of torch.no_grad() and detach(), or make it a buffer"
            )
        if case.inputs[0].grad is None:
            raise CheckFailed(f"the gradient stops in its {case.where}: do not detach its input")


@needs(check_runs)
def check_images_alone(specimen: Specimen) -> None:
    """In eval mode a layer is deterministic and treats each image by itself."""
    for case in layer_cases(specimen):
        randomize(case.layer)
        case.layer.eval()
        rows, whole = case.condition.rows, case()
        if not same_bits(whole, case()):
            raise CheckFailed(
                f"its {case.where} returns another result when it is called again: in eval mode "
                "draw no numbers, and change no state in forward()"
            )
        for row in range(len(rows)):
            inputs = tuple(value[row : row + 1] for value in case.inputs)
            alone = replace(case, inputs=inputs)(rows[row : row + 1])
            if not torch.allclose(alone[0], whole[row], rtol=TOLERANCE, atol=TOLERANCE):
                raise CheckFailed(
                    f"its {case.where} returns another result for an image alone than in a batch: "
                    "in eval mode compute each row by itself"
                )


@needs(check_runs)
def check_leaves_inputs(specimen: Specimen) -> None:
    """A layer leaves its input and the condition unchanged."""
    for case in layer_cases(specimen):
        kept = (*case.inputs, case.condition.rows)
        given = [value.clone() for value in kept]
        with torch.no_grad():
            case.layer(*given)
        if not all(same_bits(one, two) for one, two in zip(given, kept, strict=True)):
            remedy = "avoid operations in place, such as hidden += ... or relu_()"
            raise CheckFailed(f"its {case.where} changes its input: {remedy}")


@needs(check_runs)
def check_bf16(specimen: Specimen) -> None:
    """If its spec says that it bears bf16, its layers give about the same for features in it."""
    if not specimen.plugin.spec.bf16:
        return
    for case in layer_cases(specimen):
        low = replace(case, inputs=tuple(value.bfloat16() for value in case.inputs))
        try:
            with torch.autocast("cpu", torch.bfloat16):
                given = low().float()
        except Exception as error:
            raise CheckFailed(
                f"its {case.where} fails with features in bf16 ({error_line(error)}): {REMEDY}"
            ) from error
        if not torch.allclose(given, case(), rtol=CLOSE, atol=CLOSE):
            raise CheckFailed(
                f"its {case.where} returns other features in bf16 than in fp32: {REMEDY}"
            )


@needs(check_runs)
def check_globals(specimen: Specimen) -> None:
    """Making and running its layers leaves the global state of the process unchanged."""
    remedy = "leave it unchanged, and draw weights from torch's generator, as torch's layers do"
    with unchanged_process_state("making and running its layers", remedy):
        for case in layer_cases(specimen):
            case()
            if torch.initial_seed() != SEED:  # which layer_cases sets, and restores at the end
                raise CheckFailed(
                    f"its {case.where} seeds torch's global generator, so that every --seed starts "
                    "with the same weights: remove the call, for example of torch.manual_seed()"
                )


# It takes the longest, so it needs all others.
@needs(*checks_in(globals()))
def check_exports(specimen: Specimen) -> None:
    """A model of gtk that uses it can be trained and exported."""
    from gtk.exports.onnx import export

    settings = _settings(specimen)
    run = Training(settings, "cpu", []).start(RunPlace(specimen.folder / "runs", None, False))
    try:
        export(run, specimen.folder / "model.onnx")
    except GtkError as error:
        raise CheckFailed(
            f"{settings.choice.model.spec.name} with it cannot be exported: {error}"
        ) from error


CHECKS = checks_in(globals())


def _settings(specimen: Specimen) -> Settings:
    """Return a short training of the first model that the conditioner fits."""
    conditional = specimen.plugin.spec.resolve().conditional
    refusals = []
    for model, options in (MODELS if conditional else UNCONDITIONAL_MODELS).items():
        choice = Choice.by_name(f"generative-toolkit/{model}", specimen.data, specimen.name)
        tables = {table: dict(values) for table, values in choice.presets.items()}
        tables["model"] |= options
        tables["conditioner"] |= specimen.options
        tables["train"] |= {"epochs": 1, "warmup_steps": 0}
        settings = choice.settle_tables(tables, None)
        dataset = load_data(choice.dataset, settings.configs["data"], None)
        try:
            build(settings, dataset.spec)
        except InvalidValue as error:
            refusals.append(str(error))
        else:
            return settings
    raise CheckSkipped(f"it fits none of gtk's own models: {refusals[0]}")
