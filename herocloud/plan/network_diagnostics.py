"""What is to be said of networks: ranges and ports that somebody else has, and names that look like those of another network."""

from herocloud.model.diagnostics import Diagnostic, Finding, Place
from herocloud.model.words import Severity
from herocloud.model.worlds import TakenRange

_RANGE_TAKEN = Finding("range-taken", "The host has these addresses already")
_INTERFACE_TAKEN = Finding("interface-taken", "An interface has the name of one of ours")
_CANNOT_PASS = Finding("cannot-pass", "Two networks want the same at once")
_PORT_TAKEN = Finding("port-taken", "A port of the host is taken")
_LOOKS_RENAMED = Finding("looks-renamed", "This looks like a rename", Severity.WARNING)


def interface_taken(address: str, name: str, place: Place | None) -> Diagnostic:
    """Tell that an interface of somebody else has the name of one of ours."""
    detail = (
        f"`{address}` needs the name of the interface `{name}`, which carries no mark of herocloud, and nothing else tells that it is ours."
    )
    return _INTERFACE_TAKEN.at(detail, address, place, hint=f"if nothing needs it, remove it: `ip link delete {name}`; else rename it")


def range_held(address: str, cidr: str, held: TakenRange, place: Place | None) -> Diagnostic:
    """Tell that the host has the addresses of a network already, and how they get free."""
    hint = "give the network another `cidr`"
    if held.way_out:
        hint += f"; or, if nothing needs it, remove what has them: `{held.way_out}`"
    return _RANGE_TAKEN.at(f"`{address}` wants {cidr}, and this host has {held.who}.", address, place, hint=hint)


def range_taken(address: str, cidr: str, what: str, place: Place | None, own: str | None = None) -> Diagnostic:
    """Tell that the host has the addresses of a network already; `own` is a network of the same stack that has them."""
    hint = "give the network another `cidr`"
    if own is not None:
        hint += f", or plan the change of `{own}` with it; for another name of the same one write `{_moved(own, address)}`"
    return _RANGE_TAKEN.at(f"`{address}` wants {cidr}, and this host has {what}.", address, place, hint=hint)


def cannot_pass(address: str, what: str, other: str, place: Place | None) -> Diagnostic:
    """Tell that a network cannot have a range or a port before something has left another one, which waits for this one."""
    detail = (
        f"`{address}` wants {what}, which `{other}` has until everything has left it, and something on `{other}` cannot leave it "
        f"before `{address}` is there."
    )
    hint = (
        f"where it is the same network under another name, write `{_moved(other, address)}`, and nothing is unplugged; "
        "else make the change in two applies"
    )
    return _CANNOT_PASS.at(detail, address, place, hint=hint)


def port_taken(address: str, port: str, who: str) -> Diagnostic:
    """Tell that a port of the host is not free."""
    return _PORT_TAKEN.at(f"`{address}` publishes port {port} of this host, and {who}.", address, hint="choose another `host_port`")


def looks_renamed(origin: str, target: str, cidr: str) -> Diagnostic:
    """Propose a `moved` entry where VMs would be unplugged for the name of a network."""
    return _LOOKS_RENAMED.at(
        f"`{origin}` goes and `{target}` comes with the same {cidr}. As planned, VMs are unplugged from the first one, and are without "
        "it until the second one is there.",
        target,
        hint=f"to keep the network and what is plugged in, write `{_moved(origin, target)}`",
    )


def _moved(origin: str, target: str) -> str:
    return f"moved: [{{from: {origin}, to: {target}}}]"
