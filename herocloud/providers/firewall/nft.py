"""The one module that starts `nft`: JSON in, JSON out.

`nft -j -f -` is one transaction: the kernel takes all of it or nothing. Only tables that a caller names are ever listed or touched.
pyroute2 speaks to nf_tables as well, and would need every expression spelled as the registers and offsets that nft compiles it to.
"""

import os
import re
from collections.abc import Iterable, Sequence

from herocloud.kits import jsons, subprocesses
from herocloud.kits.jsons import Json
from herocloud.providers import netlink
from herocloud.providers.firewall import rule_expressions, table_hooks
from herocloud.providers.firewall.rule_expressions import Rules

PROGRAM = "nft"
FORBIDDEN = "Operation not permitted"
BUSY = "Device or resource busy"
"""What it says, by which callers know what went wrong."""
_ABSENT = "No such file or directory"
_TIMEOUT = 60.0
SYSTEM = "/usr/sbin:/sbin"
"""Where programs of administrators lie."""
_OUR_NAME = re.compile(r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$")
"""Of chains; others are known to be there, and nobody asks what is in them."""


def search_path() -> str:
    """Return where programs are looked for: `su` without a dash leaves administrators without the folders of theirs."""
    return f"{os.environ.get('PATH', os.defpath)}:{SYSTEM}"


def change(commands: Iterable[Json]) -> None:
    """Carry out these commands, all or none."""
    _run(["-f", "-"], jsons.dumps({"nftables": list(commands)}))


def check(commands: Iterable[Json]) -> None:
    """Have these commands judged; nothing is changed."""
    _run(["-c", "-f", "-"], jsons.dumps({"nftables": list(commands)}))


def list_table(family: str, table: str) -> Rules | None:
    """Read the chains of a table; nothing when it is not there.

    One that has flags (it is asleep, say) is read chain by chain: nft 1.0.6 prints flags as whatever lies in memory there.
    """
    if not netlink.has_admin() or not table_hooks.has_flags(family, table):
        return _list(["table", family, table])
    known = table_hooks.read(family, table)
    rules: Rules = {}
    for name in known.chains if known is not None else ():
        if _OUR_NAME.match(name):
            rules = {**rules, **(list_chain(family, table, name) or {})}
    return rules


def list_chain(family: str, table: str, name: str) -> Rules | None:
    """Read one chain of a table; nothing when it is not there."""
    return _list(["chain", family, table, name])


def _list(what: Sequence[str]) -> Rules | None:
    try:
        answer = _run(["list", *what], "")
    except subprocesses.CommandError as error:
        if _ABSENT in error.stderr and error.returncode is not None:
            return None
        raise
    return rule_expressions.read_listing(jsons.loads(answer))


def _run(arguments: Sequence[str], document: str) -> str:
    # Its messages are recognized by their words.
    environment = {**os.environ, "LC_ALL": "C", "PATH": search_path()}
    return subprocesses.run([PROGRAM, "-j", *arguments], stdin=document, timeout=_TIMEOUT, environment=environment).stdout
