"""Find a plugin by its name: import its module, check it, and ask it for its specs.

A module is imported when one of its names is first used, so a slow or broken package cannot affect
a run that does not name it.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from gtk.core.registry.entry_points import UNREADABLE
from gtk.core.registry.installed import OWN_PACKAGE, SAMPLER, Installed, Kind, installed
from gtk.core.registry.options import check_config
from gtk.core.registry.plugin_module import ask, register
from gtk.core.registry.spec import API_VERSION, OLDEST_API_VERSION, ModelSpec, Spec
from gtk.core.registry.train_config import SUGGESTIBLE, TrainConfig
from gtk.core.registry.train_request import RESERVED_NAMES
from gtk.core.registry.unknown_plugin import unknown_plugin
from gtk.core.values.errors import GtkError, PluginError

SpecType = TypeVar("SpecType", bound=Spec)


@dataclass(frozen=True)
class Plugin(Generic[SpecType]):
    """A loaded plugin: its spec and where it comes from."""

    spec: SpecType
    installed: Installed

    def __str__(self) -> str:
        """Name the plugin and its package as error messages do."""
        return f"{self.installed.title} of {self.installed}"

    def resolve(self) -> Callable[..., Any]:
        """Return the spec's target, as `Spec.resolve` does; its errors name the package."""
        try:
            return self.spec.resolve()
        except PluginError as error:
            raise _blamed(self.installed, error) from error

    def call(self, *arguments: Any) -> Any:  # noqa: ANN401 - each target takes and returns its own
        """Call the target.

        Raises:
            GtkError: as the target says.
            PluginError: the target cannot be imported, or fails with any other error.
        """
        try:
            return self.resolve()(*arguments)
        except GtkError:
            raise
        except Exception as error:
            raise PluginError(f"{self} failed with {type(error).__name__}: {error}.") from error


def find(kind: Kind[SpecType], name: str) -> Plugin[SpecType]:
    """Load the plugin that is called `name`, or "package/name".

    Raises:
        UnknownName: nothing installed has that name.
        PluginError: several packages claim it, or the one that does is broken or incompatible.
    """
    candidates = [item for item in installed(kind) if item.goes_by(name)]
    # Prefer usable packages; keep the others only for the error message.
    candidates = [item for item in candidates if item.package != UNREADABLE] or candidates
    if not candidates:
        known = {item.name for item in installed(kind)}
        raise unknown_plugin(kind.name, name, known, [kind.group])
    chosen, bare = candidates[0], candidates[0].name
    owners = sorted({item.package for item in candidates})
    if len(owners) > 1:
        choices = " or ".join(f"{owner}/{bare}" for owner in owners)
        raise PluginError(
            f"{chosen.title} is claimed by {' and '.join(map(str, candidates))}. Use {choices}."
        )
    if chosen.package == UNREADABLE:
        raise PluginError(
            f"{chosen.title} belongs to a package whose metadata cannot be read: reinstall or "
            f"remove the package with the module {chosen.module}."
        )
    try:
        return Plugin(_load(kind, chosen), chosen)
    except PluginError as error:
        raise _blamed(chosen, error) from error


def find_default(kind: Kind[SpecType], name: str, package: str = OWN_PACKAGE) -> Plugin[SpecType]:
    """Load the plugin that a package, not the user, names: its own, else gtk's, else any.

    So a package that claims a name again does not affect users who never asked for it. Raises as
    `find` does.
    """
    for qualified in (f"{package}/{name}", f"{OWN_PACKAGE}/{name}"):
        if any(item.goes_by(qualified) for item in installed(kind)):
            return find(kind, qualified)
    return find(kind, name)


def checked_target(plugin: Plugin[Any], expected: type) -> Any:  # noqa: ANN401 - a subclass of `expected`
    """Return a plugin's target, which has to be a subclass of `expected`.

    Raises:
        PluginError: it is something else, or cannot be imported.
    """
    target = plugin.resolve()
    if isinstance(target, type) and issubclass(target, expected):
        return target
    raise PluginError(f"{plugin}: its target {plugin.spec.target} is not a {expected.__name__}.")


def _blamed(item: Installed, error: PluginError) -> PluginError:
    return PluginError(f"{item.title} of {item}: {error}")


def _load(kind: Kind[SpecType], chosen: Installed) -> SpecType:
    specs = ask(register(chosen.module), kind.hook, kind.spec)
    for spec in specs:
        if isinstance(spec, kind.spec) and spec.name == chosen.name:
            _check(spec)
            return spec
    wrong = [type(spec).__name__ for spec in specs if not isinstance(spec, kind.spec)]
    if wrong:
        raise PluginError(f"{kind.hook}() must return {kind.spec.__name__}, not {wrong[0]}.")
    names = ", ".join(spec.name for spec in specs) or "nothing"
    raise PluginError(
        f"its entry point is called {chosen.name!r}, its {kind.hook}() returns {names}. "
        "Give both the same name."
    )


def _check(spec: Spec) -> None:
    if not OLDEST_API_VERSION <= spec.api <= API_VERSION:
        raise PluginError(
            f"it was written for version {spec.api} of gtk's contracts, this is {API_VERSION}. "
            f"Update {'gtk' if spec.api > API_VERSION else 'the plugin'}."
        )
    check_config(spec.config)
    settings = {item.name for item in fields(TrainConfig)}
    for name in getattr(spec, "defaults", {}):
        if name not in settings:
            raise PluginError(f"its defaults name {name!r}, which is not a setting of the trainer.")
    if isinstance(spec, ModelSpec):
        _check_suggests(spec)
    for item in fields(spec.config):
        if item.name in RESERVED_NAMES:
            raise PluginError(
                f"its option {item.name!r} has the name of one of gtk's own. Rename it."
            )


def _check_suggests(spec: ModelSpec) -> None:
    """Refuse names that cannot be suggested, and names without a function or the other way round.

    Raises:
        PluginError: it says which.
    """
    names: Any = spec.suggests
    if not isinstance(names, frozenset | set) or bool(names) != (spec.suggest is not None):
        raise PluginError(
            f"its suggests is {names!r:.60}: name in a frozenset what suggest() returns, and give "
            "both or neither."
        )
    own = {f"model.{item.name}" for item in fields(spec.config)}
    for name in sorted(map(str, names)):
        if name not in {*SUGGESTIBLE, SAMPLER.name} | own and not name.startswith("loss."):
            raise PluginError(
                f"its suggests names {name!r}: only {', '.join(sorted(SUGGESTIBLE))}, sampler, "
                "options of the model as model.NAME and of its loss as loss.NAME can be suggested."
            )
