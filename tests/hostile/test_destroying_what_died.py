"""A VM whose process died by itself is destroyed without a trace: no control group, no shell that starts it again, no orders."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from herocloud.providers.vmm import identity
from tests.guests.conftest import Site, wait_until
from tests.hostile.real_sites import real_site

pytestmark = [pytest.mark.root, pytest.mark.slow]

STACK = """\
stack: shop
images: {blank: {source: ./blank.raw, format: raw, nocloud: true}}
vms: {web: {image: blank, memory: 128 MiB, root_disk: {size: 8 MiB}, restart: always}}
"""


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with real_site(tmp_path_factory, groups=True) as made:
        (made.folder / "stack.yaml").write_text(STACK)
        (made.folder / "blank.raw").write_bytes(bytes(1024**2))
        yield made


def _groups(site: Site) -> list[Path]:
    words = site.run("sh", "-c", "cat /run/herocloud/orders/*").stdout.split("\0")
    return [Path(value).parent for name, value in zip(words[::2], words[1::2], strict=False) if name == "group"]


@pytest.mark.parametrize("killed", [("process.keeper", "process"), ("process",)], ids=["with its shell", "alone"])
def test_nothing_is_left_of_it(site: Site, killed: tuple[str, ...]) -> None:
    site.done("apply", "-y", "-q")
    vm, groups = next((site.data / "vms").iterdir()), _groups(site)
    known = [identity.read(vm / "vmm" / name) for name in ("process.keeper", "process")]
    for name in killed:
        process = identity.read(vm / "vmm" / name)
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        assert identity.wait_for_death(process, 10)
    site.done("destroy", "-y", "-q", "--purge")
    assert not vm.exists()
    assert [group for group in groups if group.exists()] == []
    assert site.run("ls", "/run/herocloud/orders").stdout == ""
    # Its shell would have been in its pause before the next start; what it paused with ends a moment later.
    assert not any(one is not None and identity.is_alive(one) for one in known)
    wait_until(lambda: identity.find(site.data, vm.name) is None, "its last process to end")
