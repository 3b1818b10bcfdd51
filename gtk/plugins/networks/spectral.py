"""Spectral normalization of weights."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize

from gtk.core.contracts.embedding import ConditionEmbedding

#: Steps of power iteration before the first pass, as many as torch's own takes.
FIRST_STEPS = 15


class SpectralNormalization(nn.Module):
    """W / sigma(W): the weight divided by its largest singular value, as a matrix (F, ...).

    Miyato et al., Spectral Normalization for Generative Adversarial Networks (arXiv:1802.05957),
    algorithm 1. Each pass in train mode takes one step of power iteration, v = W'u / |W'u| and
    u = Wv / |Wv|; sigma = u'Wv, with u and v as constants in its gradient (equation 12). In eval
    mode u and v stay, so that a score depends on weights and buffers alone.

    It is gtk's own, since torch's would iterate in bf16 under autocast on a GPU.

    Args:
        weight: (F, ...), or a vector, whose sigma is its length.
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = as_matrix(weight.detach())
        self.register_buffer("u", normalize(torch.randn_like(matrix[:, 0]), dim=0))
        self.register_buffer("v", normalize(torch.randn_like(matrix[0]), dim=0))
        for _ in range(FIRST_STEPS):
            self._iterate(matrix)

    def forward(self, weight: Tensor) -> Tensor:
        """Map a weight to the same shape."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = as_matrix(weight)
            if self.training:
                self._iterate(matrix.detach())
            # Copies, since a second pass writes the buffers before the first is differentiated.
            u, v = self.u.clone(), self.v.clone()
            return weight / torch.dot(u, torch.mv(matrix, v))

    def _iterate(self, matrix: Tensor) -> None:
        self.v.copy_(normalize(torch.mv(matrix.T, self.u), dim=0))
        self.u.copy_(normalize(torch.mv(matrix, self.v), dim=0))


def as_matrix(weight: Tensor) -> Tensor:
    """Return a weight as a matrix: (F, ...), or a single row for a vector."""
    return weight.flatten(1) if weight.ndim > 1 else weight[None]


def normalize_weights(modules: Iterable[nn.Module]) -> None:
    """Normalize the weights of linear maps, convolutions and embeddings; leave other modules."""
    for module in modules:
        if isinstance(module, nn.Linear | nn.Conv2d | nn.Embedding):
            _normalize(module, "weight")
        elif isinstance(module, ConditionEmbedding) and "absent" in dict(module.named_parameters()):
            _normalize(module, "absent")


def _normalize(module: nn.Module, name: str) -> None:
    normalization = SpectralNormalization(module.get_parameter(name))
    parametrize.register_parametrization(module, name, normalization)


def fixed_weights(network: nn.Module) -> nn.Module:
    """Return a network whose weights are plain tensors, as an exported file needs them.

    It is the network itself, or a copy in eval mode where weights are normalized.
    """
    if not any(map(parametrize.is_parametrized, network.modules())):
        return network
    network = copy.deepcopy(network).eval()
    for module in list(network.modules()):
        if parametrize.is_parametrized(module):
            _fix(module)
    return network


def _fix(module: nn.Module) -> None:
    """Make parameters of a module's parametrized tensors.

    torch's remove_parametrizations() would delete them from the class, which a copy shares with the
    original.
    """
    plain = parametrize.type_before_parametrizations(module)
    names = [name for name, _ in module.get_submodule("parametrizations").named_children()]
    values = {name: getattr(module, name).detach() for name in names}
    del module.parametrizations
    module.__class__ = plain
    for name, value in values.items():
        module.register_parameter(name, nn.Parameter(value))
