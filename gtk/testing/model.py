"""The checks of a model. Each runs with the model's own conditioner and without a condition."""

from gtk.testing.check import Check
from gtk.testing.model_sampling import SAMPLING_CHECKS
from gtk.testing.model_state import STATE_CHECKS
from gtk.testing.model_structure import STRUCTURE_CHECKS
from gtk.testing.model_training import TRAINING_CHECKS

CHECKS: tuple[Check, ...] = (
    *STRUCTURE_CHECKS,
    *TRAINING_CHECKS,
    *SAMPLING_CHECKS,
    *STATE_CHECKS,
)
