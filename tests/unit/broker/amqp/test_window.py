"""pushd.broker.amqp.window."""

from __future__ import annotations

from pushd.broker.amqp.window import Window


def test_acknowledges_in_batches() -> None:
    """Nothing is acknowledged until a quarter of the window is finished."""
    window = Window(16)
    due = []
    for tag in range(1, 9):
        window.handed_on(tag, 100 + tag)
        window.finished(100 + tag)
        due.append(window.due())
    assert [0, 0, 0, 4, 0, 0, 0, 8] == due


def test_never_beyond_what_is_finished() -> None:
    """What is still in somebody's hands is not acknowledged, nor is anything after it."""
    window = Window(4)
    for tag in (1, 2, 3):
        window.handed_on(tag, 10 * tag)
    assert (0, True) == (window.due(), window.waiting)
    window.finished(25)
    assert 2 == window.due()
    assert window.waiting
    window.finished(30)
    assert (3, False) == (window.due(), window.waiting)


def test_skipped() -> None:
    """What concerns nobody is finished when everything before it is, so marks alone keep the flow going."""
    window = Window(4)
    window.handed_on(1, 10)
    window.skipped(2)
    window.skipped(3)
    assert 0 == window.due()
    window.finished(10)
    assert 3 == window.due()
    window.skipped(4)
    assert 4 == window.due()


def test_several_at_one_offset() -> None:
    """An offset finishes everything up to it, however often it is said."""
    window = Window(1)
    window.handed_on(1, 10)
    window.handed_on(2, 11)
    window.finished(11)
    window.finished(11)
    assert 2 == window.due()
    assert 0 == window.due()


def test_smallest_window() -> None:
    """With a prefetch of one, each is acknowledged for itself."""
    window = Window(1)
    window.handed_on(1, 5)
    assert 0 == window.due()
    window.finished(5)
    assert 1 == window.due()


def test_the_rest_is_acknowledged_on_request() -> None:
    """What a batch holds back is given once, and never beyond a delivery that is not finished."""
    window = Window(500)
    for tag in (1, 2, 3):
        window.handed_on(tag, 10 * tag)
    window.finished(20)
    assert (0, 2, 0) == (window.due(), window.rest(), window.rest())
    window.finished(30)
    window.skipped(4)
    assert (4, 0) == (window.rest(), window.due())


def test_batches_count_from_the_last_acknowledgement() -> None:
    """After the rest was given, the next batch begins there."""
    window = Window(16)
    window.skipped(1)
    assert 1 == window.rest()
    window.skipped(4)
    assert 0 == window.due()
    window.skipped(5)
    assert 5 == window.due()
