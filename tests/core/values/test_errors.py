"""The nearest known name."""

from gtk.core.values.errors import did_you_mean


def test_the_nearest_of_very_long_names_is_not_looked_for() -> None:
    # Of 150 letters each is rare, so that difflib compares every pair of places.
    long = "".join(chr(0x4E00 + place % 150) for place in range(1_000_000))
    assert did_you_mean(long, [long + "x", "y"]) == ""
    assert did_you_mean(long[:100], [long[:101]]) != ""
    assert did_you_mean("cvea", [long, "cvae"]) == " Did you mean 'cvae'?"
