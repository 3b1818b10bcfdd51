"""The kit's checks of networks that a loss brings."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
import toys
from torch import nn

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Update
from gtk.core.registry.installed import LOSS
from gtk.core.values.errors import PluginError
from gtk.testing import loss as loss_checks
from gtk.testing.check import CheckFailed, Specimen
from gtk.testing.loss import check_keeps_no_state, check_networks, check_reads_only
from gtk.testing.replayed_step import ReplayedStep
from gtk.testing.step_checks import (
    expect_clean_yields,
    expect_own_noise,
    expect_repeatable_updates,
    expect_sound_evaluation,
    expect_sound_updates,
)

Networks = Callable[[Any], dict[str, nn.Module]]
NETWORKS = toys.Judged.networks


def step(**members: Any) -> ReplayedStep:
    """Return a step of the toys' loss with networks; some of its members are other ones."""
    loss = type("Judged", (toys.Judged,), members)()
    images = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    return ReplayedStep(toys.one_part(), loss, Batch(images, torch.arange(8) % 2))


def changed(**changes: Any) -> Callable[..., Iterator[Update]]:
    """Return the loss's updates, with other attributes in that of the critic."""

    def updates(self: toys.Judged, *given: Any) -> Iterator[Update]:
        for update in toys.Judged.updates(self, *given):
            yield replace(update, **changes) if update.part else update

    return updates


def test_a_sound_loss_is_refused_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = step()
    for expect in (
        expect_clean_yields, expect_sound_updates, expect_repeatable_updates, expect_own_noise,
        expect_sound_evaluation,
    ):  # fmt: skip
        expect(sound)
    assert [update.part for update in sound.replay()] == ["critic", "model"]
    monkeypatch.setattr(loss_checks, "new_replayed_step", lambda _: step())
    for check in (check_networks, check_reads_only, check_keeps_no_state):
        check(Specimen(LOSS, "elbo"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"part": "judge"}, "'judge' is unknown, .* are 'model', the loss's networks 'critic'"),
        ({"part": "measure"}, "part 'measure' is unknown, and the model's parts are 'model'"),
        ({"statistics": {"mean": torch.ones(())}}, "statistics are for the model, and part 'crit"),
    ],
)  # fmt: skip
def test_an_update_names_an_existing_part(changes: Any, message: str) -> None:
    with pytest.raises(CheckFailed, match=message):
        expect_sound_updates(step(updates=changed(**changes)))


def test_an_update_reaches_all_parameters_of_its_network() -> None:
    def networks(self: toys.Judged, model: Any) -> dict[str, nn.Module]:
        made = NETWORKS(self, model)
        made["critic"].register_parameter("spare", nn.Parameter(torch.ones(2)))
        return made

    with pytest.raises(CheckFailed, match=r"loss does not reach spare: use them"):
        expect_sound_updates(step(networks=networks))


def test_evaluation_leaves_them_unchanged() -> None:
    def evaluate(self: toys.Judged, model: Any, batch: Batch, context: Context) -> Any:
        terms = toys.Judged.evaluate(self, model, batch, context)
        context.networks["measure"][1].running_mean.add_(1)  # type: ignore[index, union-attr]
        return terms

    with pytest.raises(CheckFailed, match="changes measure.1.running_mean of"):
        expect_sound_evaluation(step(evaluate=evaluate, distance=lambda self, made, *_: made[:, 0]))


def own_weights(self: toys.Judged, model: Any) -> dict[str, nn.Module]:
    made = NETWORKS(self, model)
    with torch.no_grad():
        for value in made["critic"].parameters():
            value.normal_(generator=torch.Generator().manual_seed(0))
    return {"critic": made["critic"], "measure": made["measure"].apply(constant)}


def constant(module: nn.Module) -> None:
    for value in module.parameters():
        nn.init.ones_(value)


def fresh(self: toys.Judged, model: Any) -> dict[str, nn.Module]:
    generator = torch.Generator()
    generator.seed()
    made = NETWORKS(self, model)
    with torch.no_grad():
        made["critic"][0].weight.normal_(generator=generator)  # type: ignore[index, union-attr]
    return made


def meddling(self: toys.Judged, model: Any) -> dict[str, nn.Module]:
    with torch.no_grad():
        model.first[0].bias.fill_(3)
    return NETWORKS(self, model)


def shared(self: toys.Judged, model: Any) -> dict[str, nn.Module]:
    return {**NETWORKS(self, model), "critic": model.first}


def idle(self: toys.Judged, *given: Any) -> Iterator[Update]:
    yield from (update for update in toys.Judged.updates(self, *given) if not update.part)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"networks": own_weights}, "the same weights with another seed: draw first weights from"),
        ({"networks": fresh}, "other weights with the same seed: draw first weights from torch's"),
        ({"networks": meddling}, "changes first.0.bias of the model: only read it"),
        ({"networks": shared}, "returns 'critic', which shares a tensor with the model"),
        ({"updates": idle}, "no update trains its network 'critic': yield gtk.Update"),
    ],
)
def test_networks_are_drawn_from_the_seed_and_trained(
    monkeypatch: pytest.MonkeyPatch, members: Any, message: str
) -> None:
    monkeypatch.setattr(loss_checks, "new_replayed_step", lambda _: step(**members))
    with pytest.raises((CheckFailed, PluginError), match=message):
        check_networks(Specimen(LOSS, "elbo"))


def test_a_loss_that_keeps_its_network_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def keep(self: Any, model: Any) -> dict[str, nn.Module]:
        self.kept = NETWORKS(self, model)
        return dict(self.kept)

    monkeypatch.setattr(loss_checks, "new_replayed_step", lambda _: step(networks=keep))
    with pytest.raises(CheckFailed, match="a step changes self.kept, which checkpoints leave out"):
        check_keeps_no_state(Specimen(LOSS, "elbo"))
