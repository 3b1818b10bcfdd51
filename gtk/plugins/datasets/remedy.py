"""Notes that name a setting, which is spelled for the command line or for Python when read."""

from gtk.core.values.setting import setting

#: Between the text before a setting, its name, its value and the text after it, in the cache.
SEPARATOR = "\t"
#: The most characters of a name in a note.
LONGEST = 80


def with_remedy(text: str, name: str, value: str, after: str = "") -> str:
    """Return a note that names a setting, for the cache; a value that has no place is "..."."""
    fits = value.isprintable() and len(value) <= 2 * LONGEST
    return SEPARATOR.join((text, name, value if fits else "...", after))


def spelled(note: str) -> str:
    """Return a note for the user."""
    if SEPARATOR not in note:
        return note
    text, name, value, after = note.split(SEPARATOR, 3)
    return f"{text} {setting(name, value)}{after}"


def listed(names: list[str], most: int = 3) -> str:
    """Return names in quotes, the first ones of many: "'a', 'b' and 4 more"."""
    short = (name if len(name) <= LONGEST else f"{name[:LONGEST]}..." for name in names[:most])
    shown = ", ".join(map(repr, short))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
