"""What the doctor says of the cage is what docs/security.md says of such a host, row by row."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from herocloud.providers.vmm import cages, loopback, offers
from herocloud.providers.vmm.cages import Depth

PAGE = Path(__file__).resolve().parents[3] / "docs/security.md"
COLUMNS = {"as root": Depth.VIEW, "as root in a container without mounts": Depth.USER, "as an ordinary user": Depth.CALLER}
BESIDE_THE_CAGE = {"VMM: huge pages"}


def _rows() -> list[list[str]]:
    _, _, section = PAGE.read_text().partition("## What a VMM may use\n")
    lines = section.partition("\n## ")[0].splitlines()
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


@pytest.fixture(params=COLUMNS)
def column(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Stand on a host of each column, as far as whoever runs the tests can."""
    depth = COLUMNS[request.param]
    if depth is not Depth.CALLER and os.geteuid() != 0:
        pytest.skip("needs root")
    monkeypatch.setattr(cages, "depth", lambda _data, _wanted=None: depth)
    if depth is Depth.CALLER:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    loopback._why_no_rules.cache_clear()
    yield _rows()[0].index(request.param)
    loopback._why_no_rules.cache_clear()


def test_the_doctor_says_what_the_page_says(tmp_path: Path, column: int) -> None:
    said = {offer.name: offer for offer in offers.offers(tmp_path) if offer.name not in BESIDE_THE_CAGE}
    rows = {f"VMM: {row[0]}": row[column] for row in _rows()[2:]}
    assert list(said) == list(rows)
    for name, cell in rows.items():
        ways = [way.partition(", where")[0].partition(", and before")[0] for way in cell.split("; or ")]
        offer = said[name]
        if name == "VMM: host's loopback" and not offer.ok:
            assert "cannot be had" in offer.says
            continue
        if name == "VMM: rights" and not offer.ok:
            assert "user namespace" in offer.way_out
            continue
        assert any(offer.says.replace("`", "").startswith(way) for way in ways), f"{name}: {offer.says!r} is none of {ways}"
