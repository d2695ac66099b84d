"""What this host offers to keep a VMM in its place, for the doctor: one line for each row of the table in docs/security.md."""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import sizes
from herocloud.providers.vmm import cages, control_groups, huge_pages, launch, loopback, namespace_filter, users
from herocloud.providers.vmm.cages import Depth
from herocloud.providers.vmm.users import Range

_MAKE_RULES, _VERSION, _WITH_SCOPES = 444, 1, 6


class Offer(NamedTuple):
    """One part of the cage."""

    name: str
    ok: bool
    says: str
    way_out: str = ""


def offers(folder: Path, wanted: Range | None = None) -> Iterator[Offer]:
    """Say what holds for VMMs that are started now, by any process."""
    depth = cages.depth(folder, wanted)
    yield _user(folder, depth, wanted)
    yield _rights()
    yield _view(depth)
    yield _devices(depth)
    yield _limits()
    yield Offer("VMM: environment", True, "one variable, its log and its lock as open files, `/` as its folder")
    yield Offer("VMM: system calls", True, "filtered by the VMM itself")
    yield _sockets()
    yield _loopback()
    yield _huge_pages()


def _loopback() -> Offer:
    name = "VMM: host's loopback"
    closed_by = loopback.closed_by()
    if closed_by:
        return Offer(name, True, f"closed to guests of user-mode networks, as all of this host's addresses are, by {closed_by}")
    says = f"networks in user mode with `nat` cannot be had: {loopback.why_open()}"
    return Offer(name, False, says, "give such networks `nat: false`, or run as root with nftables")


def _user(folder: Path, depth: Depth, wanted: Range | None) -> Offer:
    name = "VMM: user"
    numbers = users.usable_range(wanted)
    if depth is not Depth.CALLER and numbers is not None:
        return Offer(name, True, f"one of its own for each VM, {numbers.first} to {numbers.first + numbers.size - 1}")
    if os.geteuid() != 0:
        return Offer(
            name, False, f"the user who runs herocloud ({os.geteuid()}) for all VMs", "run as root: each VM gets a user of its own"
        )
    if numbers is None:
        hint = "choose another range with `vmm: {uids: FIRST-LAST}` in host.yaml"
        return Offer(name, False, "root without capabilities: this host does not know the users that host.yaml sets aside", hint)
    why = cages.obstacle(folder) or "unknown"
    return Offer(name, False, f"root without capabilities: {why}", "allow mounts (CAP_SYS_ADMIN), or open that for others to pass")


def _view(depth: Depth) -> Offer:
    name = "VMM: files"
    if depth is Depth.VIEW:
        return Offer(name, True, "its own, and the host's programs to read")
    hint = "run as root with the right to mount (CAP_SYS_ADMIN)"
    return Offer(name, False, "those of the host, with the permissions of its user", hint)


def _rights() -> Offer:
    name = "VMM: rights"
    if namespace_filter.is_possible():
        return Offer(name, True, "no capabilities, and no way to get any")
    way_out = (
        "run a kernel that filters system calls (CONFIG_SECCOMP_FILTER), or forbid user namespaces: `sysctl user.max_user_namespaces=0`"
    )
    return Offer(name, False, "no capabilities, but a user namespace would have some", way_out)


def _devices(depth: Depth) -> Offer:
    name = "VMM: devices"
    if depth is Depth.VIEW:
        return Offer(name, True, f"nodes of its own: {', '.join(path.removeprefix('/dev/') for path in cages.DEVICES)}")
    return Offer(name, False, "those of the host, with the permissions of its user", "run as root with the right to mount (CAP_SYS_ADMIN)")


def _sockets() -> Offer:
    name = "VMM: Unix sockets"
    if _hides_sockets():
        return Offer(name, True, "those with a path that it may use")
    return Offer(
        name, False, "those with a path that it may use, and all without a path", "run Linux 6.12 or newer, with `landlock` in its `lsm=`"
    )


def _hides_sockets() -> bool:
    """Return whether Landlock of this kernel knows scopes, by which `jail` keeps sockets without a path out of reach."""
    return int(ctypes.CDLL(None).syscall(_MAKE_RULES, None, ctypes.c_size_t(0), _VERSION)) >= _WITH_SCOPES


def _limits() -> Offer:
    name = "VMM: limits"
    if launch.has_systemd():
        return Offer(name, True, "memory, processes and weight by a unit of systemd")
    version = control_groups.version()
    if version is not None:
        return Offer(name, True, f"memory, processes and weight by control groups of version {version}")
    return Offer(name, False, "resource limits only: no control group can be made here", "let herocloud write to /sys/fs/cgroup")


def _huge_pages() -> Offer:
    name = "VMM: huge pages"
    try:
        pages = huge_pages.read()
    except OSError as error:
        return Offer(name, False, f"what the host sets aside cannot be read ({error.strerror})", "give herocloud /proc/meminfo to read")
    if not pages.size:
        return Offer(name, False, "this kernel has none, so no VM can have `hugepages: true`", "build it with CONFIG_HUGETLBFS")
    if not pages.total:
        way_out = "`sysctl vm.nr_hugepages=N` sets N of them aside, and a line in /etc/sysctl.d does so at every boot"
        return Offer(name, False, "none are set aside, so no VM can have `hugepages: true`", way_out)
    return Offer(name, True, f"{pages.free} of {pages.total} free, {sizes.format_size(pages.size)} each")
