"""What a training's figures show to be wrong, with what to try."""

from collections.abc import Mapping, Sequence
from typing import Any

from gtk.core.storage.evaluations import EvaluationLine
from gtk.core.values.setting import setting

#: Samples that are judged at the end of a training.
SAMPLES = 1000
#: Below this share of the judge's accuracy on real images, samples do not show their class; below
#: this share of the test images' diversity, those of a class are nearly the same.
IGNORED, REPEATED = 0.5, 0.3
#: Nats of an image below which the posterior is the prior, after so many steps: at first it is.
COLLAPSED, LEARNED = 0.05, 500
#: How far apart the scores of real and generated images are where a discriminator has won: by the
#: logistic loss it then learns, and the generator gets, a hundredth of what it did at first.
WON = 10.0
#: Losses whose scores have that scale; a critic's have none, so that they tell nothing.
WITH_SCALE = {"minimax", "hinge", "least-squares", "relativistic"}


def notes_on_terms(loss: str, lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the last terms of a loss show to be wrong, a sentence each.

    Args:
        loss: its name.
        lines: of metrics.jsonl.
    """
    terms = {line["split"]: line["terms"] for line in lines}
    found, last = [], terms.get("train", {})
    divergence = terms.get("test", last).get("kl")
    steps = max((line["step"] for line in lines), default=0)
    if divergence is not None and divergence < COLLAPSED and steps >= LEARNED:
        found.append(
            f"the posterior has collapsed onto the prior, since the KL divergence is "
            f"{max(divergence, 0):.3f} nats per image: samples do not depend on z. Give it less "
            f"weight with a lower {setting('beta')}, or let that grow with "
            f"{setting('kl_warmup_steps', 1000)}"
        )
    apart = last.get("real_score", 0.0) - last.get("generated_score", 0.0)
    if loss in WITH_SCALE and apart > WON:
        found.append(
            f"the discriminator has won: its scores of real and generated images are {apart:.0f} "
            f"apart, so that the generator learns nothing. Train it with a lower "
            f"{setting('learning_rate', example='discriminator=RATE')}, {setting('r1', 1)} or "
            f"{setting('augment', True)}"
        )
    return found


def notes_on_figures(lines: Sequence[EvaluationLine], judged_right: float) -> list[str]:
    """Return what figures show to be wrong, a sentence each, with what to try.

    Args:
        lines: what the metrics gave.
        judged_right: the judge's accuracy on real images.
    """
    values = {name: table["value"] for line in lines for name, table in line["figures"].items()}
    found = []
    if values.get("accuracy", 1.0) < IGNORED * judged_right:
        found.append(
            f"only {values['accuracy']:.0%} of {SAMPLES:,} samples show the class that was asked "
            f"for: train longer, or let the class act more strongly, as by "
            f"{setting('conditioner', 'film')} or a sampler's guidance"
        )
    if values.get("diversity", 1.0) < REPEATED:
        found.append(
            f"samples of a class differ by {values['diversity']:.0%} of what test images do: they "
            "are nearly the same. Train longer, give the KL divergence or a discriminator less "
            "weight, or use another loss"
        )
    return found
