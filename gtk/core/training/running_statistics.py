"""Running statistics of a model's parts, such as those of batch normalization."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain

import torch
from torch import Tensor, nn


class RunningStatistics:
    """Keeps the buffers of each part to the passes of its own updates.

    In train mode every pass through a network changes its running statistics, also one that trains
    another part: a discriminator scores generated images for its own update, and again for the
    generator's. Only the first are what it was trained on, so after each update the buffers of all
    other parts are set back.

    A part may also reuse passes that were made before another part's update, as a generator does
    whose images the discriminator was trained on first. So what was set back is put aside, and a
    buffer that its own part's update leaves unchanged takes it.

    Buffers that several parts share, or that belong to none, are left alone, and so are all of a
    model with one part.
    """

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        owners = Counter(module for part in parts.values() for module in set(part.modules()))
        self._modules = {
            name: [
                ModuleBuffers(module)
                for module in part.modules()
                if owners[module] == 1 and any(True for _ in module.buffers(recurse=False))
            ]
            for name, part in parts.items()
            if len(parts) > 1
        }

    def begin_step(self) -> None:
        """Keep all buffers as they are, and drop what is put aside."""
        for module in self._all():
            module.aside = {}
        self.keep()

    def assign(self, part: str) -> None:
        """Give the changes since the last update to the part that has been updated."""
        for name, modules in self._modules.items():
            for module in modules:
                if name == part:
                    module.take()
                else:
                    module.set_back()

    def keep(self) -> None:
        """Keep all buffers as they are, such as those that `Model.after_update` has changed."""
        for module in self._all():
            module.keep()

    def _all(self) -> Iterator["ModuleBuffers"]:
        return chain.from_iterable(self._modules.values())


class ModuleBuffers:
    """The buffers of one module, with the values that they have without the latest passes.

    Attributes:
        aside: the values that they had before they were set back; empty if they were not.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._seen: dict[str, Tensor] = {}
        self._versions: list[int] = []
        self._kept: dict[str, Tensor] = {}
        self.aside: dict[str, Tensor] = {}
        self.keep()

    def keep(self) -> None:
        """Keep their values."""
        if self._changed():
            self._kept = self._values()
            self._note()

    def set_back(self) -> None:
        """Set them back to the values that were kept, and put the present ones aside."""
        if self._changed():
            self.aside = self._values()
            self._write(self._kept)

    def take(self) -> None:
        """Keep their values, or if they have not changed, take those that were put aside."""
        if self.aside and not self._changed():
            self._write(self.aside)
            self._kept = self.aside
        self.aside = {}
        self.keep()

    def _changed(self) -> bool:
        """Whether one of them was written or assigned since it was noted."""
        now = self._buffers()
        if versions(now) != self._versions:
            return True
        if any(buffer is not self._seen.get(name) for name, buffer in now.items()):
            return True
        # torch's function for batch normalization does not mark what it writes. Its modules count
        # their passes, which is marked; of a module that does not, the values are compared.
        if "running_mean" not in now or "num_batches_tracked" in now:
            return False
        return not all(torch.equal(now[name], value) for name, value in self._kept.items())

    def _buffers(self) -> dict[str, Tensor]:
        # named_buffers() takes several times as long, in each of a step's updates.
        buffers = self._module._buffers  # noqa: SLF001
        return {name: buffer for name, buffer in buffers.items() if buffer is not None}

    def _values(self) -> dict[str, Tensor]:
        return {name: buffer.detach().clone() for name, buffer in self._buffers().items()}

    def _write(self, values: Mapping[str, Tensor]) -> None:
        now = self._buffers()
        for name, value in values.items():
            if name in now and now[name] is self._seen.get(name):
                # Not marked as written, since a graph that a later update needs may hold it: in
                # train mode no gradient depends on the running statistics.
                now[name].data.copy_(value)
            else:  # the module has assigned a new tensor
                setattr(self._module, name, value.clone())
        self._note()

    def _note(self) -> None:
        self._seen = self._buffers()
        self._versions = versions(self._seen)


def versions(buffers: Mapping[str, Tensor]) -> list[int]:
    """Return how often each was written; to compare values would wait for the device."""
    return [buffer._version for buffer in buffers.values()]  # noqa: SLF001
