"""What a plan has to say of the overlay: a table of codes and summaries, and a function per finding for its details."""

from collections.abc import Sequence

from herocloud.kits.jsons import Json
from herocloud.model.diagnostics import Diagnostic, Finding, Place
from herocloud.model.words import Severity

_OVERLAY_UNUSABLE = Finding("overlay-unusable", "The overlay cannot be used on this host")
_OVERLAY_KEY_MISSING = Finding("overlay-key-missing", "A key of the overlay is missing")
_OVERLAY_KEY_UNUSABLE = Finding("overlay-key-unusable", "A key of the overlay cannot be used")
_OVERLAY_KEY_REPLACED = Finding("overlay-key-replaced", "A key of the overlay was replaced")
_OVERLAY_KEY_DERIVED = Finding("overlay-key-derived", "Overlay addresses are derived from a name", Severity.NOTE)
_OVERLAY_UNKNOWN = Finding("overlay-unknown", "The /64 of the overlay is not known")
_PEER_NOT_CONNECTED = Finding("peer-not-connected", "An overlay peer is not connected", Severity.WARNING)
_OVERLAY_ADDRESS_TAKEN = Finding("overlay-address-taken", "The overlay address is taken")
_OVERLAY_KEY_SHARED = Finding("overlay-key-shared", "Two overlay nodes cannot have the same key")
_OVERLAY_OTHER_NODE = Finding("overlay-other-node", "A host has one overlay node")
_OVERLAY_MOVES_OTHERS = Finding("overlay-moves-others", "VMs of another stack lose their overlay addresses", Severity.WARNING)
_OVERLAY_MODE_KEPT = Finding("overlay-mode-kept", "The mode of the overlay cannot change under VMs")
_OVERLAY_SEED_INSIDE = Finding("overlay-seed-inside", "A seed means nothing in mode `guest`")
_OVERLAY_OPEN_INSIDE = Finding("overlay-open-inside", "Ports cannot be opened in mode `guest`")
_OVERLAY_WITHOUT_UNDERLAY = Finding("overlay-without-underlay", "A VM in mode `guest` needs a network")
_OVERLAY_FOREIGN_DAEMON = Finding("overlay-foreign-daemon", "An overlay daemon with another key runs on this host")
_OVERLAY_DAEMON_UNMANAGED = Finding("overlay-daemon-unmanaged", "An overlay daemon runs on this host that herocloud did not start")
_OVERLAY_WITHOUT_ROUTE = Finding("overlay-without-route", "The overlay daemon carries no traffic of this host", Severity.WARNING)
_OVERLAY_INTERFACE_LOST = Finding("overlay-interface-lost", "The overlay daemon of this host has lost its interface")
_OVERLAY_HOST_OPEN = Finding("overlay-host-open", "The host is not closed to the overlay", Severity.WARNING)
_OVERLAY_NO_DAEMON = Finding("overlay-no-daemon", "No overlay daemon runs on this host")
_OVERLAY_NOT_SIMULATED = Finding("overlay-not-simulated", "A simulated host has no interfaces and no daemon of its own", Severity.NOTE)
_OVERLAY_NO_INTERFACE = Finding("overlay-no-interface", "An interface for discovery is not there", Severity.WARNING)
_OVERLAY_WITHOUT_SEED = Finding("overlay-without-seed", "A VM in mode `guest` needs an image that takes a seed")

UNKNOWN = _OVERLAY_UNKNOWN.code


def overlay_unusable(address: str, why: str, place: Place | None) -> Diagnostic:
    """Tell that the overlay cannot be brought about on this host."""
    return _OVERLAY_UNUSABLE.at(
        f"`{address}` asks for the Mycelium overlay, and {why}.",
        address,
        place,
        hint="`herocloud doctor` shows what is missing; take `mycelium` out, or use `--hypervisor simulator` to try the stack",
    )


