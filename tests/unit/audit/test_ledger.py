"""What one client was given, against what it should have been given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from pushd.audit.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable


def filled(numbers: Iterable[int]) -> Ledger:
    """Make a ledger that took these."""
    ledger = Ledger()
    for number in numbers:
        ledger.take(number)
    return ledger


def test_consecutive_numbers_are_clean() -> None:
    """Whatever a series starts with, numbers in a row are no fault."""
    report = filled([7, 8, 9]).report({"": 9})
    assert report.clean
    assert report.received == 3
    assert report.last == {"": 9}


def test_a_skipped_number_is_missing() -> None:
    """A gap names every number in it."""
    report = filled([1, 4]).report()
    assert report.missing == {("", 2), ("", 3)}
    assert not report.clean


def test_a_late_number_is_out_of_order_and_no_longer_missing() -> None:
    """What comes after a later one is found, but not forgiven."""
    report = filled([1, 3, 2]).report()
    assert report.missing == frozenset()
    assert report.out_of_order == 1
    assert not report.clean


def test_a_number_taken_twice_is_a_duplicate() -> None:
    """A second copy counts, at once or later."""
    report = filled([1, 2, 2, 1]).report()
    assert report.duplicates == 2
    assert not report.clean


def test_a_missing_tail_shows_against_what_was_published() -> None:
    """Silence at the end is only seen by who knows what was sent."""
    ledger = filled([1, 2])
    assert ledger.report().clean
    assert ledger.report({"": 4}).missing == {("", 3), ("", 4)}


def test_a_series_never_heard_of_is_missing_whole() -> None:
    """A client that was given nothing misses everything."""
    assert Ledger().report({"news": 2}).missing == {("news", 1), ("news", 2)}


def test_series_are_counted_apart() -> None:
    """Two publishers may use the same numbers."""
    ledger = Ledger()
    for number, series in ((1, "a"), (1, "b"), (2, "a"), (2, "b")):
        ledger.take(number, series)
    assert ledger.report({"a": 2, "b": 2}).clean


def test_a_reset_excuses_the_gap_but_is_counted() -> None:
    """A client that was told reloads its state: what it missed is no fault, that it was told is noted."""
    ledger = filled([1, 2])
    ledger.reset()
    ledger.take(9)
    report = ledger.report({"": 9})
    assert report.clean
    assert report.resets == 1


def test_a_reset_does_not_excuse_what_was_missing_before() -> None:
    """Only the gap at the reset is covered."""
    ledger = filled([1, 3])
    ledger.reset()
    assert ledger.report({"": 9}).missing == {("", 2)}


def test_a_break_excuses_one_gap() -> None:
    """A connection without positions begins anywhere, once."""
    ledger = filled([1])
    ledger.interrupted()
    ledger.take(5)
    ledger.take(7)
    report = ledger.report()
    assert report.breaks == 1
    assert report.missing == {("", 6)}


@given(st.sets(st.integers(1, 30), min_size=1), st.randoms(use_true_random=False))
def test_every_number_is_accounted_for_once(taken: set[int], random: object) -> None:
    """From the lowest number on, each is either taken or missing, in whatever order they come."""
    first, *rest = sorted(taken)
    random.shuffle(rest)  # type: ignore[attr-defined]
    report = filled([first, *rest]).report({"": 30})
    assert {number for _, number in report.missing} == set(range(first, 31)) - taken
    assert report.duplicates == 0
