"""What the overlay can do on this host, for plans that have to choose and for people who ask."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from herocloud.kits import sizes
from herocloud.model.errors import HerocloudError
from herocloud.providers.mycelium import daemon_program, host_daemon
from herocloud.providers.mycelium.host_daemon import HostDaemon
from herocloud.providers.seam import Standing

if TYPE_CHECKING:
    from herocloud.providers.mycelium import status

_NET_ADMIN = 12
_PROGRAMS = {"ip": "iproute2", "nft": "nftables"}


def survey(data: Path, *, thorough: bool) -> Standing:
    """Look for the daemon or the program, for the rights, and thoroughly for what is wrong with what runs."""
    if not _has_admin():
        return Standing(False, "the overlay needs CAP_NET_ADMIN, which this user does not have")
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    for program, package in _PROGRAMS.items():
        if shutil.which(program, path=path) is None:
            return Standing(False, f"the overlay needs the program `{program}`, which is missing; install the package {package}")
    if not Path("/dev/net/tun").exists():
        return Standing(False, "the overlay needs `/dev/net/tun`, which is missing; load the kernel module tun")
    if not Path("/proc/sys/net/ipv6").is_dir():
        return Standing(False, "the overlay needs IPv6, which this kernel does not have")
    try:
        node = host_daemon.find(data)
    except HerocloudError as error:
        return Standing(False, str(error))
    if node is None and shutil.which(daemon_program.PROGRAM) is None:
        return Standing(False, "no overlay daemon runs, and the program `mycelium` is not on PATH; install it")
    if not thorough:
        return Standing(True, "ready")
    return Standing(True, _describe(data, node))


def _describe(data: Path, node: HostDaemon | None) -> str:
    from herocloud.providers.mycelium import status

    version = daemon_program.version()
    program = f"mycelium {version}" if version else "no program `mycelium` on PATH"
    if node is None:
        said = [f"ready; {program}, no daemon runs"]
    else:
        said = [f"ready; {program}, {'run by herocloud' if node.managed else 'adopted'}, {_describe_daemon(status.read(data))}"]
    said += [f"network `{stack}`: {_describe_daemon(report)}" for stack, report in status.read_networks(data).items()]
    return "; ".join(said)


def _describe_daemon(report: "status.Report") -> str:
    if not report.running:
        return report.trouble or "no daemon runs"
    peers = f"{sum(1 for peer in report.peers if peer.state == 'alive')} of {len(report.peers)} peers alive"
    dead = [f"`{peer.endpoint}` is {peer.state}" for peer in report.peers if peer.declared and peer.state != "alive"]
    routes = f"{len(report.routes)} {'route' if len(report.routes) == 1 else 'routes'}"
    count, sent, received = report.vm_traffic()
    traffic = f"{sizes.show_size(sent)} from and {sizes.show_size(received)} to {count} {'VM' if count == 1 else 'VMs'}"
    address = [f"address {report.address}"] if report.address else []
    carried = [] if report.carries else ["no route to 400::/7 (started without a TUN, or somebody removed it)"]
    return ", ".join((*address, f"subnet {report.subnet}", *carried, peers, *dead, routes, traffic))


def _has_admin() -> bool:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff:"))
    return bool(int(line.split()[1], 16) >> _NET_ADMIN & 1)
