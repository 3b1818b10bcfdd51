"""Runs all checks of a plugin, in a program or as tests."""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gtk.core.registry.installed import KINDS, Kind
from gtk.core.values.errors import GtkError, unknown_name
from gtk.core.values.text import visible
from gtk.testing.check import (
    Check,
    CheckFailed,
    CheckSkipped,
    Specimen,
    check_name,
    error_line,
    outcome,
)

if TYPE_CHECKING:
    import pytest

Status = Literal["passed", "failed", "skipped", "expected"]

#: Errors whose messages name cause and remedy.
SELF_EXPLAINING = (CheckFailed, GtkError)


@dataclass(frozen=True)
class CheckResult:
    """The result of a check.

    Attributes:
        check: its name.
        status: "expected" where it failed as `expected_failures` announced.
        message: cause and remedy of a failure, or why the check was skipped or is expected to
            fail; empty where it passed.
    """

    check: str
    status: Status
    message: str = ""


def checks_of(kind: Kind[Any]) -> dict[str, Check]:
    """Return the checks of a kind by name, after those of every kind.

    The module of gtk.testing that is named for a kind has its checks in CHECKS.
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
        kind: "model", "conditioner", "loss", "sampler", "metric", "dataset" or "callback".
        data: the data set it is tested with; for a data set that reads files, NAME:PATH with its
            own name and a path to some files.
        options: values of the plugin's own options, by name.
        expected_failures: by name of a check that is known to fail, the reason.

    Returns:
        All results, in order. A check that passes although it is expected to fail has failed.

    Raises:
        UnknownName: the kind, or a check named in `expected_failures`, does not exist.
    """
    specimen, checks, expected = _prepare(name, kind, data, options, expected_failures)
    return [run_check(check, specimen, expected.get(key)) for key, check in checks.items()]


def run_check(check: Check, specimen: Specimen, expected: str | None = None) -> CheckResult:
    """Run one check of a specimen, once, and return its result; `expected` is why it may fail."""
    name, found = check_name(check), outcome(check, specimen)
    if isinstance(found, CheckSkipped):
        return CheckResult(name, "skipped", str(found))
    if found is None:
        if expected is None:
            return CheckResult(name, "passed")
        remedy = "Remove it from expected_failures"
        message = f"it passes although it is expected to fail: {expected}. {remedy}"
        return CheckResult(name, "failed", message)
    message = str(found) if isinstance(found, SELF_EXPLAINING) else _located(found, specimen)
    if expected is None:
        return CheckResult(name, "failed", message)
    return CheckResult(name, "expected", f"{expected}: {message}")


def plugin_checks(
    name: str,
    kind: str = "model",
    *,
    data: str = "digits",
    options: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> "pytest.MarkDecorator":
    """Parametrize a test with `check`, a function to call for each check; ids are their names.

    Args: see `check_plugin`.
    """
    import pytest

    specimen, checks, expected = _prepare(name, kind, data, options, expected_failures)
    tests = [_as_test(check, specimen, expected.get(key)) for key, check in checks.items()]
    return pytest.mark.parametrize("check", tests, ids=list(checks))


def _as_test(check: Check, specimen: Specimen, expected: str | None) -> Callable[[], None]:
    """Return a test that runs the check, and fails, is skipped or xfails as the check does."""

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
            raise CheckFailed(result.message) from found  # the traceback leads to the plugin's line

    return run


def _located(found: BaseException, specimen: Specimen) -> str:
    """Describe an unforeseen error: the plugin's line that caused it, its type and its message.

    The line is the plugin's innermost one, since code of libraries below it is seldom to blame.
    """
    try:
        package = specimen.plugin.installed.module.partition(".")[0]
    except GtkError:
        package = ""
    frames = list(traceback.walk_tb(found.__traceback__))
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in frames]
    own = [
        item
        for item, module in zip(frames, modules, strict=True)
        if module.partition(".")[0] == package and not module.startswith("gtk.testing.")
    ]
    frame, line = (own or frames)[-1]
    code = frame.f_code
    return (
        f"{code.co_qualname} ({visible(Path(code.co_filename).name)}, line {line}) raises "
        f"{error_line(found)}. Correct it there; in pytest the check shows the traceback"
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
