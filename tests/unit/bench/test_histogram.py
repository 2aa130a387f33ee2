"""Tests of the histogram that the C sink fills."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.histogram import Histogram, bucket_of, middle_of


@given(st.integers(min_value=0, max_value=2**40))
def test_a_bucket_is_below_one_percent_wide(microseconds: int) -> None:
    """The middle of the bucket that counts a value is within one per cent of it."""
    assert abs(middle_of(bucket_of(microseconds)) - microseconds) <= microseconds / 100


@given(st.integers(min_value=0, max_value=2**40))
def test_buckets_rise_with_their_values(microseconds: int) -> None:
    """The next value is counted in the same bucket or in the next one."""
    assert bucket_of(microseconds + 1) - bucket_of(microseconds) in {0, 1}


def test_small_values_are_exact() -> None:
    """Below 256 microseconds every value has its own bucket."""
    assert list(range(256)) == [middle_of(bucket_of(value)) for value in range(256)]


def test_a_percentile_is_the_smallest_value_that_covers_it() -> None:
    """Of the values 1 to 100, fifty per cent are no larger than 50."""
    histogram = Histogram([(value, 1) for value in range(1, 101)])
    assert (0.05, 0.099, 0.1) == tuple(histogram.percentile(percent) for percent in (50, 99, 100))


def test_a_sum_counts_both() -> None:
    """Histograms of several sinks add up, bucket by bucket."""
    both = Histogram([(1, 2), (1, 1)]) + Histogram([(1, 1), (7, 4)])
    assert {1: 4, 7: 4} == both.buckets
    assert 8 == both.total


def test_an_empty_histogram_has_no_percentiles() -> None:
    """Nothing counted is an error, not a zero that looks like a fast server."""
    with pytest.raises(ValueError, match="empty"):
        Histogram().percentile(50)
