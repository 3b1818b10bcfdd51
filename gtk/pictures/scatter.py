"""The latent codes of each class as points, as a figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gtk.pictures.figure import BLUE, class_colors, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The most class names in the picture; of more classes every second one is named, or fewer.
NAMES = 25


def latent_scatter(
    codes: NDArray[np.float32], labels: NDArray[np.int64], classes: Sequence[str]
) -> "Figure":
    """Draw latent codes as points in the plane, coloured by class.

    Two dimensions are drawn directly, of more the first two principal components; a single one is
    drawn along x, with the class along y.

    Args:
        codes: (N, D), N at least 2.
        labels: (N,), the index in `classes` of each.
        classes: their names, in order; may be empty.
    """
    figure = new_figure(6, 4.5)
    figure.set_layout_engine("tight")  # class names may be long
    axes = figure.add_subplot()
    colors = class_colors(len(classes))[labels] if classes else BLUE
    points, names = plane(codes, labels)
    # Many points are small, so that those below still show.
    size = float(np.clip(6000 / len(points), 3, 20))
    axes.scatter(points[:, 0], points[:, 1], s=size, c=colors, alpha=0.7, linewidths=0)
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    if codes.shape[1] == 1:  # y names the classes, the first at the top
        rows, shown = named_rows(classes)
        axes.set_yticks(rows, shown, parse_math=False)
        axes.set_ylim(max(len(classes), 1) - 0.5, -0.5)
        return figure
    # A step along one axis is as long as one along the other.
    axes.set_aspect("equal", adjustable="datalim")
    if classes:
        _add_class_bar(axes, classes)
    return figure


def plane(
    codes: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], tuple[str, str]]:
    """Return the points (N, 2) to draw for latent codes (N, D), and the two axes' names."""
    values = codes.astype(np.float64)
    width = values.shape[1]
    if width == 1:
        return np.stack([values[:, 0], labels.astype(np.float64)], axis=1), ("z", "")
    if width == 2:
        return values, ("z 1", "z 2")
    from sklearn.decomposition import PCA

    # This solver draws no random numbers, and is fast for many images of few dimensions.
    analysis = PCA(2, svd_solver="covariance_eigh")
    with np.errstate(invalid="ignore"):  # codes that are all equal have 0 / 0 of the variance
        points: NDArray[np.float64] = analysis.fit_transform(values)
    first, second = np.nan_to_num(analysis.explained_variance_ratio_)
    return points, (
        f"principal component 1 ({first:.0%} of variance)",
        f"principal component 2 ({second:.0%} of variance)",
    )


def named_rows(classes: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return the labels that are named in the picture, and their names."""
    rows = list(range(0, len(classes), -(-len(classes) // NAMES) or 1))
    return rows, [classes[row] for row in rows]


def _add_class_bar(axes: "Axes", classes: Sequence[str]) -> None:
    """Add a bar with each class's colour and name, the first at the top."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    count = len(classes)
    norm = BoundaryNorm([row - 0.5 for row in range(count + 1)], count)
    colors = ScalarMappable(norm, ListedColormap(list(class_colors(count))))
    bar = axes.figure.colorbar(colors, ax=axes, spacing="proportional", aspect=25)
    rows, names = named_rows(classes)
    bar.set_ticks(rows, labels=names, parse_math=False)
    bar.minorticks_off()
    bar.ax.tick_params(length=0)
    bar.ax.invert_yaxis()
