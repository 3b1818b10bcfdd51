"""The learner: a model with its optimizers and averaged weights, which takes a step's updates."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from gtk.core.contracts.batch import Batch
from gtk.core.contracts.loss import Context, Loss, Update
from gtk.core.contracts.model import Model
from gtk.core.contracts.noise import Noise
from gtk.core.models.device import global_generators
from gtk.core.models.loss_networks import network_state, trained
from gtk.core.registry.train_config import TrainConfig
from gtk.core.storage.checkpoint import Checkpoint
from gtk.core.storage.tensor_file import check_tensors
from gtk.core.training.arithmetic import Arithmetic, lay_out
from gtk.core.training.averaged_weights import AveragedWeights
from gtk.core.training.compilation import compiler
from gtk.core.training.freezing import Frozen
from gtk.core.training.lockstep import Lockstep, averaged, divided
from gtk.core.training.optimizer import Optimizers
from gtk.core.training.pending_terms import PendingTerms, as_scalar
from gtk.core.training.running_statistics import RunningStatistics
from gtk.core.training.update_check import UpdateCheck
from gtk.core.values.by_part import PartNumber
from gtk.core.values.decays import each_decay
from gtk.core.values.errors import InvalidValue
from gtk.core.values.seeding import derive_seed


class Learner:
    """Takes every update that a loss yields, and keeps all state that they change.

    Attributes:
        model: the model, on the device and in train mode.
        loss: yields the updates of each step.
        device: the device.
        context: what the loss gets besides model and batch.
        pending: the terms since the last report.

    Raises:
        InvalidValue: the batch size is too small for the model's normalization, or nothing is left
            to train.
        UnknownName: the model has no network or part that is to be frozen.
        PluginError: the model's parts share or leave out parameters.
    """

    def __init__(
        self,
        model: Model,
        loss: Loss,
        networks: Mapping[str, nn.Module],
        config: TrainConfig,
        total_steps: int,
        device: torch.device,
    ) -> None:
        for network in networks.values():
            network.to(device)
        self._frozen = Frozen(model, config.freeze)
        self.model = model.to(device).train()
        self.loss = loss
        self.device = device
        step = torch.zeros((), dtype=torch.int64, device=device)
        self.pending = PendingTerms()
        self._seed, self._deterministic = config.seed, config.deterministic
        self._optimizers = Optimizers(model, config, networks)
        rates = self._optimizers.rates
        self.context = Context(Noise(device), step, total_steps, networks, rates)
        several = config.accumulate > 1
        self._lockstep = Lockstep(config.accumulate, self.context) if several else None
        self._networks = trained(networks)
        freezing = bool(self._frozen)
        self._check = UpdateCheck(loss, self._optimizers, model.parts(), freezing=freezing)
        self._running = RunningStatistics(self.model.parts() | self._networks)
        averages = {
            decay: AveragedWeights(model, decay) for decay in each_decay(config.average_decay)
        }
        self._averaged = next(iter(averages.values()), None)
        self._others = {decay: it for decay, it in averages.items() if it is not self._averaged}
        self._global_generators = global_generators(device)
        self._bf16 = self._channels_last = self._cuda_graphs = False

    def use(self, arithmetic: Arithmetic) -> None:
        """Compute in an arithmetic from now on, which must be before the first step."""
        self._bf16 = arithmetic.precision == "bf16"
        self._channels_last = arithmetic.memory_format == "channels-last"
        if self._channels_last:
            others = [average.module for average in self._others.values()]
            for module in {self.model, self.published, *others, *self.context.networks.values()}:
                lay_out(module, torch.channels_last)

    def compile(self) -> None:
        """Have the loss compile what it computes in a step, which must be before the first one."""
        # A graph's results last until it runs again, as it does for the next of several batches.
        self._cuda_graphs = self.device.type == "cuda" and self._lockstep is None
        compiled = compiler(cuda_graphs=self._cuda_graphs, deterministic=self._deterministic)
        for context in (self.context, *(self._lockstep.contexts if self._lockstep else ())):
            context.compile_with(compiled)

    @property
    def published(self) -> Model:
        """The model whose weights sampling and export use: the averaged one if there is one."""
        return self.model if self._averaged is None else self._averaged.module

    @contextmanager
    def as_loaded(self) -> Iterator[Model]:
        """Have the published model as it is loaded from a checkpoint: in contiguous memory."""
        if not self._channels_last:
            yield self.published
            return
        maps = (weights for weights in self.published.parameters() if weights.dim() == 4)
        kept = [(weights, weights.data) for weights in maps]
        lay_out(self.published, torch.contiguous_format)
        try:
            yield self.published
        finally:
            # Into the same memory, since a recorded CUDA graph reads its weights from there.
            for weights, own in kept:
                own.copy_(weights.data)
                weights.data = own

    def learn(self, batch: Batch, step: int, learning_rate: PartNumber) -> None:
        """Take every update of the step that follows `step` steps.

        Raises:
            PluginError: the loss yields what cannot be trained on.
        """
        self._frozen.begin_step()
        seed = derive_seed(self._seed, "layers", step)
        for generator in self._global_generators:  # dropout draws from them
            generator.manual_seed(seed)
        self.context.noise.seed(derive_seed(self._seed, "step", step))
        self.context.start_step(step)
        self._optimizers.set_learning_rate(learning_rate)
        self.pending.steps += 1
        self._running.begin_step()
        if self._cuda_graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        if self._lockstep is None:
            for update in self._updates(batch, self.context):
                part = self._check.part(update)
                frozen = self._optimizers.frozen(part)
                if not frozen:
                    self._optimizers.step(part, update.loss)
                self._follow(part, update, frozen=frozen)
        else:
            self._learn_in(self._lockstep, batch, step)
        if self._averaged is not None:
            self._averaged.update(self.model)
        for average in self._others.values():
            average.update(self.model)

    def _updates(self, batch: Batch, context: Context) -> Iterator[Update]:
        """Return the updates of a batch, in the training's arithmetic."""
        if self._channels_last:
            images = batch.images.contiguous(memory_format=torch.channels_last)
            batch = replace(batch, images=images)
        updates = self.loss.updates(self.model, batch, context)
        return _in_bf16(updates, self.device) if self._bf16 else updates

    def _learn_in(self, lockstep: Lockstep, batch: Batch, step: int) -> None:
        """Take every update of a step, each with the mean gradient of several batches."""
        groups, count = self.loss.batches, len(lockstep.contexts)
        lockstep.start_step(step, len(batch) // (groups * count))
        batches = divided(batch, groups, count)
        updates = [
            iter(self._updates(*own)) for own in zip(batches, lockstep.contexts, strict=True)
        ]
        while True:
            taken: list[Update] = []
            with closing(lockstep.next_updates(updates)) as following:
                for update in following:
                    part = self._check.part(update)
                    frozen = self._optimizers.frozen(part)
                    if not taken:
                        self._optimizers.clear_gradient(part)
                    if not frozen:  # at once, as it frees the graph
                        self._optimizers.add_gradient(part, update.loss / count)
                    terms = {name: as_scalar(it, self.device) for name, it in update.terms.items()}
                    taken.append(replace(update, loss=update.loss.detach(), terms=terms))
            if not taken:
                return
            if not frozen:
                self._optimizers.descend(part)
            self._follow(part, averaged(taken), frozen=frozen)

    def _follow(self, part: str, update: Update, *, frozen: bool) -> None:
        """Do what follows a step of the optimizer: statistics, and the update's terms."""
        self._running.assign(part)
        if not frozen and part not in self._networks:
            with torch.no_grad():
                self.model.after_update(part, update.statistics)
        self._frozen.set_back()
        self._running.keep()
        name = "loss" if update.part is None else f"{part}_loss"
        for term, value in {name: update.loss, **update.terms}.items():
            scalar = as_scalar(value, self.device)
            # The next step of a CUDA graph writes its results into the same memory.
            scalar = scalar.clone() if self._cuda_graphs else scalar
            self.pending.note(term, scalar, update.part)

    def tensors(self) -> dict[str, Tensor]:
        """Return what resuming needs besides the published weights, by "group/name"."""
        groups: dict[str, Mapping[str, Tensor]] = {
            "optimizer": self._optimizers.state(),
            "pending": self.pending.tensors(),
            "weights": {} if self._averaged is None else self.model.state_dict(),
            "networks": network_state(self.context.networks),
        }
        return {
            f"{group}/{name}": value
            for group, tensors in groups.items()
            for name, value in tensors.items()
        }

    def averages(self) -> dict[str, dict[str, Tensor]]:
        """Return the weights of every average but the published one, by decay."""
        return {str(decay): it.module.state_dict() for decay, it in self._others.items()}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restore the state in a checkpoint: weights, average, optimizers, terms.

        Raises:
            InvalidValue: a tensor is missing, unknown, or of another shape or type than this
                learner's.
        """
        groups = _groups(checkpoint)
        if checkpoint.step and self._optimizers.keeps_state and not groups["optimizer"]:
            raise InvalidValue("'optimizer' is missing")
        averaged = self._averaged is not None
        check_tensors(checkpoint.model, self.published.state_dict())
        check_tensors(groups["weights"], self.model.state_dict() if averaged else {})
        self.model.load_state_dict(groups["weights"] if averaged else checkpoint.model)
        if self._averaged is not None:
            self._averaged.module.load_state_dict(checkpoint.model)
            self._averaged.steps = checkpoint.step
        for decay, average in self._others.items():
            weights = checkpoint.averages.get(str(decay), {})
            check_tensors(weights, average.module.state_dict())
            average.module.load_state_dict(weights)
            average.steps = checkpoint.step
        _load(self.context.networks, groups["networks"])
        self._optimizers.restore(groups["optimizer"])
        self.pending.restore(checkpoint.state["pending"], groups["pending"], self.device)

    def networks_of(self, checkpoint: Checkpoint) -> Mapping[str, nn.Module]:
        """Return copies of the loss's networks with the weights of a checkpoint.

        Raises:
            InvalidValue: the checkpoint has other networks.
        """
        networks = deepcopy(self.context.networks)
        _load(networks, _groups(checkpoint)["networks"])
        return networks


def _groups(checkpoint: Checkpoint) -> dict[str, dict[str, Tensor]]:
    """Return what `Learner.tensors` returned by group and name.

    Raises:
        InvalidValue: a group is unknown.
    """
    names = ("weights", "networks", "optimizer", "pending")
    groups: dict[str, dict[str, Tensor]] = {name: {} for name in names}
    for path, value in checkpoint.training.items():
        group, _, name = path.partition("/")
        if group not in groups:
            raise InvalidValue(f"{path!r} is unknown")
        groups[group][name] = value
    return groups


def _load(networks: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]) -> None:
    """Load what `network_state` returned.

    Raises:
        InvalidValue: a tensor is missing, unknown, or of another shape or type.
    """
    check_tensors(tensors, network_state(networks))
    for name, network in networks.items():
        own = {key: tensors[f"{name}.{key}"] for key in network.state_dict()}
        network.load_state_dict(own)


def _in_bf16(updates: Iterator[Update], device: torch.device) -> Iterator[Update]:
    """Compute each update under autocast, and leave it before the update is taken.

    Autocast keeps the weights that it has cast until it is left, so that around the whole loop the
    second update would be computed from weights that the first one has changed since.
    """
    updates = iter(updates)
    while True:
        with torch.autocast(device.type, torch.bfloat16):
            try:
                update = next(updates)
            except StopIteration:
                return
        yield update
