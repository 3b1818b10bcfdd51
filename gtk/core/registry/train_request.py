"""The request for a training: one list of arguments for Python and the command line.

It is in the registry because no plugin may have an option of these names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from gtk.core.registry.options import option
from gtk.core.registry.suggestion import unknown_option
from gtk.core.registry.train_config import TrainConfig
from gtk.core.values.argument import check_type
from gtk.core.values.errors import InvalidValue
from gtk.core.values.setting import setting
from gtk.core.values.user_path import user_path


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """The arguments of `gtk.train`, which are the options of `gtk train`.

    `gtk.train` documents each. Paths may begin with ~.

    Raises:
        UnknownName: an option that no plugin can have, such as "model".
        InvalidValue: an argument of another type, or a path that no file can have; or it changes
            settings of a run that it resumes.
    """

    plugin: str | None = option(None, "The model to train.")
    recipe: str | Path | None = option(
        None,
        "Settings from a recipe, a TOML file or a run's run.json; every other option beats it.",
        metavar="NAME|FILE",
    )
    data: str | None = option(
        None,
        "The data set to train on; a PATH says where it is, as in folder:photos.",
        metavar="NAME[:PATH]",
    )
    data_root: Path | None = option(
        None,
        "A folder with the data set's files; only read. By default what GENERATIVE_TOOLKIT_DATA "
        "says; else they are downloaded.",
        metavar="DIR",
    )
    conditioner: str | None = option(
        None, "The conditioning strategy; by default the model's own. Names: gtk plugins."
    )
    loss: str | None = option(
        None, "The training objective; by default the model's own. Names: gtk plugins."
    )
    sampler: str | None = option(
        None,
        "How images are drawn where nobody says so; by default the model's own. Names: gtk "
        "plugins.",
    )
    name: str | None = option(None, "The run becomes DIR/NAME; by default numbered.")
    runs: Path = option(Path("runs"), "The folder that holds the runs.", metavar="DIR")
    device: str | None = option(
        None, "auto, cpu, cuda, cuda:1, ... By default auto, or a run's own."
    )
    callbacks: tuple[str | object, ...] = option(
        (), "One more callback; can be repeated.", flag="callback"
    )
    resume: str | Path | None = option(
        None, "Resume this run; --epochs can make it longer.", metavar="RUN"
    )
    init_from: object = option(
        None,
        "Start from the weights of a run or a file as far as they fit the model by name and shape.",
        metavar="RUN|FILE.safetensors",
    )
    overwrite: bool = option(False, "Replace an older run of that name.")
    quiet: bool = option(False, "Print only the run's folder.")
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for item in ARGUMENTS:
            check_type(item.name, getattr(self, item.name), item.type)
        names = ["recipe", "data_root", "runs", "resume"]
        names += ["init_from"] if isinstance(self.init_from, str | Path) else []
        paths = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        paths = {name: user_path(path, name) for name, path in paths.items()}
        for name in paths.keys() & {"data_root", "runs"}:  # the others may be names
            object.__setattr__(self, name, paths[name])  # as the __init__ of a frozen class does
        object.__setattr__(self, "callbacks", tuple(self.callbacks))
        for name in self.options.keys() & _OTHERS:
            raise unknown_option("option", name, [item.name for item in ARGUMENTS])
        self._check_resumed()

    def _check_resumed(self) -> None:
        """Refuse to change the settings of a resumed run, except for its length."""
        if self.resume is None:
            return
        fixed = (
            "recipe", "plugin", "data", "conditioner", "loss", "sampler", "name", "init_from",
            "overwrite",
        )  # fmt: skip
        changed = [name for name in fixed if getattr(self, name) not in (None, False)]
        changed += [name for name in self.options if name != "epochs"]
        if changed:
            raise InvalidValue(
                f"a resumed run keeps its settings: leave out {', '.join(map(setting, changed))} "
                f"({setting('epochs')}, {setting('data_root')} and {setting('device')} can be "
                "given), or train anew"
            )


#: Its fields that are arguments and options of their own.
ARGUMENTS = tuple(item for item in fields(TrainRequest) if item.name != "options")
#: Options of `gtk train` alone, which the core cannot ask, and the tables of recipes and run.json
#: that are not arguments as well ("data", "conditioner", "loss" and "sampler" are).
_OTHERS = {"dry_run", "json", "help", "model", "train"}
#: A plugin with an option of one of these names is refused when it is loaded.
RESERVED_NAMES = frozenset(
    {name for item in ARGUMENTS for name in (item.name, item.metadata.get("flag", item.name))}
    | {item.name for item in fields(TrainConfig)}
    | _OTHERS
)
