"""The latency histogram of ``sink.c``, read and merged: whole microseconds in buckets below 1 % wide.

Values under 256 have a bucket each; above, every power of two is cut into 128.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

__all__ = ["Histogram", "bucket_of", "middle_of"]

_SUB_BUCKETS = 128


def bucket_of(microseconds: int) -> int:
    """Give the bucket that counts this value."""
    shift = max(0, microseconds.bit_length() - 8)
    return shift * _SUB_BUCKETS + (microseconds >> shift)


def middle_of(bucket: int) -> float:
    """Give the middle of what a bucket counts, in microseconds."""
    if bucket < 2 * _SUB_BUCKETS:
        return float(bucket)
    shift = bucket // _SUB_BUCKETS - 1
    return float((bucket - shift * _SUB_BUCKETS) << shift) + ((1 << shift) - 1) / 2


class Histogram:
    """How often each latency was seen.

    Args:
        buckets: Pairs of bucket and count; several pairs of one bucket add up.
    """

    def __init__(self, buckets: Iterable[Sequence[int]] = ()) -> None:
        self.buckets: Counter[int] = Counter()
        for bucket, count in buckets:
            self.buckets[bucket] += count

    def __add__(self, other: Histogram) -> Histogram:
        """Give both together: percentiles of several sinks are those of their sum."""
        return Histogram([*self.buckets.items(), *other.buckets.items()])

    @property
    def total(self) -> int:
        """How many values were counted."""
        return self.buckets.total()

    def percentile(self, percent: float) -> float:
        """Give the smallest latency, in milliseconds, that ``percent`` of all values do not exceed.

        Raises:
            ValueError: Nothing was counted.
        """
        wanted = self.total * percent / 100
        seen = 0
        for bucket, count in sorted(self.buckets.items()):
            seen += count
            if seen >= wanted:
                return middle_of(bucket) / 1000
        raise ValueError("an empty histogram has no percentiles")
