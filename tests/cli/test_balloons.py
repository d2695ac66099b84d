"""Memory that a guest gives back, and transparent huge pages: what a plan says of them, and what is there afterwards."""

import json
import re
from typing import Any

import pytest

STACK = """\
stack: shop
images: {{tiny: {{kernel: ./vmlinuz, cmdline: quiet}}}}
vms:
  web: {{image: tiny, memory: 1 GiB{options}}}
"""


@pytest.fixture
def site(herocloud: Any) -> Any:
    (herocloud.data_folder / "host.yaml").write_text("name: node1\nsimulated: {memory: 5 GiB, disk: 100 GiB, cpus: 8}\n", encoding="utf-8")
    herocloud.write("", "vmlinuz")
    herocloud.write(STACK.format(options=""))
    herocloud.done("apply", "-y")
    return herocloud


def _options(site: Any, options: str) -> None:
    site.write(STACK.format(options=f", memory_options: {{{options}}}" if options else ""))


def _apply(site: Any) -> None:
    site.done("apply", "-y")
    assert "No changes." in site.done("plan").out


def _machine(site: Any) -> dict[str, Any]:
    return dict(json.loads(site.done("vm", "show", "web", "--json").out)["parts"]["machine"])


def test_a_balloon_changes_live_in_both_directions(site: Any) -> None:
    before = _machine(site)
    for options, shown, balloon in (
        ("balloon: 512 MiB", "memory_options.balloon none → 512 MiB", 512),
        ("balloon: 256 MiB", "memory_options.balloon 512 MiB → 256 MiB", 256),
        ("balloon: 0", "memory_options.balloon 256 MiB → none", 0),
    ):
        _options(site, options)
        plan = site.done("plan").out
        assert shown in plan
        assert "1 to change, 0 to destroy" in plan
        _apply(site)
        assert _machine(site).get("balloon", 0) == balloon * 1024**2
    assert _machine(site) == before


def test_what_it_gives_back_is_shown_and_exported_and_not_counted_as_free(site: Any) -> None:
    _options(site, "balloon: 512 MiB")
    # The guest may need it again, so nobody else gets it.
    assert "RAM 1 GiB of 4 GiB" in site.done("plan").out
    _apply(site)
    assert re.search(r"memory_options\.balloon +512 MiB", site.done("vm", "show", "web").out)
    exported = site.done("export").out
    assert "balloon: 512 MiB" in exported
    site.write(exported)
    assert "No changes." in site.done("plan").out


def test_a_balloon_as_large_as_the_memory_at_boot_is_a_power_cycle_that_boots_with_more(site: Any) -> None:
    site.write(STACK.format(options="").replace("1 GiB", "3 GiB"))
    _apply(site)
    assert _machine(site)["boot_memory"] == 1024**3
    site.write(STACK.format(options=", memory_options: {balloon: 2 GiB}").replace("1 GiB", "3 GiB"))
    plan = site.done("plan").out
    assert "memory_options.balloon none → 2 GiB, as much as it booted with, or more, needs a power-cycle" in plan
    assert "1 to reboot" in plan
    _apply(site)
    assert (_machine(site)["boot_memory"], _machine(site)["balloon"]) == (3 * 1024**3, 2 * 1024**3)


def test_a_balloon_as_large_as_the_memory_is_refused_with_its_place(site: Any) -> None:
    _options(site, "balloon: 1 GiB")
    found = site("plan")
    assert found.code == 1
    assert "Balloon is as large as the memory (vm.web)" in found.err
    assert "write less than 1 GiB" in found.err


def test_transparent_huge_pages_are_switched_off_by_a_power_cycle(site: Any) -> None:
    _options(site, "thp: true")
    assert "No changes." in site.done("plan").out, "this is the default"
    _options(site, "thp: false")
    plan = site.done("plan").out
    assert "memory_options.thp none → false needs a power-cycle" in plan
    _apply(site)
    assert _machine(site)["thp"] is False
    assert "thp: false" in site.done("export").out
    _options(site, "")
    assert "1 to reboot" in site.done("plan").out
    _apply(site)
    assert "thp" not in _machine(site)


def test_undo_and_drift_know_a_balloon(site: Any) -> None:
    _options(site, "balloon: 512 MiB")
    _apply(site)
    site.done("undo", "-y")
    assert "balloon" not in _machine(site)
    _apply(site)
    assert _machine(site)["balloon"] == 512 * 1024**2
