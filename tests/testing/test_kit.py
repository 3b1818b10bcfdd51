"""The kit in a program and in pytest: what it returns, and how its tests are called."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import processes
import pytest

from gtk.core.registry.installed import KINDS, MODEL, Kind
from gtk.core.values.errors import UnknownName
from gtk.testing import CheckResult, check_plugin, plugin_checks
from gtk.testing.check import (
    CheckFailed,
    CheckSkipped,
    Specimen,
    check_name,
    needs,
    outcome,
)
from gtk.testing.kit import checks_of, run_check


def check_good(specimen: Specimen) -> None:
    """Pass."""


def check_bad(specimen: Specimen) -> None:
    """Fail."""
    raise CheckFailed("it is bad: make it good")


def check_idle(specimen: Specimen) -> None:
    """Have nothing to look at."""
    raise CheckSkipped("it has none")


def check_rude(specimen: Specimen) -> None:
    """Run into an error of the plugin."""
    raise ZeroDivisionError("by nothing")


def check_leaving(specimen: Specimen) -> None:
    """Run into a plugin that ends the program."""
    sys.exit(3)


def specimen() -> Specimen:
    return Specimen(MODEL, "cvae")


def test_what_a_check_found() -> None:
    found = [
        run_check(check, specimen())
        for check in (check_good, check_bad, check_idle, check_rude, check_leaving)
    ]
    assert found == [
        CheckResult("good", "passed"),
        CheckResult("bad", "failed", "it is bad: make it good"),
        CheckResult("idle", "skipped", "it has none"),
        CheckResult("rude", "failed", unforeseen("check_rude", "ZeroDivisionError: by nothing")),
        CheckResult("leaving", "failed", unforeseen("check_leaving", "SystemExit: 3")),
    ]


def unforeseen(name: str, error: str) -> str:
    """Return what is said of an error that one of the checks above raises in its last line."""
    code = globals()[name].__code__
    line = max(line for _, _, line in code.co_lines() if line is not None)
    return (
        f"{name} (test_kit.py, line {line}) raises {error}. Correct it there; in pytest the check "
        "shows the traceback"
    )


def test_an_error_of_the_plugin_is_one_line_that_names_its_nearest_line_of_code(
    outside: Path,
) -> None:
    found = run_check(checks_of(MODEL)["construction"], Specimen(MODEL, "wrong-stumbling"))
    assert found.status == "failed"
    assert re.fullmatch(
        r"Stumbling\.__init__ \(models\.py, line \d+\) raises RuntimeError: shapes do not fit: "
        r"\\x1b\[31m3 and 4\. Correct it there; in pytest the check shows the traceback",
        found.message,
    )


def test_a_failure_that_is_expected_is_none_and_a_pass_is_one() -> None:
    assert run_check(check_bad, specimen(), "we know") == CheckResult(
        "bad", "expected", "we know: it is bad: make it good"
    )
    found = run_check(check_good, specimen(), "we know")
    assert (
        found.status,
        "it passes although it is expected to fail: we know" in found.message,
    ) == (
        "failed",
        True,
    )


def test_what_builds_on_a_failed_check_is_skipped_and_names_it() -> None:
    @needs(check_bad)
    def check_second(specimen: Specimen) -> None:
        raise AssertionError("it is not run")

    @needs(check_good, check_second)
    def check_third(specimen: Specimen) -> None:
        raise AssertionError("it is not run")

    @needs(check_idle)
    def check_other(specimen: Specimen) -> None:
        """Run: nothing has failed."""

    same = specimen()
    for check in (check_third, check_second):
        found = run_check(check, same)
        assert found.status == "skipped"
        assert found.message == "it builds on 'bad', which failed"
    assert run_check(check_other, same).status == "passed"


def test_a_check_is_run_once_for_each_specimen() -> None:
    calls = []

    def check_counted(specimen: Specimen) -> None:
        calls.append(specimen)

    same, other = specimen(), specimen()
    for item in (same, same, other):
        assert outcome(check_counted, item) is None
    assert len(calls) == 2


def test_what_a_check_makes_is_made_once_and_its_folder_is_removed() -> None:
    item, calls = specimen(), []
    assert [item.once("list", lambda: calls.append(0) or calls) for _ in range(2)] == [[0], [0]]
    folder = item.folder
    assert folder.is_dir()
    del item
    assert not folder.exists()


def test_what_a_plugin_does_to_the_process_does_not_last(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    def check_meddling(specimen: Specimen) -> None:
        os.environ["MEDDLED"] = "1"
        os.environ.pop("KEPT")
        os.chdir("/")

    monkeypatch.setenv("KEPT", "kept")
    place = Path.cwd()
    assert run_check(check_meddling, specimen()).status == "passed"
    assert ("MEDDLED" in os.environ, os.environ["KEPT"], Path.cwd()) == (False, "kept", place)


@pytest.mark.parametrize("ask", [check_plugin, plugin_checks])
def test_unknown_kinds_and_checks_are_told_at_once(ask: object) -> None:
    with pytest.raises(UnknownName, match="unknown kind of plugin 'modle'. Did you mean 'model'?"):
        ask("cvae", "modle")
    with pytest.raises(UnknownName, match="unknown check 'exprot'. Did you mean 'export'?"):
        ask("cvae", "model", expected_failures={"exprot": "it is late"})


def test_a_plugin_that_is_not_there_fails_one_check_that_says_what_to_do() -> None:
    first, *others = check_plugin("nowhere")
    assert (first.check, first.status) == ("owner", "failed")
    assert '[project.entry-points."gtk.models"]' in first.message
    assert {item.status for item in others} == {"skipped"}


def test_checks_are_small_public_functions_with_a_sentence_each() -> None:
    checks = checks_of(MODEL)
    first = ["owner", "spec", "thin_import", "import_globals", "config", "help"]
    assert list(checks)[:6] == first
    for key, check in checks.items():
        assert check.__name__ == f"check_{key}"
        assert check_name(check) == key
        assert (check.__doc__ or "").strip()


TEST_FILE = """
from gtk.testing import plugin_checks

