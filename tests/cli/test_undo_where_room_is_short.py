"""An undo goes back to what was there, also where more had been promised than there is; where that does not fit, it says what to do."""

from collections.abc import Callable
from typing import Any

import pytest

HOST = "name: node1\nsimulated: {memory: 32 GiB, disk: 1 TiB, cpus: 8, uplink: 1 Gbit/s, hugepages: 6 GiB}\n"
HOST += "oversubscription: {cpu: 1, network: 1}\n"
HEAD = """\
stack: shop
images: {debian: {source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}
networks: {lan: {cidr: 10.41.0.0/24}}
"""
_RATE = "{download: 800 Mbit/s, upload: 800 Mbit/s}"
ROOMS = {
    "bandwidth": (f"memory: 1 GiB, networks: [{{network: lan, rate: {_RATE}}}]", "tap.delete"),
    "vCPUs": ("memory: 1 GiB, vcpus: 6", "vm.delete"),
    "huge pages": ("memory: 4 GiB, memory_options: {hugepages: true}", "vm.delete"),
}
"""By resource: what a VM asks for that only one can have, and the step that gives it back."""


def _stack(*vms: str) -> str:
    return f"{HEAD}vms:\n" + "".join(f"  {vm}\n" for vm in vms)


@pytest.fixture(name="host")
def _host(herocloud: Any) -> Any:
    (herocloud.data_folder / "host.yaml").write_text(HOST, encoding="utf-8")
    return herocloud


@pytest.mark.parametrize(("asked", "giving"), ROOMS.values(), ids=list(ROOMS))
def test_an_undo_goes_back_to_two_that_were_promised_the_same_room(
    host: Any, misbehave: Callable[[str], None], asked: str, giving: str
) -> None:
    one, other = (_stack(f"{name}: {{image: debian, {asked}}}") for name in ("one", "other"))
    host.write(one)
    host.done("apply", "-y", "-q")
    host.write(other)
    misbehave(f"{{step: {giving}, address: vm.one, times: 1, fail: it does not let go}}")
    assert "it does not let go" in host("apply", "-y").both
    host.done("apply", "-y")
    undone = host.done("undo", "-y")
    assert "does not fit" not in undone.both
    assert "because an earlier apply did not finish it" in host.done("plan").out
    host.write(one)
    host.done("apply", "-y")
    assert "No changes." in host.done("plan", "--detailed-exitcode").out


def test_an_undo_that_does_not_fit_says_what_to_do(host: Any) -> None:
    asked = f"{{image: debian, {ROOMS['vCPUs'][0]}}}"
    host.write(_stack(f"one: {asked}"))
    host.done("apply", "-y", "-q")
    host.write(_stack("small: {image: debian, memory: 1 GiB}"))
    host.done("apply", "-y", "-q")
    host.write(_stack("small: {image: debian, memory: 1 GiB}", f"other: {asked}"))
    host.done("apply", "-y", "-q")
    refused = host("undo", "apply-2", "-y")
    assert (refused.code, "`vm.one` (6)" in refused.err) == (14, True), refused.both
    assert "hint: make room for it first, or put back what fits by way of the stack file" in refused.err


_NARROW = "name: node1\nsimulated: {{memory: 9 GiB, disk: {disk}, cpus: 8}}\n"
_SPARE = 'spare: {source: "https://example.org/spare.qcow2", unpinned: true, format: qcow2}'
_P, _Q, _R = (f"{name}: {{image: debian, memory: 1 GiB, root_disk: {{size: 10 GiB}}}}" for name in "pqr")
FULL_DISKS = {
    "a VM comes back": ("20 GiB", (_P, _Q), (_P,)),
    "a VM comes back in place of another": ("30 GiB", (_P, _Q), (_P, _R)),
    "a VM gets its old disk back": ("30 GiB", (_P, _Q), (_P, _Q.replace("debian", "spare"))),
}


@pytest.mark.parametrize(("disk", "before", "after"), FULL_DISKS.values(), ids=list(FULL_DISKS))
def test_data_that_comes_back_needs_no_room_on_a_full_disk(host: Any, disk: str, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    (host.data_folder / "host.yaml").write_text(_NARROW.format(disk=disk), encoding="utf-8")
    for vms in (before, after):
        host.write(_stack(*vms).replace("images: {", f"images: {{{_SPARE}, "))
        host.done("apply", "-y", "-q")
    assert f"disk {disk} of {disk}\n" in host.done("undo", "-y").out
    host.write(_stack(*before).replace("images: {", f"images: {{{_SPARE}, "))
    assert "No changes." in host.done("plan", "--detailed-exitcode").out
    assert f"disk {disk} of {disk}\n" in host.done("undo", "-y").out


def test_a_volume_that_comes_back_needs_no_room_on_a_full_disk(host: Any) -> None:
    (host.data_folder / "host.yaml").write_text(_NARROW.format(disk="20 GiB"), encoding="utf-8")
    two = "stack: shop\nvolumes: {v: {size: 10 GiB}, w: {size: 10 GiB}}\n"
    for text in (two, two.replace(", w: {size: 10 GiB}", "")):
        host.write(text)
        host.done("apply", "-y", "-q")
    host.done("undo", "-y")
    host.write(two)
    assert "No changes." in host.done("plan", "--detailed-exitcode").out


def _settle(text: str, *, image: str) -> str:
    return text.replace("defaults: {}", f"defaults: {{image: {image}, memory: 4 GiB}}")


@pytest.mark.parametrize("memory", ["13 GiB", "33 GiB"], ids=["a full host", "a larger host"])
def test_the_undo_of_a_failed_undo_counts_what_is_promised_once(host: Any, misbehave: Callable[[str], None], memory: str) -> None:
    (host.data_folder / "host.yaml").write_text(f"name: node1\nsimulated: {{memory: {memory}, disk: 1 TiB, cpus: 8}}\n", encoding="utf-8")
    text = HEAD.replace("images: {", f"images: {{{_SPARE}, ") + "defaults: {}\nvms: {db: {}, web: {count: 2, depends_on: [vm.db]}}\n"
    for image in ("debian", "spare"):
        host.write(_settle(text, image=image))
        host.done("apply", "-y", "-q")
    misbehave("{step: vm.boot, address: vm.db, times: 1, fail: kernel panicked}")
    failed = host("undo", "-y", "-q")
    assert (failed.code, "would be refused" in failed.both) == (13, False), failed.both
    assert "peak" not in host.done("undo", "-y").out
    assert "No changes." in host.done("plan", "--detailed-exitcode").out
