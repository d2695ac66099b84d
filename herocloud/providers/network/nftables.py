"""The transactions of this provider and its own tables, with the words for what went wrong."""

from collections.abc import Callable, Iterable, Mapping

from herocloud.kits import faults, subprocesses
from herocloud.kits.jsons import Json
from herocloud.model.errors import HerocloudError, Permanent, Temporary
from herocloud.providers.firewall import nft, our_tables, rule_expressions
from herocloud.providers.firewall.rule_expressions import Rules
from herocloud.providers.network import inbound, network_rules, tap_rules
from herocloud.providers.network.links import EFFECT


def read_networks() -> Rules | None:
    """Read the chains of networks; nothing when our table is not there."""
    return _asked(lambda: nft.list_table(network_rules.FAMILY, network_rules.TABLE))


def read_taps() -> Rules | None:
    """Read the chains of all taps; nothing when our table is not there."""
    return _asked(lambda: nft.list_table(tap_rules.FAMILY, tap_rules.TABLE))


def read_inbound() -> Rules | None:
    """Read what reaches guests on the overlay; nothing when our table is not there."""
    # Most hosts have none, and asking the kernel costs less than starting a program.
    return _asked(lambda: nft.list_table(inbound.FAMILY, inbound.TABLE) if inbound.TABLE in our_tables.names() else None)


def read_tap(name: str) -> Rules | None:
    """Read the chain of one tap; nothing when it is not there."""
    return _asked(lambda: nft.list_chain(tap_rules.FAMILY, tap_rules.TABLE, name))


def change_rules(commands: Iterable[Json]) -> None:
    """Carry out these commands, all or none."""
    faults.reached(EFFECT)
    try:
        nft.change(commands)
    except subprocesses.CommandError as error:
        raise _explain(error) from error


def missing_features() -> list[str]:
    """Name what our rules need and this kernel (or this nft) does not take; nothing is changed."""
    missing = []
    for name, commands in _SAMPLES.items():
        try:
            nft.check(commands)
        except subprocesses.CommandError as error:
            if error.returncode is None or nft.FORBIDDEN in error.stderr:
                raise _explain(error) from error
            missing.append(name)
    return missing


def _asked(ask: Callable[[], Rules | None]) -> Rules | None:
    try:
        return ask()
    except subprocesses.CommandError as error:
        raise _explain(error) from error


def _explain(error: subprocesses.CommandError) -> HerocloudError:
    if error.returncode is None:
        return Permanent(f"{error}; networks need the program `nft`, which is in the package nftables")
    if nft.FORBIDDEN in error.stderr:
        return Permanent("the firewall rules of networks need CAP_NET_ADMIN, which this process does not have; run it as root")
    if nft.BUSY in error.stderr:
        return Temporary(f"nftables is busy: {_first_line(error.stderr)}")
    if "-c" not in error.cmd and "list" not in error.cmd:
        missing = missing_features()
        if missing:
            return Permanent(f"this kernel lacks {', '.join(missing)}, which the rules of networks need; load or build in the module")
    return Permanent(f"nftables refused the rules: {_first_line(error.stderr)}")


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")


def _sample(family: str, hook: Mapping[str, Json], *expr: Json) -> list[Json]:
    table = "herocloud-check"
    chain = rule_expressions.Chain("check", hook, (("", list(expr)),) if expr else ())
    return rule_expressions.load(family, table, [chain])


_FILTER = {"type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}
_NAT = {"type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}
_DNAT = {"type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept"}
_INGRESS = {"type": "filter", "hook": "ingress", "dev": "lo", "prio": 0, "policy": "accept"}
_LOCAL = rule_expressions.equals({"fib": {"result": "type", "flags": ["daddr"]}}, "local")

_SAMPLES: dict[str, list[Json]] = {
    "nf_tables (nf_tables_inet)": _sample("inet", _FILTER),
    "netdev tables (nf_tables_netdev)": _sample("netdev", _INGRESS),
    "connection tracking (nft_ct)": _sample("inet", _FILTER, rule_expressions.has("state", "established"), rule_expressions.ACCEPT),
    "address translation (nft_chain_nat)": _sample("inet", _NAT),
    "masquerading (nft_masq)": _sample("inet", _NAT, rule_expressions.MASQUERADE),
    "published ports (nft_nat)": _sample("inet", _DNAT, {"dnat": {"family": "ip", "addr": "192.0.2.1"}}),
    "routing look-ups (nft_fib_inet)": _sample("inet", _DNAT, _LOCAL, rule_expressions.ACCEPT),
    "forwarding at ingress (nft_fwd_netdev)": _sample("netdev", _INGRESS, {"fwd": {"dev": "lo"}}),
}
"""What our rules are made of, each tried by itself where a whole transaction was refused: the kernel does not say which part it lacks."""
