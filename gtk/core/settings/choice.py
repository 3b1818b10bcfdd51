"""Choose plugins by name, and settle their options."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gtk.core.registry.discovery import (
    CONDITIONER,
    DATASET,
    LOSS,
    MODEL,
    OWN_PACKAGE,
    Kind,
    Plugin,
    SpecType,
    find,
    find_default,
    installed,
)
from gtk.core.registry.options import Option, as_table, make_config, options_of
from gtk.core.registry.spec import ConditionerSpec, DatasetSpec, LossSpec, ModelSpec
from gtk.core.registry.train_config import TrainConfig
from gtk.core.settings.image_source import find_dataset, find_root, split_reference
from gtk.core.settings.recipe import NO_RECIPE, Recipe, run_tables
from gtk.core.values.errors import InvalidValue, PluginError, UnknownName, unknown_name
from gtk.core.values.setting import setting

#: The kinds that a model has defaults of, by table.
KIND_OF: dict[str, Kind[Any]] = {"conditioner": CONDITIONER, "loss": LOSS}


@dataclass(frozen=True)
class Choice:
    """The plugins of a training, and the recipe it follows where nobody says otherwise.

    Attributes:
        path: where the data are, if that was said together with the data set's name.
        default_data: the data set where nobody names one, None where somebody must.
    """

    model: Plugin[ModelSpec]
    conditioner: Plugin[ConditionerSpec]
    loss: Plugin[LossSpec]
    dataset: Plugin[DatasetSpec]
    recipe: Recipe = NO_RECIPE
    path: Path | None = None
    default_data: str | None = None

    @classmethod
    def by_name(
        cls,
        model: str | None,
        dataset: str | None = None,
        conditioner: str | None = None,
        loss: str | None = None,
        recipe: Recipe = NO_RECIPE,
        *,
        default_data: str | None = None,
    ) -> "Choice":
        """Find plugins by name: those given, else the recipe's, else those the model wants.

        Args:
            model: a name.
            dataset: a name, or NAME:PATH, which also says where the data are.
            conditioner: a name.
            loss: a name.
            recipe: says what is not said here.
            default_data: the data set where neither says one.

        Raises:
            UnknownName: a name that nothing installed goes by, or an option in the recipe.
            InvalidValue: neither says which model or data, or a value in the recipe is not
                possible.
            PluginError: a plugin that cannot be used.
        """
        chosen = _named(MODEL, model, recipe)
        if chosen is None:
            raise _no_model(recipe)
        dataset, path = split_reference(dataset)
        choice = cls(
            model=chosen,
            conditioner=_named(CONDITIONER, conditioner, recipe) or _default(CONDITIONER, chosen),
            loss=_named(LOSS, loss, recipe) or _default(LOSS, chosen),
            dataset=(
                find_dataset(dataset)
                if dataset is not None
                else _named(DATASET, None, recipe) or _default_dataset(default_data)
            ),
            recipe=recipe,
            path=path,
            default_data=default_data,
        )
        if recipe is not NO_RECIPE:
            choice.check_recipe()
        return choice

    @cached_property
    def plugins(self) -> dict[str, Plugin[Any]]:
        """The plugins by table."""
        return {
            "data": self.dataset,
            "model": self.model,
            "conditioner": self.conditioner,
            "loss": self.loss,
        }

    @cached_property
    def options(self) -> list[Option]:
        """Every option of the trainer and of these plugins."""
        configs = {table: plugin.spec.config for table, plugin in self.plugins.items()}
        return options_of({"train": TrainConfig, **configs})

    @cached_property
    def presets(self) -> dict[str, dict[str, Any]]:
        """The values that options have unless told otherwise, where not their classes' own.

        By table: trainer settings that suit the data set, before them those that suit the model,
        and before these the recipe's. A recipe's options go with the plugin they were written for.
        """
        tables = {
            table: self.recipe.options(table) if self._follows(table) else {}
            for table in self.plugins
        }
        defaults = {**self.dataset.spec.defaults, **self.model.spec.defaults}
        return {"train": {**defaults, **self.recipe.options("train")}, **tables}

    def _follows(self, table: str) -> bool:
        """Say whether the recipe's options in a table were written for the plugin chosen here."""
        if not self.recipe.tables[table].keys() - {"name"}:
            return False
        plugin, meant = self.plugins[table], None
        named = _wanted(table, self.recipe)
        if named is not None:
            return plugin.installed.goes_by(named)
        if table == "data":
            meant = None if self.default_data is None else _default_dataset(self.default_data)
        elif table != "model":  # then it is the default of the recipe's model
            own = _wanted("model", self.recipe)
            same = own is None or self.model.installed.goes_by(own)
            model = self.model if same else _named(MODEL, None, self.recipe)
            meant = None if model is None else _default(KIND_OF[table], model)
        return meant is None or plugin.installed == meant.installed

    def check_recipe(self) -> None:
        """Refuse a recipe with an impossible value, whatever else is asked for.

        Raises:
            UnknownName: an option that its plugin does not have; the message names the line.
            InvalidValue: a value of the wrong type or outside its range, likewise.
        """
        for table, values in self.presets.items():
            with self.recipe.blamed(table):
                self._config(table, values)
        with self.recipe.blamed("data", "root"):
            self._data_root(None)

    def settle(self, values: Mapping[str, Any], data_root: Path | None) -> "Settings":
        """Sort values, given by option name, into the tables they belong to.

        Raises:
            UnknownName: a name that is no option of the trainer or of these plugins.
            InvalidValue: a value of the wrong type or outside its range.
        """
        options = {option.name: option for option in self.options}
        tables = {table: dict(values) for table, values in self.presets.items()}
        for name, value in values.items():
            if name not in options:
                raise unknown_name("option", name, options)
            tables[options[name].table][options[name].field] = value
        return self.settle_tables(tables, data_root)

    def settle_tables(
        self, tables: Mapping[str, Mapping[str, Any]], data_root: Path | None
    ) -> "Settings":
        """Build the config objects from one table of values each."""
        configs = {table: self._config(table, tables[table]) for table in self.plugins}
        train = self._config("train", tables["train"])
        return Settings(self, train, configs, self._data_root(data_root), self.recipe.name)

    def _config(self, table: str, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - each plugin has a class of its own
        if table == "train":
            return make_config(TrainConfig, values, "training")
        spec = self.plugins[table].spec
        kind = "data set" if table == "data" else table
        return make_config(spec.config, values, f"{kind} '{spec.name}'")

    def _data_root(self, given: Path | None) -> Path | None:
        """Return the path to read: the one given, else the recipe's or the environment's.

        Raises:
            InvalidValue: one is given for a data set that reads none or given twice, or none for
                one that needs it.
        """
        if given is None and self.path is None and self._follows("data"):
            given = self.recipe.data_root
        return find_root(self.dataset.spec, given, self.path)


def _no_model(recipe: Recipe) -> InvalidValue:
    """Make the error for a training without a model."""
    plugin = setting("plugin", example="NAME")
    if recipe is not NO_RECIPE:
        return InvalidValue(
            f"{recipe.path} says no model: write name = ... below [model], or say which to train: "
            f"{plugin}"
        )
    names = ", ".join(sorted({item.name for item in installed(MODEL)}))
    return InvalidValue(f"say which model to train: {plugin}. Installed: {names}")


def _default_dataset(name: str | None) -> Plugin[DatasetSpec]:
    """Find the data set that is meant where none is named."""
    if name is None:
        raise InvalidValue(f"say which data to train on: {setting('data', example='NAME')}")
    return find_default(DATASET, name)


def _named(kind: Kind[SpecType], name: str | None, recipe: Recipe) -> Plugin[SpecType] | None:
    """Find what the user named, or the recipe, whose mistake it then is; None if neither did."""
    table = "data" if kind is DATASET else kind.name
    wanted = _wanted(table, recipe)
    if name is not None:
        return find(kind, name)
    if wanted is None:
        return None
    with recipe.blamed(table, "name"):
        return find(kind, wanted)


def _wanted(table: str, recipe: Recipe) -> str | None:
    """Return the name that a recipe has for a plugin; gtk's own recipes mean gtk's own plugins."""
    name = recipe.plugin(table)
    return f"{OWN_PACKAGE}/{name}" if name is not None and recipe.built_in else name


def _default(kind: Kind[SpecType], model: Plugin[ModelSpec]) -> Plugin[SpecType]:
    """Find what the model's spec names, whose mistake it is if that is not there."""
    try:
        return find_default(kind, getattr(model.spec, kind.name), model.installed.package)
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
        configs: the config objects of data set, model, conditioner and loss, by table.
        data_root: the path the data set reads, None for its own place.
        recipe: the name of the recipe they came from, None if they did not.
    """

    choice: Choice
    train: TrainConfig
    configs: Mapping[str, Any]
    data_root: Path | None
    recipe: str | None = None

    @property
    def data_name(self) -> str:
        """What the data are called in the name of a run: the user's own as their folder is."""
        spec = self.choice.dataset.spec
        if spec.root != "required" or self.data_root is None:
            return spec.name
        stem = re.sub(r"[^A-Za-z0-9]+", "-", self.data_root.resolve().stem).strip("-")
        return stem[:40] or spec.name

    def as_document(self) -> dict[str, Any]:
        """Return the recipe's name, a table for each of `recipe.TABLES`, and their packages."""
        plugins = self.choice.plugins
        tables = {
            table: {"name": plugin.spec.name, **as_table(self.configs[table])}
            for table, plugin in plugins.items()
        }
        tables["data"]["root"] = None if self.data_root is None else str(self.data_root.resolve())
        return {
            "recipe": self.recipe,
            "train": as_table(self.train),
            **tables,
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
        tables = run_tables(document)
        names = {table: values.pop("name") for table, values in tables.items() if table != "train"}
        try:
            choice = Choice.by_name(
                names["model"], names["data"], names["conditioner"], names["loss"]
            )
        except UnknownName as error:
            raise UnknownName(f"the run needs a plugin that is not installed: {error}") from error
        root = tables["data"].pop("root")
        settings = choice.settle_tables(tables, None if root is None else Path(root))
        return replace(settings, recipe=document.get("recipe"))
