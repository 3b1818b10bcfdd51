"""The checks of a model. Each runs with the model's own conditioner and without a condition."""

from gtk.testing import model_sampling, model_state, model_structure, model_training

CHECKS = (
    *model_structure.CHECKS,
    *model_training.CHECKS,
    *model_sampling.CHECKS,
    *model_state.CHECKS,
)
