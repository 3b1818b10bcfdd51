"""Metrics: how what was drawn is judged."""

from dataclasses import dataclass

from gtk.core.registry.hooks import hookimpl
from gtk.core.registry.options import option
from gtk.core.registry.spec import MetricSpec

#: The most samples of a latent code for one image, as in the papers that give likelihoods.
MOST_SAMPLES = 100_000


@dataclass(frozen=True, kw_only=True)
class NeighboursConfig:
    """Options of `neighbours`.

    Raises:
        ValueError: a number out of range.
    """

    count: int = option(5, "An image's region ends at its nearest neighbour of this number.")

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be at least 1, not {self.count}")


@dataclass(frozen=True, kw_only=True)
class NearestConfig:
    """Options of `nearest`.

    Raises:
        ValueError: a number out of range.
    """

    images: int = option(500, "Generated images whose nearest training image is looked for.")

    def __post_init__(self) -> None:
        if self.images < 1:
            raise ValueError(f"images must be at least 1, not {self.images}")


@dataclass(frozen=True, kw_only=True)
class LikelihoodConfig:
    """Options of `likelihood`.

    Raises:
        ValueError: a number out of range.
    """

    samples: int = option(50, "Samples of the latent code for each image: k of the bound.")
    images: int = option(500, "Test images whose likelihood is estimated; 0 for all of them.")

    def __post_init__(self) -> None:
        if not 1 <= self.samples <= MOST_SAMPLES:
            raise ValueError(f"samples must be within 1..{MOST_SAMPLES:,}, not {self.samples}")
        if self.images < 0:
            raise ValueError(f"images must be at least 0, not {self.images}")


@hookimpl
def gtk_metrics() -> list[MetricSpec]:
    """Return the built-in metrics."""
    return [
        MetricSpec(
            name="class-accuracy",
            summary="How often the judge sees the class that was asked for.",
            target="gtk.plugins.metrics.class_accuracy:ClassAccuracy",
        ),
        MetricSpec(
            name="frechet-distance",
            summary="How far Gaussians of the judge's features lie from those of test images.",
            target="gtk.plugins.metrics.frechet_distance:FrechetDistance",
        ),
        MetricSpec(
            name="kernel-distance",
            summary="How far the judge's features lie from those of test images, by a kernel.",
            target="gtk.plugins.metrics.kernel_distance:KernelDistance",
        ),
        MetricSpec(
            name="neighbours",
            summary="Precision, recall, density and coverage among nearest neighbours.",
            target="gtk.plugins.metrics.neighbours:Neighbours",
            config=NeighboursConfig,
        ),
        MetricSpec(
            name="diversity",
            summary="How much the images of a class differ, as a share of the test images'.",
            target="gtk.plugins.metrics.diversity:Diversity",
        ),
        MetricSpec(
            name="nearest",
            summary="How near the nearest training image is: whether images are copies.",
            target="gtk.plugins.metrics.nearest:Nearest",
            config=NearestConfig,
        ),
        MetricSpec(
            name="likelihood",
            summary="VAEs: ELBO and importance-weighted likelihood of test images.",
            target="gtk.plugins.metrics.likelihood_bounds:Likelihood",
            config=LikelihoodConfig,
        ),
        MetricSpec(
            name="latent-use",
            summary="VAEs: how many dimensions of the latent code are in use.",
            target="gtk.plugins.metrics.latent_use:LatentUse",
        ),
    ]
