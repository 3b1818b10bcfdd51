"""Flow matching (Lipman et al., arXiv:2210.02747) and diffusion (Ho et al., arXiv:2006.11239)."""

from pkgutil import resolve_name
from typing import Any

from torch import Tensor, nn

from gtk.core.contracts.conditioner import Conditioner
from gtk.core.contracts.model import ExportPart, Model
from gtk.core.values.dataset import DataSpec
from gtk.core.values.noise import NoiseSpec
from gtk.core.values.path import PATHS
from gtk.core.values.time_value import Time
from gtk.core.values.value import Array, ports
from gtk.plugins.families.full_precision import full
from gtk.plugins.flow import DiffusionConfig, FlowConfig
from gtk.plugins.flow.preconditioning import Preconditioning

#: Of each `--network`, the class: constructed with (config, image_shape, conditioner, role), it
#: maps x (B, C, H, W), times (B,) and a condition to (B, C, H, W).
NETWORKS = {
    "mlp": "gtk.plugins.flow.mlp:MLP",
    "unet": "gtk.plugins.networks.unet:UNet",
    "transformer": "gtk.plugins.networks.transformer:Transformer",
}
ROLE = "denoiser"


class Flow(Model):
    """A network whose output is the velocity.

    It is a `VelocityModel`. Every conditioner that acts in the network can condition it.

    Args:
        config: network and path.
        data_spec: provides the images' shape.
        conditioner: how the condition gets into the network.

    Raises:
        ValueError: the network does not fit the images.
    """

    def __init__(self, config: FlowConfig, data_spec: DataSpec, conditioner: Conditioner) -> None:
        super().__init__()
        self.config = config
        self.noise = NoiseSpec(data_spec.image_shape)
        self.path = PATHS[config.path]
        shape = data_spec.image_shape
        network: Any = resolve_name(NETWORKS[config.network_for(shape)])
        self.network: nn.Module = network(config.settings(shape), shape, conditioner, ROLE)

    def networks(self) -> dict[str, nn.Module]:
        """Return the network, as "denoiser"."""
        return {ROLE: self.network}

    def velocity(self, x: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """Map x (B, C, H, W) at times (B,) and a condition to dx/dt, in float32."""
        velocity: Tensor = full(self.network(x, time, condition))
        return velocity

    def exports(self) -> dict[str, ExportPart]:
        """Return one evaluation of the velocity, as "denoiser"."""
        inputs = {"x": self.noise, **ports(Time(), self.condition)}
        outputs = {"velocity": Array(self.noise.shape)}
        part = ExportPart(_Denoiser(self), inputs, outputs, evaluate, path=self.config.path)
        return {ROLE: part}


def evaluate(model: Flow, x: Tensor, time: Tensor, condition: Tensor | None = None) -> Tensor:
    """Return a model's velocity, for a model without a condition, too."""
    return model.velocity(x, time, condition)


class _Denoiser(nn.Module):
    """A model's velocity as a module."""

    def __init__(self, model: Flow) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, time: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map x (B, C, H, W) at times (B,) and a condition to dx/dt."""
        return evaluate(self.model, x, time, condition)


class Diffusion(Flow):
    """A network with EDM's preconditioning, whose output is noise, image or a mixture of both.

    It is a `VelocityModel`.

    Args:
        config: network, path and prediction.
        data_spec: as of `Flow`.
        conditioner: as of `Flow`.

    Raises:
        ValueError: as of `Flow`.
    """

    def __init__(
        self, config: DiffusionConfig, data_spec: DataSpec, conditioner: Conditioner
    ) -> None:
        super().__init__(config, data_spec, conditioner)
        self.preconditioning = Preconditioning(self.path, config.prediction)

    def velocity(self, x: Tensor, time: Tensor, condition: Tensor | None) -> Tensor:
        """Map x (B, C, H, W) at times (B,) and a condition to dx/dt, in float32."""
        output = full(self.network(self.preconditioning.scaled(x, time), time, condition))
        image, noise = self.preconditioning.image_and_noise(x, output, time)
        velocity: Tensor = self.path.velocity(image, noise, time)
        return velocity
