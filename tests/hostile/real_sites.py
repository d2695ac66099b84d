"""A real host to tamper with: a data folder whose VMs run on QEMU, in network and mount namespaces that end with the test."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.guests.conftest import Namespace, Site


@contextmanager
def real_site(folders: pytest.TempPathFactory, *programs: str, groups: bool = False) -> Iterator[Site]:
    """Give a site with nothing on it yet; skips where a program or the rights are missing. What runs on it is the caller's to end.

    `groups` says that its VMs come into control groups of the host.
    """
    for program in ("qemu-system-x86_64", "nft", "ip", "unshare", "nsenter", *programs):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            pytest.skip(f"needs the program `{program}`")
    if os.geteuid() != 0:
        pytest.skip("needs root, for namespaces, bridges and rules")
    folder = folders.mktemp("real")
    # A VM's own user passes through the folders of the test.
    for above in (folder, folder.parent):
        above.chmod(0o755)
    inside = Namespace(groups=groups)
    try:
        yield Site(folder, "qemu", inside.prefix)
    finally:
        inside.close()
