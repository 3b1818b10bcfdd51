"""Models that are wrong in one thing each, for the test kit to find, and one that is not."""

from dataclasses import dataclass, field

import gtk


@dataclass(frozen=True)
class Endless:
    strength: float = field(default=float("inf"), metadata={"help": "A number JSON has not."})


@dataclass(frozen=True)
class Unexplained:
    strength: float = 1.0


@dataclass(frozen=True)
class Refusing:
    strength: float = field(default=-1.0, metadata={"help": "At least 0."})

    def __post_init__(self):
        if self.strength < 0:
            raise ValueError(f"strength must be 0 or more, not {self.strength}")


@dataclass(frozen=True)
class Drifting:
    strength: float = field(default=1.0, metadata={"help": "More each time it is read."})

    def __post_init__(self):
        object.__setattr__(self, "strength", self.strength + 1)


#: Name of the model, its class, and where it is not the sound one's, its loss.
MODELS = {
    "unborn": ("Unborn", "likeness"),
    "stumbling": ("Stumbling", "likeness"),
    "nameless": ("Nameless", "likeness"),
    "counted": ("Counted", "likeness"),
    "partless": ("Partless", "likeness"),
    "blank": ("Blank", "blind"),
    "absent": ("Absent", "telling"),
    "boxed": ("Boxed", "likeness"),
    "sowing": ("Sound", "sowing"),
    "no-noise": ("NoNoise", "likeness"),
    "seeding": ("Seeding", "likeness"),
    "misfit": ("Misfit", "likeness"),
    "deaf": ("Deaf", "likeness"),
    "misnamed": ("Misnamed", "likeness"),
    "partial": ("Partial", "likeness"),
    "shared": ("Shared", "likeness"),
    "hollow": ("Hollow", "likeness"),
    "leak": ("Sound", "leak"),
    "unused": ("Unused", "likeness"),
    "each": ("Sound", "each"),
    "dice": ("Dice", "likeness"),
    "stubborn": ("Stubborn", "likeness"),
    "loud": ("Loud", "likeness"),
    "watched": ("Restless", "watching"),
    "frozen": ("Frozen", "both"),
    "numb": ("Numb", "both"),
    "polite": ("Polite", "likeness"),
    "patient": ("Patient", "fading"),
    "summed": ("Sound", "summed"),
    "mixed": ("Sound", "mixed"),
    "greedy": ("Greedy", "likeness"),
    "reseeding": ("Sound", "reseeding"),
    "forgetful": ("Forgetful", "fading"),
    "drawn": ("Drawn", "likeness"),
    "diary": ("Diary", "likeness"),
    "unsaved": ("Unsaved", "likeness"),
    "growing": ("Growing", "likeness"),
    "broken": ("Broken", "likeness"),
    "careless": ("Careless", "likeness"),
    "dark": ("Dark", "likeness"),
    "flat": ("Flat", "likeness"),
    "double": ("Double", "likeness"),
    "whimsical": ("Whimsical", "likeness"),
    "sociable": ("Sociable", "likeness"),
    "learner": ("Learner", "likeness"),
    "dull": ("Dull", "likeness"),
    "heedless": ("Heedless", "likeness"),
    "bleached": ("Bleached", "likeness"),
    "paired": ("Paired", "likeness"),
    "labelled": ("Labelled", "likeness"),
}
LOSSES = (
    "Leak", "Each", "Watching", "Fading", "Reseeding", "Both", "Blind", "Sowing", "Telling",
    "Summed", "Mixed",
)  # fmt: skip


def spec(name, target, loss="likeness", **values):
    return gtk.ModelSpec(
        **{
            "name": f"wrong-{name}",
            "summary": f"Wrong in one thing: {name}.",
            "target": f"gtk_plugin_wrong_models.{target}",
            "loss": f"wrong-{loss}",
            "conditioner": "onehot",
            **values,
        }
    )


@gtk.hookimpl
def gtk_models():
    sound = "sound:Sound"
    yield spec("nothing", sound, summary="Nothing is wrong.")
    yield spec("wish", sound, loss="wish")
    yield spec("chatty", sound, summary="A model.\nAnd a second line.")
    yield spec("defaults", sound, defaults={"learning_rate": -1.0})
    wrong = {"suggest": lambda config, data_spec, images: {"epochs": 0}}
    yield spec("advice", sound, **wrong, suggests=frozenset({"epochs"}))
    yield spec("endless", sound, config=Endless)
    yield spec("unexplained", sound, config=Unexplained)
    yield spec("refusing", sound, config=Refusing)
    yield spec("drifting", sound, config=Drifting)
    yield spec("hasty", sound, defaults={"learning_rate": 1e38})
    yield spec("number", "models:NUMBER")
    yield spec("mixing", "models:Mixing", bf16=True)
    yield spec("meddler", "meddler:Meddler")
    yield spec("stranger", "sound:Painted")
    for name, (target, loss) in MODELS.items():
        module = "sound" if target == "Sound" else "models"
        yield spec(name, f"{module}:{target}", loss)


@gtk.hookimpl
def gtk_losses():
    target = "gtk_plugin_wrong_models.sound:Likeness"
    yield gtk.LossSpec(name="wrong-likeness", summary="Squares.", target=target)
    for name in LOSSES:
        target = f"gtk_plugin_wrong_models.models:{name}"
        yield gtk.LossSpec(name=f"wrong-{name.lower()}", summary="Squares.", target=target)
