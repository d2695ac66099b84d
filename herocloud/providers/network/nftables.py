"""The one module that runs `nft`: whole transactions in, our own two tables out.

`nft -j -f -` is one transaction: the kernel takes all of it or nothing. Only the tables named here are ever listed or touched. pyroute2
speaks to nf_tables as well, and would need every expression spelled as the registers and offsets that nft compiles it to.
"""

import os
import re
from collections.abc import Iterable, Mapping

from herocloud.kits import faults, jsons, subprocesses
from herocloud.kits.jsons import Json
from herocloud.model.errors import HerocloudError, Permanent, Temporary
from herocloud.providers.network import dumps, inbound, network_rules, rule_expressions, table_hooks, tap_rules
from herocloud.providers.network.links import EFFECT
from herocloud.providers.network.rule_expressions import Rule, Rules

_TIMEOUT = 60.0
_ABSENT = "No such file or directory"
_FORBIDDEN = "Operation not permitted"
_BUSY = "Device or resource busy"
_OUR_NAME = re.compile(r"^[a-z][a-z0-9-]*$")
"""Of chains; others are known to be there, and nobody asks what is in them."""


def read_networks() -> Rules | None:
    """Read the chains of networks; nothing when our table is not there."""
    return _list(["table", network_rules.FAMILY, network_rules.TABLE])


def read_taps() -> Rules | None:
    """Read the chains of all taps; nothing when our table is not there."""
    return _list(["table", tap_rules.FAMILY, tap_rules.TABLE])


def read_inbound() -> Rules | None:
    """Read what reaches guests on the overlay; nothing when our table is not there."""
    return _list(["table", inbound.FAMILY, inbound.TABLE])


def read_tap(name: str) -> Rules | None:
    """Read the chain of one tap; nothing when it is not there."""
    return _list(["chain", tap_rules.FAMILY, tap_rules.TABLE, name])


def change_rules(commands: Iterable[Json]) -> None:
    """Carry out these commands, all or none."""
    document = jsons.dumps({"nftables": list(commands)})
    faults.reached(EFFECT)
    try:
        _nft(["-f", "-"], document)
    except subprocesses.CommandError as error:
        raise _explain(error) from error


def missing_features() -> list[str]:
    """Name what our rules need and this kernel (or this nft) does not take; nothing is changed."""
    missing = []
    for name, commands in _SAMPLES.items():
        try:
            _nft(["-c", "-f", "-"], jsons.dumps({"nftables": commands}))
        except subprocesses.CommandError as error:
            if error.returncode is None or _FORBIDDEN in error.stderr:
                raise _explain(error) from error
            missing.append(name)
    return missing


def _list(what: list[str]) -> Rules | None:
    if what[0] == "table" and dumps.has_admin() and table_hooks.has_flags(what[1], what[2]):
        return _list_by_chain(what[1], what[2])
    try:
        answer = _nft(["list", *what], "")
    except subprocesses.CommandError as error:
        if _ABSENT in error.stderr and error.returncode is not None:
            return None
        raise _explain(error) from error
    return rule_expressions.read_listing(jsons.loads(answer))


def _list_by_chain(family: str, table: str) -> Rules:
    """Read a table that has flags (it is asleep, say) chain by chain: nft 1.0.6 prints flags as whatever lies in memory there."""
    known = table_hooks.read(family, table)
    found: dict[str, tuple[Rule, ...]] = {}
    for name in known.chains if known is not None else ():
        if _OUR_NAME.match(name):
            found.update(_list(["chain", family, table, name]) or {})
    return found


def _nft(arguments: list[str], document: str) -> str:
    # Its messages are recognised by their words.
    environment = {**os.environ, "LC_ALL": "C", "PATH": dumps.search_path()}
    return subprocesses.run(["nft", "-j", *arguments], stdin=document, timeout=_TIMEOUT, environment=environment).stdout


def _explain(error: subprocesses.CommandError) -> HerocloudError:
    if error.returncode is None:
        return Permanent(f"{error}; networks need the program `nft`, which is in the package nftables")
    if _FORBIDDEN in error.stderr:
        return Permanent("the firewall rules of networks need CAP_NET_ADMIN, which this process does not have; run it as root")
    if _BUSY in error.stderr:
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