def overlay_key_missing(
    names: Sequence[str], addresses: Sequence[str], place: Place | None, *, used: bool, simulated_host: str | None = None
) -> Diagnostic:
    """Tell which keys have to be made, or put back where they were `used`; on a simulated host they may have followed from its name."""
    listed = ", ".join(f"`{name}`" for name in names)
    command = f"run `herocloud mycelium key create {' '.join(names)}`"
    back = f"put the key file back from a backup to keep the addresses that are applied; for new ones {command}"
    if simulated_host is not None:
        back += f"; if they were derived while this host was not called `{simulated_host}` yet, give it its former name"
    return _OVERLAY_KEY_MISSING.at(
        f"{', '.join(f'`{address}`' for address in addresses)} cannot get an overlay address: the data folder has no key {listed}.",
        addresses[0],
        place,
        hint=back if used else command,
    )


def overlay_key_unusable(address: str, problem: str, hint: str | None, place: Place | None) -> Diagnostic:
    """Tell why a key cannot be used."""
    return _OVERLAY_KEY_UNUSABLE.at(
        f"The address of `{address}` follows from a key: {problem}.",
        address,
        place,
        hint=hint,
    )


def overlay_key_replaced(address: str, key: Json) -> Diagnostic:
    """Report a key that gives other addresses by now than the ones that come back."""
    kind, name = next(iter(key.items()))
    return _OVERLAY_KEY_REPLACED.at(
        f"`{address}` would get back what followed from the key `{name}`, and this key gives other addresses by now.",
        address,
        hint=f"put the former key back ({kind} `{name}`), or change the stack file and apply it",
    )


def overlay_key_derived(host: str, names: Sequence[str]) -> Diagnostic:
    """Tell that addresses of a simulated host follow from its name."""
    listed = ", ".join(f"`{name}`" for name in names)
    return _OVERLAY_KEY_DERIVED.at(
        f"The data folder has no key {listed}, so the overlay addresses of simulated host `{host}` are derived from names.",
    )


def overlay_unknown(address: str, place: Place | None) -> Diagnostic:
    """Report an address in a /64 that neither a key nor a record tells."""
    return _OVERLAY_UNKNOWN.at(
        f"`{address}` wants an address on the overlay, and no node of its stack was applied that it could be in.",
        address,
        place,
        hint="apply the stack with its `mycelium` first",
    )


def peer_not_connected(address: str, endpoint: str, state: str, place: Place | None) -> Diagnostic:
    """Warn about a declared peer that the daemon has no connection to. It is not drift: the peer is declared, and known to the daemon."""
    return _PEER_NOT_CONNECTED.at(
        f"The overlay daemon reports the peer `{endpoint}` as {state}; it keeps trying by itself.",
        address,
        place,
        hint="`herocloud mycelium status` shows the state of all peers",
    )


def overlay_address_taken(
    address: str, wanted: str, holder: str, stack: str, key: str | None, place: Place | None, *, own: bool
) -> Diagnostic:
    """Report an address that another VM has; `key` is that of a VM with a daemon of its own, whose address follows from it alone."""
    who = f"`{holder}`" if own else f"`{holder}` of stack `{stack}`"
    both = "both have the same seed in the same /64" if key is None else "both have the same key, and would take each other's packets"
    another = f"give one of them another name, or put another key in the place of `{key}` (`herocloud mycelium key create`)"
    return _OVERLAY_ADDRESS_TAKEN.at(
        f"`{address}` would get {wanted}, which {who} has: {both}.",
        address,
        place,
        hint="choose another seed, or leave it out" if key is None else another,
    )


def overlay_key_shared(address: str, subnet: str, holder: str, place: Place | None) -> Diagnostic:
    """Report a key that two nodes of this host would have."""
    return _OVERLAY_KEY_SHARED.at(
        f"The key of `{address}` gives {subnet}, which belongs to {holder}: two nodes with one key take each other's packets.",
        address,
        place,
        hint="give the network a key of its own: `herocloud mycelium key create NAME`",
    )


