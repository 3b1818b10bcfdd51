"""Names that are not known: the nearest, or the first known ones."""

from gtk.core.values.errors import did_you_mean, unknown_name


def test_the_nearest_of_very_long_names_is_not_looked_for() -> None:
    # Of 150 letters each is rare, so that difflib compares every pair of places.
    long = "".join(chr(0x4E00 + place % 150) for place in range(1_000_000))
    assert did_you_mean(long, [long + "x", "y"]) == ""
    assert did_you_mean(long[:100], [long[:101]]) != ""
    assert did_you_mean("cvea", [long, "cvae"]) == " Did you mean 'cvae'?"


def test_of_many_known_names_the_first_are_listed() -> None:
    known = [f"class{number:04}" for number in range(1000)]
    message = str(unknown_name("label", "zz", known))
    assert "class0059 and 940 more." in message
    assert "class0060" not in message
