"""The plugins chosen for a training, and the settings that follow from them."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from gtk.core.registry.discovery import Plugin, find
from gtk.core.registry.installed import CONDITIONER, DATASET, LOSS, SAMPLER, Kind
from gtk.core.registry.options import Option, as_table, make_config, options_of
from gtk.core.registry.spec import (
    ConditionerSpec,
    DatasetSpec,
    LossSpec,
    ModelSpec,
    SamplerSpec,
)
from gtk.core.registry.suggestion import unknown_option
from gtk.core.registry.train_config import TrainConfig, check_suited, suited, unsettled
from gtk.core.registry.train_request import ARGUMENTS
from gtk.core.settings.image_source import find_dataset, find_root, split_reference
from gtk.core.settings.metric_settings import (
    check_metric_tables,
    computed_metrics,
    metric_tables,
    options_of_metrics,
)
from gtk.core.settings.plugin_lookup import (
    default_dataset,
    find_model,
    find_named,
    model_default,
    recipe_name,
)
from gtk.core.settings.recipe import NO_RECIPE, Recipe, run_tables
from gtk.core.values.errors import UnknownName, unknown_name

#: A sampler to draw with, and its config.
SamplerChoice: TypeAlias = tuple[Plugin[SamplerSpec], Any]
#: The kinds of plugins of which a model names one as its default, by table.
KINDS: Mapping[str, Kind[Any]] = {"conditioner": CONDITIONER, "loss": LOSS, "sampler": SAMPLER}


@dataclass(frozen=True)
class Choice:
    """The plugins of a training, and the recipe that it follows.

    Attributes:
        path: where the data are, if given as NAME:PATH.
        default_data: the data set where none is named; None where one must be.
        sampler_named: whether somebody named the sampler, instead of the model's plugin.
    """

    model: Plugin[ModelSpec]
    conditioner: Plugin[ConditionerSpec]
    loss: Plugin[LossSpec]
    sampler: Plugin[SamplerSpec]
    dataset: Plugin[DatasetSpec]
    recipe: Recipe = NO_RECIPE
    path: Path | None = None
    default_data: str | None = None
    sampler_named: bool = False

    @classmethod
    def by_name(
        cls,
        model: str | None,
        dataset: str | None = None,
        conditioner: str | None = None,
        loss: str | None = None,
        recipe: Recipe = NO_RECIPE,
        *,
        sampler: str | None = None,
        default_data: str | None = None,
    ) -> "Choice":
        """Find plugins by name: those given, else the recipe's, else the model's defaults.

        The data set may be given as NAME:PATH; `default_data` is used if nothing names one.

        Raises:
            UnknownName: a plugin that is not installed, or an unknown option in the recipe.
            InvalidValue: no model or data set is named, or a value in the recipe is out of range.
            PluginError: a plugin that cannot be used.
        """
        chosen = find_model(model, recipe)
        name, path = split_reference(dataset)
        if name is not None:
            data = find_dataset(name)
        else:
            data = find_named(DATASET, None, recipe) or default_dataset(default_data)
        strategy = find_named(CONDITIONER, conditioner, recipe)
        drawing = find_named(SAMPLER, sampler, recipe)
        choice = cls(
            chosen,
            strategy or model_default(CONDITIONER, chosen),
            find_named(LOSS, loss, recipe) or model_default(LOSS, chosen),
            drawing or model_default(SAMPLER, chosen),
            data,
            recipe,
            path,
            default_data,
            drawing is not None,
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
            "sampler": self.sampler,
        }

    @property
    def without_bf16(self) -> list[Plugin[Any]]:
        """The plugins that compute in a training's steps, and do not say that they bear bf16."""
        computing = self.model, self.conditioner, self.loss
        return [plugin for plugin in computing if not plugin.spec.bf16]

    @cached_property
    def options(self) -> list[Option]:
        """Every option of the trainer and of these plugins."""
        configs = {table: plugin.spec.config for table, plugin in self.plugins.items()}
        return options_of({"train": TrainConfig, **configs})

    @cached_property
    def presets(self) -> dict[str, dict[str, Any]]:
        """The values by table that differ from the defaults of the config classes.

        The recipe's settings of the trainer override the loss's, these the model's, and these the
        data set's. A recipe's options apply only to the plugin that they were written for.
        """
        tables = {
            table: self.recipe.options(table) if self._follows(table) else {}
            for table in self.plugins
        }
        specs = self.dataset.spec, self.model.spec, self.loss.spec
        defaults = {name: value for spec in specs for name, value in spec.defaults.items()}
        return {"train": {**defaults, **self.recipe.options("train")}, **tables}

    def suggestible(self, given: Collection[str] = ()) -> frozenset[str]:
        """Return what the model's plugin may suggest: settings that nobody else chose.

        Args:
            given: the names of the options that the user chose; recipe and loss choose others.
        """
        trainers = unsettled({*given, *self.recipe.options("train"), *self.loss.spec.defaults})
        own = {table for table in ("model", "loss") if not self.recipe.tables[table]}
        if self.loss.installed != model_default(LOSS, self.model).installed:
            own -= {"loss"}
        options = {
            f"{option.table}.{option.field}"
            for option in self.options
            if option.table in own and option.name not in given
        }
        drawing = {option.name for option in self.options if option.table == "sampler"}
        written = self.recipe.tables["model"] or self.recipe.tables["sampler"]
        named = self.sampler_named or written or drawing & {*given}
        samplers = set() if named else {SAMPLER.name}
        return frozenset(self.model.spec.suggests & (trainers | options | samplers))

    def _follows(self, table: str) -> bool:
        """Say whether the recipe's options in a table were written for the plugin chosen here."""
        if not self.recipe.tables[table].keys() - {"name"}:
            return False
        chosen, named = self.plugins[table].installed, recipe_name(table, self.recipe)
        if named is not None:
            return chosen.goes_by(named)
        if table == "model":
            return True
        if table == "data":
            default = self.default_data
            return default is None or chosen == default_dataset(default).installed
        # Without a name the options are those of the default of the recipe's own model.
        own, model = recipe_name("model", self.recipe), self.model
        if own is not None and not model.installed.goes_by(own):
            model = find_model(None, self.recipe)
        return chosen == model_default(KINDS[table], model).installed

    def metric_options(self, given: Mapping[str, Any]) -> dict[str, dict[str, Option]]:
        """Return the options of the metrics that a training computes, by metric and name.

        Args:
            given: settings of the trainer that override the presets.

        Raises:
            UnknownName: there is no such metric.
            InvalidValue: the metrics are not named by strings.
            PluginError: a metric and another plugin have an option of one name.
        """
        names = computed_metrics({**self.presets["train"], **given})
        return options_of_metrics(names, self.options)

    def check_recipe(self) -> None:
        """Check all values of the recipe, even if others override them; errors name the line."""
        for table, values in self.presets.items():
            with self.recipe.locating(table):
                config = self._config(table, values)
                if table == "train":
                    own = self.recipe.options("train")
                    # A run.json has every option; those that its optimizer lacks as they are here.
                    check_suited([key for key in own if own[key] != getattr(config, key)], config)
        check_metric_tables(self.recipe, computed_metrics(self.presets["train"]))
        with self.recipe.locating("data", "root"):
            self._data_root(None)

    def settle(self, values: Mapping[str, Any], data_root: Path | None) -> "Settings":
        """Build the settings from values by option name, laid over the presets.

        Raises:
            UnknownName: an option that neither the trainer nor these plugins nor the metrics that
                are computed have.
            InvalidValue: a value of the wrong type or out of range.
        """
        options = {option.name: option for option in self.options}
        tables = {table: dict(values) for table, values in self.presets.items()}
        others = {name: value for name, value in values.items() if name not in options}
        for name in values.keys() - others.keys():
            tables[options[name].table][options[name].field] = values[name]
        metrics = self.metric_options(tables["train"])
        known = {**options, **{name: it for own in metrics.values() for name, it in own.items()}}
        for name in others:
            if name not in known:
                raise unknown_option("option", name, [*known, *(item.name for item in ARGUMENTS)])
        settings = self.settle_tables(tables, data_root)
        check_suited(values, settings.train)
        fitted = {"batch_size"} - {*self.recipe.options("train")}
        fitted |= {"condition_dropout", "warmup_steps"}
        return replace(
            settings,
            metrics=metric_tables(metrics, self.recipe, others),
            fitted=frozenset(fitted - {*values}),
            suggestible=self.suggestible(values),
        )

    def settle_tables(
        self, tables: Mapping[str, Mapping[str, Any]], data_root: Path | None
    ) -> "Settings":
        """Build the settings from one table of values for each config."""
        configs = {table: self._config(table, tables[table]) for table in self.plugins}
        train = self._config("train", tables["train"])
        return Settings(self, train, configs, self._data_root(data_root), self.recipe.name)

    def _config(self, table: str, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - each plugin has a class of its own
        if table == "train":
            return make_config(TrainConfig, suited(values), "training")
        spec = self.plugins[table].spec
        kind = "data set" if table == "data" else table
        return make_config(spec.config, values, f"{kind} {spec.name!r}")

    def _data_root(self, given: Path | None) -> Path | None:
        """Return the path to read: the one given, else the recipe's, else the environment's."""
        if given is None and self.path is None and self._follows("data"):
            given = self.recipe.data_root
        return find_root(self.dataset.spec, given, self.path)


@dataclass(frozen=True)
class Settings:
    """Everything that decides a training, besides the data.

    Attributes:
        configs: the config objects of data set, model, conditioner, loss and sampler.
        data_root: the path that the data set reads, None for its own place.
        recipe: the name of the recipe, None without one.
        fitted: the trainer's options that are fitted to the data, as nobody chose their values: few
            images make the batch smaller, few steps the warm-up shorter, and nothing is left out
            where there is no condition. A recipe chooses the batch; what else it says was for its
            own data.
        suggestible: those that the model's plugin may suggest for the data; later those it did.
        metrics: the options of metrics that are computed, by name of those that have any; a
            metric that is chosen later has its defaults.
    """

    choice: Choice
    train: TrainConfig
    configs: Mapping[str, Any]
    data_root: Path | None
    recipe: str | None = None
    fitted: frozenset[str] = frozenset()
    suggestible: frozenset[str] = frozenset()
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def data_name(self) -> str:
        """The name of the data in the name of a run; the user's own data are named by folder."""
        spec = self.choice.dataset.spec
        if spec.root != "required" or self.data_root is None:
            return spec.name
        stem = re.sub(r"[^A-Za-z0-9]+", "-", self.data_root.resolve().stem).strip("-")
        return stem[:40] or spec.name

    def sampler_choice(self, name: str | None, options: Mapping[str, Any]) -> SamplerChoice:
        """Return a sampler to draw with, and its config.

        By default it is the run's own with its settings, of which the options replace some; a
        sampler that is named starts from its own defaults.

        Raises:
            UnknownName: there is no such sampler, or it has no such option.
            InvalidValue: an option of the wrong type or out of range.
        """
        if name is None:
            plugin, table = self.choice.sampler, as_table(self.configs["sampler"])
        else:
            plugin, table = find(SAMPLER, name), {}
        known = [item.name for item in fields(plugin.spec.config)]
        unknown = [option for option in options if option not in known]
        if unknown:
            raise unknown_name(f"option of sampler {plugin.spec.name!r}", unknown[0], known)
        what = f"sampler {plugin.spec.name!r}"
        return plugin, make_config(plugin.spec.config, {**table, **options}, what)

    def as_document(self) -> dict[str, Any]:
        """Return the recipe's name, its `TABLES`, metrics' options, and the plugins' packages."""
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
            **({"metric": dict(self.metrics)} if self.metrics else {}),
            "packages": {
                table: {"package": item.installed.package, "version": item.installed.version}
                for table, item in plugins.items()
            },
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Settings":
        """Rebuild the settings that `as_document` describes, with plugins of the same packages.

        Raises:
            UnknownName: a plugin that is not installed here.
        """
        tables = run_tables(document)
        names = {table: values.pop("name") for table, values in tables.items() if table != "train"}
        try:
            choice = Choice.by_name(
                names["model"],
                names["data"],
                names["conditioner"],
                names["loss"],
                sampler=names["sampler"],
            )
        except UnknownName as error:
            raise UnknownName(f"the run needs a plugin that is not installed: {error}") from error
        root = tables["data"].pop("root")
        settings = choice.settle_tables(tables, None if root is None else Path(root))
        metrics = document.get("metric", {})
        return replace(settings, recipe=document.get("recipe"), metrics=metrics)


def sampler_document(choice: SamplerChoice) -> dict[str, Any]:
    """Describe a sampler as manifests and pictures do: its package, its name and its options."""
    plugin, config = choice
    package = {"package": plugin.installed.package, "version": plugin.installed.version}
    return {**package, "name": plugin.spec.name, **as_table(config)}