def overlay_other_node(address: str, subnet: str, stack: str, other: str, place: Place | None) -> Diagnostic:
    """Report a second key for the one node of a host."""
    return _OVERLAY_OTHER_NODE.at(
        f"The key of `{address}` gives {subnet}, and stack `{stack}` has the node of this host run with the key of {other}.",
        address,
        place,
        hint="use the same key, or `mode: network` for a node of its own",
    )


def overlay_network_beside(address: str, stack: str, subnet: str, place: Place | None, *, replaced: bool) -> Diagnostic:
    """Report a network that would have the node of the host run with another key than the one that it runs with."""
    return _OVERLAY_OTHER_NODE.at(
        f"The network of `{address}` peers with the node of this host and wants the key `host` for it; "
        f"stack `{stack}` has that node run with the key of {subnet}.",
        address,
        place,
        hint=f"the key `host` was replaced: apply stack `{stack}` first" if replaced else _ONE_KEY,
    )


def overlay_beside_network(address: str, subnet: str, stack: str, place: Place | None) -> Diagnostic:
    """Report a key for the node of the host where a network has it run with another one."""
    return _OVERLAY_OTHER_NODE.at(
        f"The key of `{address}` gives {subnet}; the network of stack `{stack}` has the node of this host run with the key `host`.",
        address,
        place,
        hint=_ONE_KEY,
    )


_ONE_KEY = "leave `key` out of the stack in mode `host`, and put its key in the place of `host` (`mycelium/keys/host.key`)"


def overlay_moves_others(address: str, subnet: str, stack: str, other: str, place: Place | None) -> Diagnostic:
    """Warn that other stacks live in the /64 that the host's node leaves."""
    return _OVERLAY_MOVES_OTHERS.at(
        f"`{address}` moves the node of this host to {subnet}; VMs of stack `{stack}` are in {other} until it is applied too.",
        address,
        place,
        hint=f"apply stack `{stack}` right after this one",
    )


def overlay_mode_kept(address: str, before: str, after: str, vms: Sequence[str], place: Place | None) -> Diagnostic:
    """Report a change of mode under VMs that are connected to the place that would go."""
    listed = f"{', '.join(f'`{vm}`' for vm in vms)} {'is' if len(vms) == 1 else 'are'}"
    return _OVERLAY_MODE_KEPT.at(
        f"`{address}` goes from mode `{before}` to `{after}`, and {listed} connected to its bridge.",
        address,
        place,
        hint="take `mycelium` out of the VMs, apply, and put it back together with the new mode",
    )


def overlay_seed_inside(address: str, place: Place | None) -> Diagnostic:
    """Tell that a seed means nothing where the address follows from a key alone."""
    return _OVERLAY_SEED_INSIDE.at(
        f"The address of `{address}` follows from its own key alone, because the daemon runs inside the VM.",
        address,
        place,
        hint="take `seed` out",
    )


def overlay_open_inside(address: str, place: Place | None) -> Diagnostic:
    """Tell that the host cannot judge what is encrypted up to the VM."""
    return _OVERLAY_OPEN_INSIDE.at(
        f"The daemon of `{address}` runs inside the VM, and its traffic is encrypted up to there: only the guest can judge it.",
        address,
        place,
        hint="take `open` out, and set up a firewall in the guest",
    )


def overlay_without_underlay(address: str, place: Place | None) -> Diagnostic:
    """Tell that a daemon inside a VM without networks reaches nobody."""
    return _OVERLAY_WITHOUT_UNDERLAY.at(
        f"The daemon inside `{address}` reaches its peers through a network of the VM, and it has none.",
        address,
        place,
        hint="give it a network with `nat: true`",
    )


def overlay_foreign_daemon(address: str, running: str, subnet: str, place: Place | None) -> Diagnostic:
    """Report a daemon of the host that has another key than the plan."""
    return _OVERLAY_FOREIGN_DAEMON.at(
        f"The key of `{address}` gives {subnet}, and the daemon that runs on this host, not started by herocloud, has {running}.",
        address,
        place,
        hint="name the key file of that daemon (`mycelium: {key: {file: …}}`), stop the daemon, or use `mode: network`",
    )


