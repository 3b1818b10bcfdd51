"""What the columns between two ends are called."""


def percentages(steps: int) -> list[str]:
    """Return how far each step has come: "0%", ..., "100%"."""
    return [f"{step / (steps - 1):.0%}" for step in range(steps)]