@plugin_checks(
    "wrong-hollow",
    expected_failures={"config": "to see what happens"},
)
def test_hollow(check):
    check()

@plugin_checks("wrong-unexplained", kind="model", expected_failures={"help": "it is overrated"})
def test_unexplained(check):
    check()

@plugin_checks("wrong-stumbling")
def test_stumbling(check):
    check()
"""


def test_in_pytest_each_check_is_a_test_that_goes_by_its_name(
    outside: Path, workplace: Path
) -> None:
    (workplace / "test_mine.py").write_text(TEST_FILE)
    selected = "spec or config or help or construction or conditioning or parts or updates"
    line = ["-rA", "-p", "no:cacheprovider", "test_mine.py", "-k", selected]
    result = processes.python(f"import sys, pytest\nsys.exit(pytest.main({line}))")
    lines = [line for line in result.stdout.splitlines() if "test_mine.py::" in line]
    assert result.returncode == 1
    found = {line.partition(" - ")[0] for line in lines}
    assert "PASSED test_mine.py::test_hollow[spec]" in found
    assert "FAILED test_mine.py::test_hollow[parts]" in found  # which is meant for it
    assert "FAILED test_mine.py::test_hollow[config]" in found  # passes, and was to fail
    assert "XFAIL test_mine.py::test_unexplained[help]" in found
    assert "PASSED test_mine.py::test_unexplained[updates]" in found  # which needs no help
    text = result.stdout
    assert "part 'frame' of Hollow has no parameters to train" in text
    assert "it passes although it is expected to fail: to see what happens" in text
    assert "it builds on 'parts', which failed" in text
    told = text.partition("short test summary")[0].split("test_stumbling")
    assert "gtk/testing" not in told[0]  # no traceback of ours
    assert 'raise RuntimeError("shapes do not fit' in told[1]  # and all of the plugin's own


PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
KINDS_WITH_CHECKS = [kind for kind in KINDS if find_spec(f"gtk.testing.{kind.name}") is not None]


def on_the_page() -> dict[str, list[str]]:
    """Return the checks in each section's table."""
    sections = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.MULTILINE)
    return {
        title: re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
        for title, text in zip(sections[1::2], sections[2::2], strict=True)
    }


@pytest.mark.parametrize("kind", KINDS_WITH_CHECKS, ids=lambda kind: kind.name)
def test_the_page_has_every_check_in_its_order_and_no_other(kind: Kind[Any]) -> None:
    page = on_the_page()
    title = {"dataset": "Data sets"}.get(kind.name, kind.plural.capitalize())
    assert [*page["Every plugin"], *page[title]] == list(checks_of(kind))
