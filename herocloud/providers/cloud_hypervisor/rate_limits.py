"""Limits of a disk, in our words and in the program's: buckets that are emptied by use and filled by time. Pure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from herocloud.kits.jsons import Json

if TYPE_CHECKING:
    from herocloud.providers.cloud_hypervisor.machine_models import RateLimiterConfig

REFILL = 1000
"""Milliseconds in which a bucket fills: one that is empty is looked at every 100 ms, so it must be well above that."""


def limits_of(rate: Json) -> "RateLimiterConfig":
    """Turn the limits of a disk into buckets. A burst is what may be taken once beyond the rest, and does not come back."""
    bandwidth, burst, iops = ((rate or {}).get(name) or 0 for name in ("bandwidth", "burst", "iops"))
    limits: RateLimiterConfig = {}
    if bandwidth:
        limits["bandwidth"] = {"size": bandwidth, "refill_time": REFILL}
        if burst:
            limits["bandwidth"]["one_time_burst"] = burst
    if iops:
        limits["ops"] = {"size": iops, "refill_time": REFILL}
    return limits


def rate_of(limits: Mapping[str, Any] | None) -> Json:
    """Turn buckets back into the limits of a disk; a rate is what a bucket holds by the time that it takes to fill."""
    found = {}
    for bucket, field in (("bandwidth", "bandwidth"), ("ops", "iops")):
        held = (limits or {}).get(bucket)
        found[field] = held["size"] * 1000 // held["refill_time"] if held and held["refill_time"] else None
        if bucket == "bandwidth":
            found["burst"] = (held or {}).get("one_time_burst") or None
    return found if found["bandwidth"] or found["iops"] else None
