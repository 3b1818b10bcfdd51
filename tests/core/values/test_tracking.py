"""Long work tells a listener how far it has come, and does without one."""

from gtk.core.values.tracking import heard_by, track


def test_a_listener_hears_before_the_first_item_and_after_each() -> None:
    heard: list[tuple[str, int, int]] = []
    with heard_by(lambda *told: heard.append(told)):
        assert list(track("ab", "reading", 2)) == ["a", "b"]
    assert heard == [("reading", 0, 2), ("reading", 1, 2), ("reading", 2, 2)]


def test_nobody_listens_outside() -> None:
    heard: list[tuple[str, int, int]] = []
    with heard_by(lambda *told: heard.append(told)):
        pass
    assert list(track([1], "reading", 1)) == [1]
    assert heard == []
