"""Run all checks of a plugin: for a program, or as tests."""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gtk.core.registry.discovery import KINDS, Kind
from gtk.core.values.errors import GtkError, unknown_name
from gtk.core.values.text import visible
from gtk.testing.check import (
    Check,
    CheckFailed,
    CheckSkipped,
    Specimen,
    check_name,
    outcome,
)

if TYPE_CHECKING:
    import pytest

Status = Literal["passed", "failed", "skipped", "expected"]

#: Errors that say themselves what is wrong and how to mend it.
SELF_EXPLAINING = (CheckFailed, GtkError)


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        check: its name.
        status: "expected" where it failed and was said to.
        message: what is wrong and how to mend it, or why it was skipped or is expected to fail;
            empty where it passed.
    """

    check: str
    status: Status
    message: str = ""


def checks_of(kind: Kind[Any]) -> dict[str, Check]:
    """Return the checks of a kind by name, those of every plugin first.

    Each module of gtk.testing that is named for a kind has a tuple CHECKS of functions
    `check_...(specimen)`; what follows `check_` is the name.
    """
    modules = (import_module(f"gtk.testing.{name}") for name in ("package", kind.name))
    return {check_name(check): check for module in modules for check in module.CHECKS}


def check_plugin(
    name: str,
    kind: str = "model",
    *,
    data: str = "digits",
    options: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> list[CheckResult]:
    """Run all checks of a plugin.

    Args:
        name: of the plugin, or "package/name".
        kind: "model", "conditioner", "loss", "dataset" or "callback".
        data: the data set it is tried with; for a data set of files NAME:PATH, its own name and
            where some are.
        options: values of the plugin's own options, by name.
        expected_failures: names of checks that fail, each with the reason.

    Returns:
        What each check found, in their order. One that is expected to fail and passes has failed.

    Raises:
        UnknownName: there is no such kind, or no check of a name in `expected_failures`.
    """
    specimen, checks, expected = _prepare(name, kind, data, options, expected_failures)
    return [run_check(check, specimen, expected.get(key)) for key, check in checks.items()]


def run_check(check: Check, specimen: Specimen, expected: str | None = None) -> CheckResult:
    """Run one check, once: a second call says what the first has found.

    Args:
        check: which.
        specimen: what it looks at.
        expected: why it is to fail, None where it is to pass.
    """
    name, found = check_name(check), outcome(check, specimen)
    if isinstance(found, CheckSkipped):
        return CheckResult(name, "skipped", str(found))
    if found is None and expected is None:
        return CheckResult(name, "passed")
    if found is None:
        message = f"it passes, and was to fail: {expected}. Take it out of expected_failures"
        return CheckResult(name, "failed", message)
    message = str(found) if isinstance(found, SELF_EXPLAINING) else _located(found, specimen)
    if expected is not None:
        return CheckResult(name, "expected", f"{expected}: {message}")
    return CheckResult(name, "failed", message)


def plugin_checks(
    name: str,
    kind: str = "model",
    *,
    data: str = "digits",
    options: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> "pytest.MarkDecorator":
    """Make a test of each check: it gets `check`, a function to call; ids are the checks' names.

    Args: see `check_plugin`.
    """
    import pytest

    specimen, checks, expected = _prepare(name, kind, data, options, expected_failures)
    return pytest.mark.parametrize(
        "check",
        [
            pytest.param(_as_test(check, specimen, expected.get(key)), id=key)
            for key, check in checks.items()
        ],
    )


def _as_test(check: Check, specimen: Specimen, expected: str | None) -> Callable[[], None]:
    """Return what a test calls: it fails, is skipped or xfails as the check did."""

    def run() -> None:
        import pytest

        __tracebackhide__ = True
        result = run_check(check, specimen, expected)
        if result.status == "skipped":
            pytest.skip(result.message)
        if result.status == "expected":
            pytest.xfail(result.message)
        found = outcome(check, specimen)
        if result.status == "failed":
            if found is None or isinstance(found, SELF_EXPLAINING):
                pytest.fail(visible(result.message), pytrace=False)
            raise CheckFailed(result.message) from found  # its traceback is of use

    return run


def _located(found: BaseException, specimen: Specimen) -> str:
    """Return what to say of an error that nobody has foreseen: where it is from, and what it is.

    The place is the plugin's line nearest to where it was raised: what that called did as it was
    told.
    """
    frames = [
        (str(frame.f_globals.get("__name__")), frame.f_code, line)
        for frame, line in traceback.walk_tb(found.__traceback__)
    ]
    try:
        package = specimen.plugin.installed.module.partition(".")[0]
    except GtkError:
        package = ""
    own = [
        item
        for item in frames
        if item[0].partition(".")[0] == package and not item[0].startswith("gtk.testing.")
    ]
    _, code, line = (own or frames)[-1]
    reason = visible(" ".join(str(found).split())).rstrip(".")
    return (
        f"{code.co_qualname} ({visible(Path(code.co_filename).name)}, line {line}) raises "
        f"{type(found).__name__}: {reason}. Mend it there; in pytest the check "
        "shows the traceback"
    )


def _prepare(
    name: str,
    kind: str,
    data: str,
    options: Mapping[str, Any] | None,
    expected_failures: Mapping[str, str] | None,
) -> tuple[Specimen, dict[str, Check], Mapping[str, str]]:
    kinds = {item.name: item for item in KINDS}
    if kind not in kinds:
        raise unknown_name("kind of plugin", kind, kinds)
    checks, expected = checks_of(kinds[kind]), expected_failures or {}
    for key in expected:
        if key not in checks:
            raise unknown_name("check", key, checks)
    return Specimen(kinds[kind], name, data, options or {}), checks, expected
