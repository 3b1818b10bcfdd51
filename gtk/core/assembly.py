"""Choose plugins by name, settle their options, and put model, conditioner and loss together."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtk.core.config import Option, as_table, make_config, options_of
from gtk.core.discovery import CONDITIONER, DATASET, LOSS, MODEL, Kind, Plugin, SpecType, find
from gtk.core.errors import InvalidValue, PluginError, UnknownName, unknown_name
from gtk.core.settings import TrainConfig
from gtk.core.spec import ConditionerSpec, DatasetSpec, LossSpec, ModelSpec

if TYPE_CHECKING:  # choosing must not import torch
    from gtk.core.data import DataSpec
    from gtk.core.loss import Loss
    from gtk.core.model import Model

#: What is trained on when nothing is said.
DEFAULT_DATA = "digits"
#: The environment variable that says where data sets are when no argument does.
DATA_VARIABLE = "GENERATIVE_TOOLKIT_DATA"


@dataclass(frozen=True)
class Choice:
    """The plugins of a training."""

    model: Plugin[ModelSpec]
    conditioner: Plugin[ConditionerSpec]
    loss: Plugin[LossSpec]
    dataset: Plugin[DatasetSpec]

    @classmethod
    def by_name(
        cls, model: str, dataset: str, conditioner: str | None = None, loss: str | None = None
    ) -> "Choice":
        """Find plugins by name; the model says which conditioner and loss it wants by default.

        Raises:
            UnknownName: a name that nothing installed goes by.
            PluginError: a plugin that cannot be used.
        """
        chosen = find(MODEL, model)
        return cls(
            model=chosen,
            conditioner=_named_or_default(CONDITIONER, conditioner, chosen),
            loss=_named_or_default(LOSS, loss, chosen),
            dataset=find(DATASET, dataset),
        )

    @cached_property
    def plugins(self) -> dict[str, Plugin[Any]]:
        """The plugins that have options, by table."""
        return {"model": self.model, "conditioner": self.conditioner, "loss": self.loss}

    @cached_property
    def options(self) -> list[Option]:
        """Every option of the trainer and of these plugins."""
        configs = {table: plugin.spec.config for table, plugin in self.plugins.items()}
        return options_of({"train": TrainConfig, **configs})

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Trainer settings that suit the data set, and before them those that suit the model."""
        return {**self.dataset.spec.defaults, **self.model.spec.defaults}

    def settle(self, values: Mapping[str, Any], data_root: Path | None) -> "Settings":
        """Sort values, given by option name, into the tables they belong to.

        Raises:
            UnknownName: a name that is no option of the trainer or of these plugins.
            InvalidValue: a value of the wrong type or outside its range.
        """
        options = {option.name: option for option in self.options}
        tables: dict[str, dict[str, Any]] = {name: {} for name in ("train", *self.plugins)}
        tables["train"].update(self.defaults)
        for name, value in values.items():
            if name not in options:
                raise unknown_name("option", name, options)
            tables[options[name].table][options[name].field] = value
        return self.settle_tables(tables, data_root)

    def settle_tables(
        self, tables: Mapping[str, Mapping[str, Any]], data_root: Path | None
    ) -> "Settings":
        """Build the config objects from one table of values each."""
        configs = {
            table: make_config(plugin.spec.config, tables[table], f"{table} '{plugin.spec.name}'")
            for table, plugin in self.plugins.items()
        }
        train = make_config(TrainConfig, tables["train"], "training")
        return Settings(self, train, configs, self._data_root(data_root))

    def _data_root(self, given: Path | None) -> Path | None:
        """Return the folder to read: the one given, else the environment's, else None.

        Raises:
            InvalidValue: one is given for a data set that reads none.
        """
        spec = self.dataset.spec
        if spec.embedded and given is not None:
            raise InvalidValue(f"data set '{spec.name}' is embedded: leave the data root out")
        if given is not None or spec.embedded:
            return given
        return Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None


def _named_or_default(
    kind: Kind[SpecType], name: str | None, model: Plugin[ModelSpec]
) -> Plugin[SpecType]:
    """Find what the user named, or what the model's spec names, whose mistake it then is."""
    if name is not None:
        return find(kind, name)
    try:
        return find(kind, getattr(model.spec, kind.name))
    except UnknownName as error:
        raise PluginError(
            f"model '{model.spec.name}' of {model.installed} wants a {kind.name} that is not "
            f"installed: {error}"
        ) from error


