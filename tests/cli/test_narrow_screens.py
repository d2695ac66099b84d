"""Everything fits a screen of 80 columns; what is no screen gets whole lines."""

from typing import Any

import pytest

STACK = """\
stack: shop
images: {debian12: {source: "https://images.example.org/far/down/debian-12-genericcloud-amd64.qcow2", unpinned: true, format: qcow2}}
networks: {lan: {cidr: 10.42.0.0/24}, backbone: {cidr: 10.43.0.0/24}}
volumes: {measurements: {size: 20 GiB}}
vms:
  a-virtual-machine-with-a-rather-long-name: {count: 2, image: debian12, networks: [lan, backbone]}
  db: {image: debian12, slices: 8, vcpus: 12, networks: [lan], volumes: [measurements]}
"""


def _widest(text: str) -> int:
    return max(map(len, text.splitlines()))


@pytest.mark.parametrize("words", [("plan",), ("doctor",), ("vm", "list"), ("state", "list"), ("show",), ("slice", "list")], ids=" ".join)
def test_what_is_printed_fits_eighty_columns(herocloud: Any, words: tuple[str, ...]) -> None:
    herocloud.write(STACK)
    if words != ("plan",):
        herocloud.done("apply", "-y", "-q")
    ran = herocloud(*words, environment={"COLUMNS": "80"})
    assert _widest(ran.out) <= 80, ran.out


def test_a_folded_cell_says_all_of_it(herocloud: Any) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    narrow = herocloud.done("vm", "list", environment={"COLUMNS": "80"}).out
    assert "10.43.0.2" in narrow
    assert "s3-sa" in narrow


def test_without_a_screen_lines_stay_whole(herocloud: Any) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    assert "10.42.0.2, 10.43.0.2" in herocloud.done("vm", "list").out
