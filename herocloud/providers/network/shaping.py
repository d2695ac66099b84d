"""Rates: how a limit in bytes a second becomes a token bucket. Pure.

Download (towards the guest) is a token bucket on the tap, upload one on a device that the tap's packets are sent through. Policing would
need no device, and TCP under it swings between nothing and too much. The figures of the buckets are hypeman's.
"""

from typing import NamedTuple

MOST = 2**32 - 1
"""Bytes a second that a bucket counts with: 34 Gbit/s."""

_SMALLEST_BURST = 1540
"""A bucket that holds less than one frame lets none through."""
_BURST_TIMES, _BURST_SHARE = 4, 250
_LATENCY_MS = 50
_LARGEST_LIMIT = 2**31 - 1


class Bucket(NamedTuple):
    """What a token bucket is set to."""

    rate: int
    burst: int
    limit: int
    """Bytes that may wait; what comes on top is dropped."""


def make_bucket(rate: int) -> Bucket:
    """Return the bucket for a rate in bytes a second."""
    burst = max(rate * _BURST_TIMES // _BURST_SHARE, _SMALLEST_BURST)
    return Bucket(rate, burst, min(rate * _LATENCY_MS // 1000 + burst, _LARGEST_LIMIT))