@dataclass(frozen=True)
class Settings:
    """Everything that decides a training, besides the data itself.

    Attributes:
        choice: the plugins.
        train: the trainer's settings.
        configs: the config objects of model, conditioner and loss, by table.
        data_root: the folder the data set reads, None for its own place.
    """

    choice: Choice
    train: TrainConfig
    configs: Mapping[str, Any]
    data_root: Path | None

    def as_document(self) -> dict[str, Any]:
        """Return one table each for train, data, model, conditioner, loss, and their packages."""
        root = None if self.data_root is None else str(self.data_root.resolve())
        plugins = {"data": self.choice.dataset, **self.choice.plugins}
        return {
            "train": as_table(self.train),
            "data": {"name": self.choice.dataset.spec.name, "root": root},
            **{
                table: {"name": plugin.spec.name, **as_table(self.configs[table])}
                for table, plugin in self.choice.plugins.items()
            },
            "packages": {
                table: {
                    "package": plugin.installed.package,
                    "version": plugin.installed.version,
                }
                for table, plugin in plugins.items()
            },
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Settings":
        """Rebuild the settings from `as_document`'s result, with plugins of the same packages.

        Raises:
            UnknownName: a plugin that is not installed here.
        """
        names = {
            table: f"{document['packages'][table]['package']}/{document[table]['name']}"
            for table in ("model", "data", "conditioner", "loss")
        }
        try:
            choice = Choice.by_name(
                names["model"], names["data"], names["conditioner"], names["loss"]
            )
        except UnknownName as error:
            raise UnknownName(f"the run needs a plugin that is not installed: {error}") from error
        tables = {
            table: {name: value for name, value in document[table].items() if name != "name"}
            for table in ("train", *choice.plugins)
        }
        root = document["data"]["root"]
        return choice.settle_tables(tables, None if root is None else Path(root))


def build(settings: Settings, data_spec: "DataSpec") -> "tuple[Model, Loss]":
    """Build the model, with its conditioner's layers in it, and the loss.

    Weights are drawn from (seed, "init"); the global generator is left as it was.

    Raises:
        InvalidValue: the loss does not fit the model, or the conditioner not the data or the model.
        PluginError: a target is not what its spec says it is.
    """
    import torch

    from gtk.core.conditioner import Conditioner, ConditioningRecord
    from gtk.core.loss import Loss
    from gtk.core.model import Model
    from gtk.core.seeding import derive_seed

    choice = settings.choice
    model_class = _target(choice.model, Model)
    conditioner_class = _target(choice.conditioner, Conditioner)
    loss_class = _target(choice.loss, Loss)
    if not issubclass(model_class, loss_class.requires):
        raise InvalidValue(
            f"loss '{choice.loss.spec.name}' is for a {loss_class.requires.__name__}, which model "
            f"'{choice.model.spec.name}' is not. Leave --loss out for the model's own, "
            f"'{choice.model.spec.loss}'."
        )
    if conditioner_class.conditional and data_spec.condition is None:
        raise InvalidValue(
            f"conditioner '{choice.conditioner.spec.name}' needs labels and data set "
            f"'{data_spec.name}' has none. Use --conditioner unconditional."
        )
    strategy = conditioner_class(settings.configs["conditioner"], data_spec.condition)
    record = ConditioningRecord(strategy)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(settings.train.seed, "init"))
        try:
            model = model_class(settings.configs["model"], data_spec, record)
        except (ValueError, TypeError, RuntimeError, MemoryError, OverflowError) as error:
            reason = (str(error) or type(error).__name__).partition("\n")[0]
            raise InvalidValue(
                f"model '{choice.model.spec.name}' cannot be built for {data_spec.name}: {reason}"
            ) from error
    model.condition = data_spec.condition if conditioner_class.conditional else None
    idle = record.idle_networks(model.networks())
    if idle:
        raise InvalidValue(
            f"conditioner '{choice.conditioner.spec.name}' does not act in {', '.join(idle)} of "
            f"model '{choice.model.spec.name}', so the labels would be ignored there. "
            "Use another --conditioner."
        )
    return model, loss_class(settings.configs["loss"])


def _target(plugin: Plugin[Any], expected: type) -> Any:  # noqa: ANN401 - a subclass of `expected`
    target = plugin.spec.resolve()
    if not (isinstance(target, type) and issubclass(target, expected)):
        raise PluginError(
            f"'{plugin.spec.name}' of {plugin.installed}: {plugin.spec.target} is not a "
            f"{expected.__name__}."
        )
    return target
