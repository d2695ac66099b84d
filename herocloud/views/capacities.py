"""The capacity proof on one line: `Slices 2 → 3 of 7 (peak 4) · RAM 8 → 15 GiB · …`."""

from herocloud.kits.named_tuples import NamedTuple
from herocloud.model import quantities
from herocloud.model.plans import Capacity, Level


class Gauge(NamedTuple):
    """One resource."""

    key: str
    word: str
    level: Level

    @property
    def over(self) -> bool:
        """Return whether it does not fit at its worst moment."""
        return self.level.limit is not None and max(self.level.peak, self.level.after) > self.level.limit

    def write(self, amount: int) -> str:
        """Write an amount of it."""
        return quantities.show(self.key, amount)


def gauges(capacity: Capacity) -> list[Gauge]:
    """Return the resources worth showing: those that every VM takes, and huge pages and rates where somebody asked for them."""
    always = [
        Gauge("slices", "Slices", capacity.slices),
        Gauge("memory", "RAM", capacity.memory),
        Gauge("vcpus", "vCPU", capacity.vcpus),
        Gauge("disk", "disk", capacity.disk),
    ]
    asked_for = [
        Gauge("hugepages", "huge pages", capacity.hugepages),
        Gauge("network", "network", capacity.network),
        Gauge("disk_io", "disk I/O", capacity.disk_io),
    ]
    return always + [gauge for gauge in asked_for if gauge.level.before or gauge.level.peak or gauge.level.after]


def show_gauge(gauge: Gauge) -> str:
    """Write one resource: before → after, of the limit where there is one, and the peak where it is higher than both."""
    level = gauge.level
    text = f"{gauge.word} {_span(gauge.write(level.before), gauge.write(level.after))}"
    if level.limit is not None:
        text += f" of {gauge.write(level.limit)}"
        if level.ratio != 1.0:
            # What is promised several times over is shared; the number alone would look like what the host has.
            text += f" ({gauge.write(round(level.limit / level.ratio))} × {level.ratio:g})"  # noqa: RUF001  (a sign of multiplication is meant)
    if level.peak > max(level.before, level.after):
        text += f" (peak {gauge.write(level.peak)})"
    return text + " does not fit" if gauge.over else text


def capacity_line(capacity: Capacity) -> str:
    """Write all of them on one line."""
    return " · ".join(show_gauge(gauge) for gauge in gauges(capacity))


def _span(before: str, after: str) -> str:
    if before == after:
        return after
    number, _, unit = before.partition(" ")
    if unit and number == "0":
        return f"0 → {after}"
    if unit and after.startswith("0 "):
        return f"{before} → 0"
    # `8 → 15 GiB` reads better than the unit twice.
    return f"{number} → {after}" if unit and after.endswith(f" {unit}") else f"{before} → {after}"