def overlay_daemon_unmanaged(address: str, running: str, place: Place | None) -> Diagnostic:
    """Report a daemon of the host where the stack wants herocloud to run it."""
    return _OVERLAY_DAEMON_UNMANAGED.at(
        f"`{address}` says `daemon: manage`, and a daemon that herocloud did not start runs with {running}.",
        address,
        place,
        hint="say `daemon: adopt` or `daemon: auto`, or stop the daemon",
    )


def overlay_without_route(address: str, running: str, place: Place | None) -> Diagnostic:
    """Warn about an adopted daemon that carries no traffic of this host. It is not drift: herocloud does not start it."""
    return _OVERLAY_WITHOUT_ROUTE.at(
        f"The adopted daemon with {running} gives this host no route to 400::/7: VMs reach nobody outside of their /64.",
        address,
        place,
        hint="start the daemon without `--no-tun`",
    )


def overlay_interface_lost(address: str, running: str, place: Place | None) -> Diagnostic:
    """Report an adopted daemon whose interface was removed: nothing but another start brings it back, and that is not ours to do."""
    return _OVERLAY_INTERFACE_LOST.at(
        f"Somebody removed the interface of the daemon with {running}, which `{address}` adopts: nothing reaches its VMs.",
        address,
        place,
        hint="start that daemon again, as it was started before, and plan again; herocloud restarts only daemons that it runs itself",
    )


def overlay_host_open(address: str, place: Place | None) -> Diagnostic:
    """Warn about openings of a host that herocloud does not close."""
    return _OVERLAY_HOST_OPEN.at(
        f"`{address}` opens ports of the host, and the overlay daemon was not started by herocloud: its interface is left as it is.",
        address,
        place,
        hint="take `host_open` out, and close the interface of the daemon in the firewall of the host",
    )


def overlay_no_daemon(address: str, place: Place | None) -> Diagnostic:
    """Report that there is nothing to adopt."""
    return _OVERLAY_NO_DAEMON.at(
        f"`{address}` says `daemon: adopt`, and no daemon answers on port 8989.",
        address,
        place,
        hint="start the daemon, or say `daemon: manage` or `daemon: auto`",
    )


def overlay_not_simulated(address: str, fields: Sequence[str], place: Place | None) -> Diagnostic:
    """Say what a plan for a simulated host could not be held against."""
    listed = " and ".join(f"`{field}`" for field in fields)
    return _OVERLAY_NOT_SIMULATED.at(
        f"`{address}` says {listed}, which only a real host can be compared with: there it may be a warning or an error.",
        address,
        place,
    )


def overlay_no_interface(address: str, name: str, near: str | None, place: Place | None) -> Diagnostic:
    """Warn about an interface on which no peer can be discovered. It may come later, and the daemon looks for peers there then."""
    return _OVERLAY_NO_INTERFACE.at(
        f"`{address}` has peers discovered on `{name}`, and this host has no such interface"
        + (f"; did you mean `{near}`?" if near else "."),
        address,
        place,
        hint="`ip link` lists the interfaces of this host",
    )


def overlay_without_seed(address: str, image: str, place: Place | None) -> Diagnostic:
    """Report a VM whose key cannot be brought into it."""
    return _OVERLAY_WITHOUT_SEED.at(
        f"The key of the daemon inside `{address}` comes with the seed, and the image `{image}` takes none.",
        address,
        place,
        hint="say `nocloud: true` of the image if it reads cloud-init seeds, or choose another mode",
    )


def overlay_own_daemon(address: str, running: str, subnet: str, place: Place | None) -> Diagnostic:
    """Report that the daemon which could be adopted is ours, and has another key."""
    return _OVERLAY_FOREIGN_DAEMON.at(
        f"The key of `{address}` gives {subnet}, and the daemon that herocloud runs for other stacks has {running}.",
        address,
        place,
        hint="use the same key, or `mode: network`",
    )
