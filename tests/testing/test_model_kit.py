"""Every check of the kit finds the model that breaks its promise, and it alone."""

from pathlib import Path

import pytest

from gtk.core.registry.installed import MODEL
from gtk.testing.check import Specimen
from gtk.testing.kit import CheckResult, check_plugin, checks_of, run_check
from gtk.testing.package import check_import_globals, check_thin_import

#: These start a process or translate to ONNX, which takes seconds.
SLOW = {"thin_import", "import_globals", "export"}

#: A wrong model, the check that is meant for it, and words of what it says.
WRONG = {
    "wrong-wish": ("spec", "its spec names loss 'wrong-wish'"),
    "wrong-chatty": ("spec", "write one line"),
    "wrong-defaults": ("spec", "learning_rate must be more than 0"),
    "wrong-heavy": ("thin_import", "imports torch"),
    "wrong-meddler": ("import_globals", "changes the environment variables"),
    "wrong-endless": ("config", "use a finite default"),
    "wrong-unexplained": ("help", "Unexplained.strength lacks a help text"),
    "wrong-refusing": ("config", "refuses its own defaults"),
    "wrong-stranger": ("construction", "derive it from gtk.Model"),
    "wrong-drifting": ("config", "Drifting.strength is 2.0, and 3.0 when it is read from run.json"),
    "wrong-advice": ("spec", "suggest() failed: training: epochs must be at least 1"),
    "wrong-number": ("spec", "is int: name a class or function"),
    "wrong-unborn": ("construction", "sets modules before super().__init__(): call that first"),
    "wrong-nameless": ("construction", "a dict of one network or more by role"),
    "wrong-counted": ("construction", "network 'layers' of Counted is int"),
    "wrong-partless": ("parts", "return a dict of one module or more"),
    "wrong-blank": ("other_seeds", "trainings with other seeds have the same losses"),
    "wrong-hasty": ("finite_weights", "not finite after 20 steps"),
    "wrong-sowing": ("globals", "a step seeds torch's global generator"),
    "wrong-absent": ("resume", "count differ after resuming at step 3, with the same losses"),
    "wrong-boxed": ("samples", "returns tuple: return a tensor"),
    "wrong-no-noise": ("construction", "set self.noise = gtk.NoiseSpec"),
    "wrong-seeding": ("construction", "seeds torch's global generator"),
    "wrong-misfit": ("construction", "is for models of type Sound, and Misfit is not one"),
    "wrong-deaf": ("conditioning", "does not act in frame of Deaf"),
    "wrong-misnamed": ("conditioning", "a layer in 'paintre', and networks() has only painter"),
    "wrong-partial": ("parts", "tone of Partial in no part"),
    "wrong-shared": ("parts", "painter.layer.weight of Shared is in the parts painter and layer"),
    "wrong-hollow": ("parts", "part 'frame' of Hollow has no parameters to train"),
    "wrong-leak": ("yields", "inside torch.no_grad()"),
    "wrong-polite": (
        "condition_used",
        "asks conditioner 'onehot' for a layer at 'input' of 'frame'",
    ),
    "wrong-mixing": ("bf16", "a step in bf16 fails (RuntimeError: expected dtype"),
    "wrong-numb": ("learning", "part 'tone' of Numb has its initial weights after 20 steps"),
    "wrong-patient": ("resume", "steps changes from step to step, and checkpoints leave it out"),
    "wrong-summed": ("updates", "take the mean over the batch, not the sum"),
    "wrong-mixed": ("evaluation", "returns the same 'loss' for every image of a batch"),
    "wrong-unused": ("reached", "does not reach painter.spare.weight, painter.spare.bias"),
    "wrong-each": ("updates", "its loss has shape (16,): take the mean"),
    "wrong-dice": ("seeds", "two trainings with the same seed have other losses"),
    "wrong-stubborn": ("other_seeds", "start with the same weights"),
    "wrong-loud": ("own_noise", "depend on a global generator"),
    "wrong-watched": ("evaluation", "changes average of the model"),
    "wrong-frozen": ("learning", "part 'tone' of Frozen has its initial weights after 20 steps"),
    "wrong-greedy": ("globals", "changes the environment variables"),
    "wrong-reseeding": ("globals", "changes numpy's global generator"),
    "wrong-forgetful": ("resume", "step 4 has other losses"),
    "wrong-drawn": ("state", "samples other images when its state is loaded into a new model"),
    "wrong-diary": (
        "state",
        "_extra_state in the state of Diary cannot be saved, since it is not a tensor",
    ),
    "wrong-unsaved": ("state", "direction of Unsaved missing in its state"),
    "wrong-growing": ("state", "cannot be loaded again"),
    "wrong-broken": ("samples", "pixels that are not finite"),
    "wrong-careless": ("pure_samples", "changes its noise or condition in place"),
    "wrong-dark": ("pixels", "map them to 0..1"),
    "wrong-flat": ("samples", "return (B, *data_spec.image_shape), here (24, 1, 8, 8)"),
    "wrong-double": ("samples", "returns torch.float64: return float32"),
    "wrong-whimsical": ("pure_samples", "take all random numbers from its noise"),
    "wrong-sociable": ("pure_samples", "depends on the others of its batch"),
    "wrong-learner": ("pure_samples", "sampling changes average"),
    "wrong-dull": ("noise_matters", "the same image for all noise"),
    "wrong-heedless": ("condition_matters", "the same images for 0 and 1"),
    "wrong-bleached": ("export", "differs from PyTorch"),
    "wrong-paired": ("export", "batch"),
    "wrong-labelled": ("export", "with --conditioner unconditional: part 'generator'"),
}
#: Of several wrong in a way that takes seconds to find, one is enough for every day.
LONG = {"wrong-paired"}


