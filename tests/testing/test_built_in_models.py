"""gtk's own models keep what they promise."""

from pathlib import Path

import pytest

from gtk.testing import check_plugin, plugin_checks


@pytest.mark.long
@plugin_checks("cvae")
def test_cvae(check: object) -> None:
    check()


@pytest.mark.long
@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ("relativistic", {"discriminator_normalization": "spectral"}),
        ("wasserstein-gp", {"r2": 1.0}),
    ],
)
def test_loss_with_lazy_penalties_and_augmentation(loss: str, options: dict[str, object]) -> None:
    options = {"r1": 0.5, "r1_every": 3, "augment": True, **options}
    found = check_plugin(f"generative-toolkit/{loss}", "loss", options=options)
    assert {item.check: item.message for item in found if item.status != "passed"} == {}


@pytest.mark.long
@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ("flow-matching", {}),
        ("flow-matching", {"coupling": "ot", "time": "uniform", "path": "variance-preserving"}),
        ("edm", {}),
        ("edm", {"min_snr": 5.0, "prediction": "epsilon"}),
    ],
)
def test_loss_of_flow_and_diffusion(loss: str, options: dict[str, object]) -> None:
    found = check_plugin(f"generative-toolkit/{loss}", "loss", options=options)
    assert {item.check: item.message for item in found if item.status != "passed"} == {}


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "data", "options"),
    [
        ("vae", "digits", {}),
        ("vae", "digits", {"likelihood": "binarized-bernoulli", "activation": "tanh"}),
        ("cvae", "digits", {"network": "conv", "normalization": "batch", "prior": "learned"}),
        ("cvae", "marks", {}),
        ("gan", "digits", {}),
        ("cgan", "digits", {"network": "mlp"}),
        ("flow", "digits", {"width": 32}),
        ("flow", "marks", {"width": 32, "path": "cosine", "normalization": "group"}),
        ("diffusion", "digits", {"width": 32}),
        ("cgan", "digits", {"network": "mlp", "discriminator_normalization": "spectral"}),
    ],
)
def test_model(outside: Path, name: str, data: str, options: dict[str, object]) -> None:
    found = check_plugin(f"generative-toolkit/{name}", data=data, options=options)
    assert {item.check for item in found if item.status == "skipped"} <= {"owner"}
    assert not {item.check: item.message for item in found if item.status == "failed"}
