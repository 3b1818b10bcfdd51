"""What to try where a command lacks memory."""

#: The options of each command that make it need less.
LESS = {
    "train": "--batch-size",
    "sample": "--batch-size, -n or --scale",
    "reconstruct": "-n or --scale",
    "interpolate": "--steps, --rows or --scale",
    "traverse": "--steps or --scale",
    "animate": "--frames or --scale",
    "bench": "--batch-size",
    "data": "-n",
}


def memory_advice(command: str | None) -> str:
    """Return what to try for a command, by its name."""
    wanted = f"Use a smaller {LESS[command]}, or" if command in LESS else "Use"
    return f"{wanted} a machine with more memory"
