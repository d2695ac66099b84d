"""A guest in huge pages: it takes those of its memory and no more, grows by taking more, and gives them back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from herocloud.model.errors import Permanent

pytestmark = pytest.mark.guest
_PAGE = 2 * 1024**2
_WANTED = 112


@pytest.fixture
def free() -> Callable[[], int]:
    """Return what counts the free huge pages; a test that needs them is for a host that has set some aside."""

    def count() -> int:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(lines["HugePages_Free"]) if lines.get("Hugepagesize", "").split() == ["2048", "kB"] else 0

    if count() < _WANTED:
        pytest.skip(f"needs {_WANTED} free huge pages of 2 MiB (`sysctl vm.nr_hugepages`); the lab has them")
    return count


def test_memory_in_huge_pages_is_taken_and_given_back(free, make_bench, tiny_image, make_part, mib) -> None:
    before = free()
    bench = make_bench()
    payload = {"kernel": str(tiny_image.kernel), "initramfs": str(tiny_image.initramfs), "cmdline": "console=ttyS0 quiet"}
    # The room to grow is far beyond what the host has set aside, as it is by default.
    part = make_part(payload=payload, root=None, hugepages=True, memory=160 * mib, boot_memory=160 * mib, hotplug=1024 * mib)
    bench.do("vm.create", None, part)
    bench.power("vm.boot", "stopped", "running")
    bench.wait(lambda: "herocloud-guest ready" in bench.console)
    assert before - free() == 160 * mib // _PAGE

    grown = {**part, "memory": 224 * mib}
    bench.do("vm.resize", part, grown)
    bench.wait(lambda: before - free() == 224 * mib // _PAGE)
    with pytest.raises(Permanent, match=r"takes 448 of them, and \d+ are free"):
        bench.do("vm.resize", grown, {**part, "memory": 1120 * mib})
    assert bench.see() == {"machine": grown, "power": "running"}

    bench.do("vm.resize", grown, part)
    bench.wait(lambda: before - free() == 160 * mib // _PAGE)
    bench.power("vm.stop", "running", "stopped")
    bench.wait(lambda: free() == before)
