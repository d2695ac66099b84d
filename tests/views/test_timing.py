import pytest

from herocloud.model.plans import Level
from herocloud.views import capacities


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (Level(2, 4, 3, 7), "Slices 2 → 3 of 7 (peak 4)"),
        (Level(2, 3, 3, 7), "Slices 2 → 3 of 7"),
        (Level(2, 2, 2, 7), "Slices 2 of 7"),
        (Level(2, 3, 3, None), "Slices 2 → 3"),
        (Level(2, 9, 3, 7), "Slices 2 → 3 of 7 (peak 9) does not fit"),
    ],
)
def test_a_gauge_shows_before_after_limit_and_peak(level, shown) -> None:
    assert capacities.show_gauge(capacities.Gauge("slices", "Slices", level)) == shown


def test_what_falls_to_nothing_falls_to_zero(plans) -> None:
    level = plans.MIXED.memory._replace(after=0)
    assert capacities.capacity_line(plans.MIXED._replace(memory=level)).split(" · ")[1] == "RAM 8 GiB → 0 (peak 15 GiB)"


def test_rates_nobody_asked_for_are_not_shown(plans) -> None:
    assert "network" not in capacities.capacity_line(plans.EMPTY)
    assert "network 0 → 100 Mbit/s of 20 Gbit/s" in capacities.capacity_line(plans.MIXED)