def results(name: str, checks: set[str] | None = None) -> list[CheckResult]:
    """Run the checks of a model that are quick, and those named."""
    specimen = Specimen(MODEL, name)
    return [
        run_check(check, specimen)
        for key, check in checks_of(MODEL).items()
        if key not in SLOW or (checks and key in checks)
    ]


def failures(found: list[CheckResult]) -> dict[str, str]:
    return {item.check: item.message for item in found if item.status == "failed"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in LONG else name for name in WRONG]
)
def test_a_wrong_model_fails_the_check_that_is_meant_for_it_alone(outside: Path, name: str) -> None:
    check, words = WRONG[name]
    failed = failures(results(name, {check}))
    assert list(failed) == [check]
    assert words in failed[check]
    assert "\n" not in failed[check]


def test_the_sound_one_passes_all(outside: Path) -> None:
    found = results("wrong-nothing", SLOW)
    assert {item.status for item in found} == {"passed"}, failures(found)
    assert [item.check for item in found] == list(checks_of(MODEL))


def test_a_plugin_in_one_file_may_import_torch_and_is_told_what_it_costs(outside: Path) -> None:
    found = run_check(check_thin_import, Specimen(MODEL, "painter"))
    assert found.status == "skipped"
    assert "gtk_plugin_painter defines the target itself" in found.message


def test_what_a_plugin_prints_when_the_process_ends_is_not_taken_for_an_answer(
    outside: Path,
) -> None:
    specimen = Specimen(MODEL, "wrong-parting")
    found = [run_check(check, specimen) for check in (check_thin_import, check_import_globals)]
    assert [item.status for item in found] == ["passed", "passed"], found


def test_an_import_of_very_many_modules_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gtk.testing.package.MOST_MODULES", 20)
    found = run_check(check_thin_import, Specimen(MODEL, "cvae"))
    assert (found.status, "which slows every command that names the plugin" in found.message) == (
        "failed",
        True,
    )


@pytest.mark.parametrize(
    "name", ["wrong-unexplained", "wrong-unused", "wrong-dark", "wrong-frozen"]
)
def test_what_others_do_not_build_on_keeps_none_from_being_tried(outside: Path, name: str) -> None:
    assert sorted({item.status for item in results(name)}) == ["failed", "passed"]


def test_every_check_has_a_model_that_fails_it() -> None:
    meant = {check for check, _ in WRONG.values()} | {"owner"}
    assert meant == set(checks_of(MODEL))


def test_a_name_that_another_package_has_is_told_and_nothing_else_tried(outside: Path) -> None:
    found = check_plugin("cvae")
    assert list(failures(found)) == ["owner"]
    assert "gtk-plugin-twin 0.3" in found[0].message
    assert {item.status for item in found[1:]} == {"skipped"}
    assert found[1].message == "it builds on 'owner', which failed"
    specimen = Specimen(MODEL, "gtk-plugin-twin/cvae")
    first, second = (run_check(checks_of(MODEL)[name], specimen) for name in ("owner", "spec"))
    assert (first.status, second.status) == ("skipped", "passed")
    assert first.message.endswith("this check uses the one of gtk-plugin-twin")
