"""Prints what a network card costs: bridge and tap for each of 200 VMs, made, seen and removed, beside plain commands that do the same.

It needs root and works in a network namespace of its own, which is gone afterwards; the machine's own network is not touched. The plain
commands are what an administrator would type: `ip` for the devices, `tc` for a limit, `nft` for the guard. They check nothing first.
"""

import argparse
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

NAMESPACE = f"hcbench-{os.getpid()}"
INSIDE = "HEROCLOUD_BENCH_INSIDE"
LANE = 8
"""How many steps of networks an apply runs at once."""


def main() -> None:
    """Go into a namespace, measure there, and print."""
    arguments = _parse()
    if os.environ.get(INSIDE):
        _measure(arguments.vms, limited=arguments.limited)
        return
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    try:
        words = [sys.executable, str(Path(__file__).resolve()), *sys.argv[1:]]
        subprocess.run(["ip", "netns", "exec", NAMESPACE, *words], env={**os.environ, INSIDE: "1"}, check=True)
    finally:
        subprocess.run(["ip", "netns", "delete", NAMESPACE], check=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vms", type=int, default=200)
    parser.add_argument("--limited", action="store_true", help="with a rate limit in both directions")
    return parser.parse_args()


def _measure(vms: int, *, limited: bool) -> None:
    from herocloud.model.steps import Step
    from herocloud.providers.network import driving, observing
    from herocloud.providers.seam import Work

    folder = tempfile.mkdtemp()
    driver, observer = driving.NetworkDriver(Path(folder)), observing.NetworkObserver(Path(folder))
    networks = [(f"network.n{number}", _network(number)) for number in range(-(-vms // 200))]
    nics = [(f"vm.web[{number}]", _nic(number, limited=limited)) for number in range(vms)]

    def steps(kind: str, part: str, things: Sequence[tuple[str, dict]], *, gone: bool) -> list[Callable[[], object]]:
        works = [
            Work(
                Step(f"{address}/{kind}", address, kind, "network", part, *((one, None) if gone else (None, one))),
                "bench",
                {},
                "bench",
                "p",
            )
            for address, one in things
        ]
        return [lambda work=work: driver.perform(work) for work in works]

    print(f"{vms} VMs, one network card each{', limited in both directions' if limited else ''}; {os.cpu_count()} processors")
    # The first change imports the library and opens the connection; an apply pays that once, so it is shown by itself.
    _row("first bridge", 1, _time(steps("network.create", "network", networks[:1], gone=False)))
    if networks[1:]:
        _row("other bridges", len(networks) - 1, _time(steps("network.create", "network", networks[1:], gone=False)))
    half = len(nics) // 2
    _row("taps, one after another", half, _time(steps("tap.create", "nic.0", nics[:half], gone=False)))
    _row(f"taps, {LANE} at once as in an apply", vms - half, _time(steps("tap.create", "nic.0", nics[half:], gone=False), LANE))
    _row("seeing all of it, once", 1, min(_time([observer.observe]) for _ in range(3)))
    _row("removing taps, one after another", vms, _time(steps("tap.delete", "nic.0", nics, gone=True)))
    _row("removing bridges", len(networks), _time(steps("network.delete", "network", networks, gone=True)))
    driver.close()
    plain = [lambda number=number: _by_hand(number, limited=limited) for number in range(vms)]
    subprocess.run(["ip", "link", "add", "hand", "type", "bridge"], check=True)
    _row("taps, with ip and nft by hand", vms, _time(plain))
    _row("removing those by hand", vms, _time([lambda number=number: _remove_by_hand(number) for number in range(vms)]))


def _network(number: int) -> dict:
    cidr, gateway = f"10.{42 + number}.0.0/16", f"10.{42 + number}.0.1"
    return {"cidr": cidr, "nat": True, "isolated": False, "forward": [], "gateway": gateway, "bridge": f"hb-n{number}"}


def _nic(number: int, *, limited: bool) -> dict:
    rate = {"download": 12_500_000, "upload": 6_250_000} if limited else None
    mac, address = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}", f"10.{42 + number // 200}.1.{number % 200 + 1}"
    return {"network": f"n{number // 200}", "mac": mac, "address": address, "tap": f"hc-v{number}-0", "rate": rate}


def _by_hand(number: int, *, limited: bool) -> None:
    tap, mac, address = f"hand{number}", f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}", f"10.42.1.{number % 200 + 1}"
    rules = f"""
    add table netdev hand
    add chain netdev hand {tap} {{ type filter hook ingress device {tap} priority 0 ; policy drop ; }}
    add rule netdev hand {tap} ether saddr != {mac} drop
    add rule netdev hand {tap} ether type 8021q drop
    add rule netdev hand {tap} ether type 8021ad drop
    add rule netdev hand {tap} arp htype 1 arp ptype ip arp saddr ether {mac} arp saddr ip {address} accept
    add rule netdev hand {tap} arp htype 1 arp ptype ip arp saddr ether {mac} arp saddr ip 0.0.0.0 accept
    add rule netdev hand {tap} ip saddr {address} accept
    """
    commands = [["ip", "tuntap", "add", tap, "mode", "tap", "user", "root"], ["ip", "link", "set", tap, "master", "hand", "alias", mac]]
    if limited:
        shape = ["root", "tbf", "rate", "100mbit", "burst", "200000", "latency", "50ms"]
        commands += [["ip", "link", "add", f"up{number}", "type", "ifb"], ["ip", "link", "set", f"up{number}", "up"]]
        commands += [["tc", "qdisc", "add", "dev", name, *shape] for name in (tap, f"up{number}")]
    for command in commands:
        subprocess.run(command, check=True)
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    subprocess.run(["ip", "link", "set", tap, "up"], check=True)


def _remove_by_hand(number: int) -> None:
    subprocess.run(["ip", "link", "delete", f"hand{number}"], check=True)
    subprocess.run(
        ["nft", "-f", "-"], input=f"flush chain netdev hand hand{number}\ndelete chain netdev hand hand{number}\n", text=True, check=True
    )


def _time(tasks: Sequence[Callable[[], object]], threads: int = 1) -> float:
    waiting: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
    for task in tasks:
        waiting.put(task)

    def work() -> None:
        while True:
            try:
                task = waiting.get_nowait()
            except queue.Empty:
                return
            task()

    crew = [threading.Thread(target=work) for _ in range(threads)]
    started = time.perf_counter()
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    return time.perf_counter() - started


def _row(what: str, count: int, seconds: float) -> None:
    print(f"{what:40}{seconds * 1000:>10.0f} ms{seconds / count * 1000:>10.1f} ms each", flush=True)


if __name__ == "__main__":
    main()
