"""The speed of a training is measured without its data, and leaves nothing behind."""

import pytest
import torch
import toys

from gtk.core.models.device import has_bf16
from gtk.core.registry.train_request import TrainRequest
from gtk.core.training.speed import measured_rates
from gtk.core.values.condition import ConditionSpec
from gtk.core.values.dataset import DataSpec
from gtk.core.values.errors import InvalidValue
from gtk.train_function import choose


@pytest.mark.parametrize("condition", [ConditionSpec(("hat", "tie"), "attributes"), None])
def test_it_is_measured_on_images_of_the_description(condition: ConditionSpec | None) -> None:
    conditioner = "film" if condition else "unconditional"
    request = TrainRequest(plugin="flow", conditioner=conditioner, options={"width": 8})
    settings = choose(request).settle(request.options, None)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    rates = measured_rates(settings, DataSpec("mine", 3, 5, 4, condition), 9)
    known = {"fp32", "bf16"} if has_bf16(toys.CPU) else {"fp32"}
    assert {arithmetic.precision for arithmetic in rates} == known
    assert min(rates.values()) > 0
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_settings_that_do_not_fit_are_refused() -> None:
    settings = choose(TrainRequest(plugin="flow")).settle({}, None)
    with pytest.raises(InvalidValue, match="needs labels"):
        measured_rates(settings, DataSpec("mine", 1, 4, 4, None), 9)
