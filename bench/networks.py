"""Prints what networks and network cards cost: made, seen and removed for 200 VMs, each beside the plain commands that do the same.

It needs root and works in a network namespace of its own, which is gone afterwards; the machine's own network is not touched. The plain
commands are `ip -batch` for devices, `tc` for limits and `nft -f` for rules, once for each VM, which is what a script would do that wants
to know how far it came; on lines of their own once for all of them, which is the fastest that anybody could be. They check nothing and
keep no mark. Ratios are ours divided by theirs, so that less is better.
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
PER_NETWORK = 200

Task = Callable[[], object]


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


class Ours:
    """The provider, as an apply calls it."""

    def __init__(self, vms: int, *, limited: bool) -> None:
        """Prepare the steps of networks and cards."""
        from herocloud.providers.network import driving, observing

        folder = Path(tempfile.mkdtemp())
        self.driver, self.observer = driving.NetworkDriver(folder), observing.NetworkObserver(folder)
        self._networks = [(f"network.n{number}", _network(number)) for number in range(-(-vms // PER_NETWORK))]
        self._nics = [(f"vm.web[{number}]", _nic(number, limited=limited)) for number in range(vms)]

    def networks(self, *, gone: bool = False) -> list[Task]:
        """Return the steps that make or remove the networks."""
        return self._steps("network", "network", self._networks, gone=gone)

    def taps(self, *, gone: bool = False) -> list[Task]:
        """Return the steps that make or remove the taps."""
        return self._steps("tap", "nic.0", self._nics, gone=gone)

    def _steps(self, kind: str, part: str, things: Sequence[tuple[str, dict]], *, gone: bool) -> list[Task]:
        from herocloud.model.steps import Step
        from herocloud.providers.seam import Work

        kind = f"{kind}.{'delete' if gone else 'create'}"
        works = [
            Work(Step(f"{name}/{kind}", name, kind, "network", part, *((one, None) if gone else (None, one))), "bench", {}, "bench", "p")
            for name, one in things
        ]
        return [lambda work=work: self.driver.perform(work) for work in works]


def _measure(vms: int, *, limited: bool) -> None:
    ours = Ours(vms, limited=limited)
    print(
        f"{vms} VMs, one network card each{', limited in both directions' if limited else ''}; {os.cpu_count()} processors; for each VM\n"
    )
    print(f"{'':40}{'herocloud':>12}{'beside it':>12}{'ratio':>8}")
    made = _time(ours.networks()) + _time(ours.taps(), LANE)
    seen = min(_time([ours.observer.observe]) for _ in range(3))
    removed = _time(ours.taps(gone=True), LANE) + _time(ours.networks(gone=True))
    one_by_one = _time(ours.networks()) + _time(ours.taps())
    _time(ours.taps(gone=True))
    _time(ours.networks(gone=True))
    ours.driver.close()

    networks = [_plain_network(number) for number in range(-(-vms // PER_NETWORK))]
    taps = [_plain_tap(number, limited=limited) for number in range(vms)]
    gone = [_plain_removal(number) for number in range(vms)]
    gone_limited = [_Plain([f"link del up{number}"], [], []) for number in range(vms)] if limited else []
    by_hand = _time([one.run for one in (*networks, *taps)])
    seen_by_hand = min(_time([_look_by_hand]) for _ in range(3))
    gone_by_hand = _time([one.run for one in (*gone, *gone_limited)])
    _clean(len(networks))
    at_once = _time([_joined([*networks, *taps]).run])
    gone_at_once = _time([_joined([*gone, *gone_limited]).run])
    _clean(len(networks))

    for what, mine, theirs, beside in (
        (f"bridge and tap, {LANE} at once as an apply", made, by_hand, "ip -batch and nft -f for each VM"),
        ("bridge and tap, one after another", one_by_one, by_hand, "the same"),
        ("", made, at_once, "ip -batch and nft -f once for all"),
        ("seeing everything, once", seen, seen_by_hand, "ip -json, tc and nft -j, once"),
        ("removing", removed, gone_by_hand, "ip -batch and nft -f for each VM"),
        ("", removed, gone_at_once, "ip -batch and nft -f once for all"),
    ):
        print(f"{what:40}{_ms(mine / vms):>12}{_ms(theirs / vms):>12}{mine / theirs:>8.2f}  {beside}", flush=True)


def _network(number: int) -> dict:
    cidr, gateway = f"10.{42 + number}.0.0/16", f"10.{42 + number}.0.1"
    return {"cidr": cidr, "nat": True, "isolated": False, "forward": [], "gateway": gateway, "bridge": f"hb-n{number}"}


def _nic(number: int, *, limited: bool) -> dict:
    rate = {"download": 12_500_000, "upload": 6_250_000} if limited else None
    return {
        "network": f"n{number // PER_NETWORK}",
        "mac": _mac(number),
        "address": _address(number),
        "tap": f"hc-v{number}-0",
        "rate": rate,
    }


def _mac(number: int) -> str:
    return f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"


def _address(number: int) -> str:
    return f"10.{42 + number // PER_NETWORK}.1.{number % PER_NETWORK + 1}"


class _Plain:
    """Commands that make something: lines for `ip`, for `tc` and for `nft`, each program started once."""

    def __init__(self, ip: list[str], tc: list[str], nft: list[str]) -> None:
        self.ip, self.tc, self.nft = ip, tc, nft

    def run(self) -> None:
        for words, lines in ((["ip", "-batch", "-"], self.ip), (["tc", "-batch", "-"], self.tc), (["nft", "-f", "-"], self.nft)):
            if lines:
                subprocess.run(words, input="\n".join([*lines, ""]), text=True, check=True)


def _joined(all_of: Sequence[_Plain]) -> _Plain:
    return _Plain(*([line for one in all_of for line in getattr(one, name)] for name in ("ip", "tc", "nft")))


def _plain_network(number: int) -> _Plain:
    bridge, cidr = f"hand-n{number}", f"10.{42 + number}.0.0/16"
    hooks = {
        "forward": (
            "filter hook forward priority 0",
            [f'iifname "{bridge}" ip saddr != {cidr} drop', f'oifname "{bridge}" ct state new drop'],
        ),
        "raw": ("filter hook prerouting priority -300", [f'iifname "{bridge}" ip daddr 127.0.0.0/8 drop']),
        "leaving": ("nat hook postrouting priority 100", [f"ip saddr {cidr} ip daddr != {cidr} masquerade"]),
    }
    rules = ["add table inet hand"]
    for name, (hook, lines) in hooks.items():
        rules.append(f"add chain inet hand {name}-{bridge} {{ type {hook} ; }}")
        rules += [f"add rule inet hand {name}-{bridge} {line}" for line in lines]
    return _Plain([f"link add {bridge} type bridge", f"addr add 10.{42 + number}.0.1/16 dev {bridge}", f"link set {bridge} up"], [], rules)


def _plain_tap(number: int, *, limited: bool) -> _Plain:
    tap, mac, address = f"hand{number}", _mac(number), _address(number)
    rules = [
        "add table netdev hand",
        f"add chain netdev hand {tap} {{ type filter hook ingress device {tap} priority 0 ; policy drop ; }}",
        *(
            f"add rule netdev hand {tap} {rule}"
            for rule in (
                f"ether saddr != {mac} drop",
                "ether type 8021q drop",
                "ether type 8021ad drop",
                f"arp htype 1 arp ptype ip arp saddr ether {mac} arp saddr ip {address} accept",
                f"arp htype 1 arp ptype ip arp saddr ether {mac} arp saddr ip 0.0.0.0 accept",
                f"ip saddr {address} accept",
            )
        ),
    ]
    devices = [
        f"tuntap add {tap} mode tap user root",
        f"link set {tap} master hand-n{number // PER_NETWORK} alias {mac}",
        f"link set {tap} up",
    ]
    limits = []
    if limited:
        devices += [f"link add up{number} type ifb", f"link set up{number} up"]
        limits = [f"qdisc add dev {name} root tbf rate 100mbit burst 200000 latency 50ms" for name in (tap, f"up{number}")]
    return _Plain(devices, limits, rules)


def _plain_removal(number: int) -> _Plain:
    # Some kernels drop the chain of a device with the device; adding it first does no harm on the others.
    return _Plain([f"link del hand{number}"], [], [f"{verb} chain netdev hand hand{number}" for verb in ("add", "flush", "delete")])


def _look_by_hand() -> None:
    for words in ("ip -json -details link", "ip -json address", "ip -json route", "tc qdisc", "nft -j list ruleset"):
        subprocess.run(words.split(), stdout=subprocess.DEVNULL, check=True)


def _clean(networks: int) -> None:
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    _Plain([f"link del hand-n{number}" for number in range(networks)], [], []).run()


def _time(tasks: Sequence[Task], threads: int = 1) -> float:
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
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


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


if __name__ == "__main__":
    main()
