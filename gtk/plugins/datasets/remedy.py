"""Notes that end with a setting, which is spelled for the command line or for Python when read."""

from gtk.core.values.setting import setting

#: Between a note, the setting's name and its value, as the cache keeps them.
SEPARATOR = "\t"
#: The most characters of a name in a note.
LONGEST = 80


def with_remedy(text: str, name: str, value: str) -> str:
    """Return a note that ends with a setting, for the cache; a value that has no place is "..."."""
    fits = value.isprintable() and len(value) <= 2 * LONGEST
    return SEPARATOR.join((text, name, value if fits else "..."))


def spelled(note: str) -> str:
    """Return a note for the user."""
    text, *remedy = note.split(SEPARATOR, 2)
    return f"{text} {setting(*remedy)}" if remedy else text


def listed(names: list[str], most: int = 3) -> str:
    """Return names in quotes, the first ones of many: "'a', 'b' and 4 more"."""
    short = (name if len(name) <= LONGEST else f"{name[:LONGEST]}..." for name in names[:most])
    shown = ", ".join(map(repr, short))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
