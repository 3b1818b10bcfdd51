"""Signals that ask to end: the first is noted, a second one raises, and nothing stays changed."""

import os
import signal
from collections.abc import Iterator
from threading import Thread

import pytest

from gtk.core.values.interrupt import Interrupted, interrupt_code, interruptible

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in CODES]


@pytest.fixture(autouse=True)
def nothing_stays_changed() -> Iterator[None]:
    before = handlers()
    yield
    assert handlers() == before


@pytest.mark.parametrize("first", CODES)
@pytest.mark.parametrize("second", CODES)
def test_the_first_is_noted_and_a_second_raises(first: int, second: int) -> None:
    with interruptible() as interrupt:
        assert interrupt.signal == 0
        os.kill(os.getpid(), first)
        assert interrupt.signal == first
        with pytest.raises(Interrupted) as error:
            os.kill(os.getpid(), second)
    assert error.value.exit_code == interrupt_code(error.value) == CODES[signal.Signals(second)]


def test_at_once_the_first_raises_and_so_do_more() -> None:
    with interruptible(at_once=True):
        for number in CODES:
            with pytest.raises(Interrupted):
                os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", CODES)
def test_what_is_ignored_stays_ignored(number: int) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with interruptible() as interrupt:
            os.kill(os.getpid(), number)
            assert signal.getsignal(number) is signal.SIG_IGN
            assert interrupt.signal == 0
    finally:
        signal.signal(number, before)


def test_another_thread_changes_no_handler() -> None:
    seen: list[object] = []

    def look() -> None:
        with interruptible():
            seen.extend(handlers())

    thread = Thread(target=look)
    thread.start()
    thread.join()
    assert seen == handlers()


def test_an_error_that_came_from_an_interrupt_has_its_code() -> None:
    during = OSError("the terminal is gone")
    during.__context__ = Interrupted(signal.SIGHUP)
    assert interrupt_code(during) == 129
    caused = ImportError("no torch")
    caused.__cause__ = KeyboardInterrupt()
    assert interrupt_code(caused) == 130
    own = ValueError("its own cause")
    own.__cause__ = own
    assert interrupt_code(own) is None
