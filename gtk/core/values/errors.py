"""The errors a user sees: each is one line that says what is wrong, where, and what to do."""

from collections.abc import Iterable

from gtk.core.values.text import visible

#: The environment variable that makes the command line show tracebacks.
TRACEBACK_VARIABLE = "GENERATIVE_TOOLKIT_TRACEBACK"
#: The most known names in a message.
MOST_LISTED = 60
#: The most characters of a name for which a similar one is looked for.
LONGEST_NAME = 200


class OneLine(Exception):
    """An error whose message is one printable line, whatever names it quotes."""

    def __str__(self) -> str:
        """Return the message."""
        return visible(super().__str__())


class GtkError(OneLine):
    """Root of everything gtk raises on purpose; `exit_code` is the command line's."""

    exit_code = 1


class WorkFailed(GtkError):
    """The request was valid, but the work failed (exit code 1)."""


class OutOfMemory(WorkFailed):
    """The work needs more memory than there is, of the machine or of a GPU."""


class NonFiniteLoss(WorkFailed):
    """A loss became infinite or NaN."""


class ExportMismatch(WorkFailed):
    """An exported file does not compute what PyTorch computes."""


class StopTraining(Exception):
    """Raised by a callback to end the training in order; its message is the reason."""


class UserError(GtkError):
    """The request cannot be carried out (exit code 2)."""

    exit_code = 2


class UnknownName(UserError):
    """A name that is neither installed nor stored."""


class InvalidValue(UserError, ValueError):
    """A setting or an argument out of range, or of the wrong type."""


class PluginError(UserError):
    """A plugin that is broken or incompatible, or whose name several packages claim."""


def not_a_run(path: object) -> UserError:
    """Return the error for a file where a run is expected."""
    return UserError(
        f"{path} is a file, not a run. If it is an exported file, let its name end in .onnx."
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest of `known`, or an empty string."""
    near = nearest(name, known)
    return f" Did you mean {near!r}?" if near is not None else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the name that is similar, in any case, None if none is."""
    from difflib import get_close_matches  # only errors need it

    folded = {item.casefold(): item for item in known}
    # Comparing takes time quadratic in the length: nobody mistypes a name that is longer.
    near = get_close_matches(str(name)[:LONGEST_NAME].casefold(), folded, n=1)
    return folded[near[0]] if near else None


def unknown_name(
    what: str, name: str, known: Iterable[str], remedy: str = "", *, near: str | None = None
) -> UnknownName:
    """Return the error for an unknown name; it shows the nearest known name, or else the first.

    A suggestion that is already made is given as `near`.
    """
    known = sorted(known)
    near = did_you_mean(name, known) if near is None else near
    more = f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
    listing = f" Known: {', '.join(known[:MOST_LISTED])}{more}." if known and not near else ""
    return UnknownName(f"unknown {what} '{name}'.{near}{listing}{' ' + remedy if remedy else ''}")
