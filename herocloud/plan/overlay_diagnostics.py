"""What a plan has to say of the overlay: one function per finding."""

from collections.abc import Sequence

from herocloud.kits.jsons import Json
from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.words import Severity


def overlay_unusable(address: str, why: str, place: Place | None) -> Diagnostic:
    """Tell that the overlay cannot be brought about on this host."""
    return Diagnostic(
        code="overlay-unusable",
        summary="The overlay cannot be used on this host",
        detail=f"`{address}` asks for the Mycelium overlay, and {why}.",
        address=address,
        place=place,
        hint="`herocloud doctor` shows what is missing; take `mycelium` out, or use `--hypervisor simulator` to try the stack",
    )


def overlay_key_missing(names: Sequence[str], addresses: Sequence[str], place: Place | None, *, used: bool) -> Diagnostic:
    """Tell which keys have to be made, or put back where they were `used`."""
    listed = ", ".join(f"`{name}`" for name in names)
    command = f"run `herocloud mycelium key create {' '.join(names)}`"
    back = f"put the key file back from a backup to keep the addresses that are applied; for new ones {command}"
    return Diagnostic(
        code="overlay-key-missing",
        summary="A key of the overlay is missing",
        detail=f"{', '.join(f'`{one}`' for one in addresses)} cannot have an address: there is no key {listed} in the data folder.",
        address=addresses[0],
        place=place,
        hint=back if used else command,
    )


def overlay_key_unusable(address: str, problem: str, hint: str | None, place: Place | None) -> Diagnostic:
    """Tell why a key cannot be used."""
    return Diagnostic(
        code="overlay-key-unusable",
        summary="A key of the overlay cannot be used",
        detail=f"The address of `{address}` follows from a key: {problem}.",
        address=address,
        place=place,
        hint=hint,
    )


def overlay_key_replaced(address: str, key: Json) -> Diagnostic:
    """Report a key that gives other addresses by now than the ones that come back."""
    kind, name = next(iter(key.items()))
    return Diagnostic(
        code="overlay-key-replaced",
        summary="A key of the overlay was replaced",
        detail=f"`{address}` would get back what followed from the key `{name}`, and this key gives other addresses by now.",
        address=address,
        hint=f"put the former key back ({kind} `{name}`), or change the stack file and apply it",
    )


def overlay_key_derived(host: str, names: Sequence[str]) -> Diagnostic:
    """Tell that addresses of a simulated host follow from its name."""
    listed = ", ".join(f"`{name}`" for name in names)
    return Diagnostic(
        code="overlay-key-derived",
        summary="Overlay addresses are derived from a name",
        detail=f"There is no key {listed}; on the simulator, the overlay addresses of host `{host}` are derived from names instead.",
        severity=Severity.NOTE,
    )


UNKNOWN = "overlay-unknown"


def overlay_unknown(address: str, place: Place | None) -> Diagnostic:
    """Report an address in a /64 that neither a key nor a record tells."""
    return Diagnostic(
        code=UNKNOWN,
        summary="The /64 of the overlay is not known",
        detail=f"`{address}` wants an address on the overlay, and no node of its stack was applied that it could be in.",
        address=address,
        place=place,
        hint="apply the stack with its `mycelium` first",
    )


def peer_not_connected(address: str, endpoint: str, state: str, place: Place | None) -> Diagnostic:
    """Warn about a declared peer that the daemon has no connection to. It is not drift: the peer is declared, and known to the daemon."""
    return Diagnostic(
        code="peer-not-connected",
        summary="An overlay peer is not connected",
        detail=f"The overlay daemon reports the peer `{endpoint}` as {state}; it keeps trying by itself.",
        severity=Severity.WARNING,
        address=address,
        place=place,
        hint="`herocloud mycelium status` shows the state of all peers",
    )


def overlay_address_taken(
    address: str, wanted: str, holder: str, stack: str, key: str | None, place: Place | None, *, own: bool
) -> Diagnostic:
    """Report an address that another VM has; `key` is that of a VM with a daemon of its own, whose address follows from it alone."""
    who = f"`{holder}`" if own else f"`{holder}` of stack `{stack}`"
    both = "both have the same seed in the same /64" if key is None else "both have the same key, and would take each other's packets"
    another = f"give one of them another name, or put another key in the place of `{key}` (`herocloud mycelium key create`)"
    return Diagnostic(
        code="overlay-address-taken",
        summary="The overlay address is taken",
        detail=f"`{address}` would get {wanted}, which {who} has: {both}.",
        address=address,
        place=place,
        hint="choose another seed, or leave it out" if key is None else another,
    )


def overlay_key_shared(address: str, subnet: str, holder: str, place: Place | None) -> Diagnostic:
    """Report a key that two nodes of this host would have."""
    return Diagnostic(
        code="overlay-key-shared",
        summary="Two overlay nodes cannot have the same key",
        detail=f"The key of `{address}` gives {subnet}, which belongs to {holder}: two nodes with one key take each other's packets.",
        address=address,
        place=place,
        hint="give the network a key of its own: `herocloud mycelium key create NAME`",
    )


def overlay_other_node(address: str, subnet: str, stack: str, other: str, place: Place | None) -> Diagnostic:
    """Report a second key for the one node of a host."""
    return Diagnostic(
        code="overlay-other-node",
        summary="A host has one overlay node",
        detail=f"The key of `{address}` gives {subnet}, and stack `{stack}` has the node of this host run with the key of {other}.",
        address=address,
        place=place,
        hint="use the same key, or `mode: network` for a node of its own",
    )


def overlay_network_beside(address: str, stack: str, subnet: str, place: Place | None, *, replaced: bool) -> Diagnostic:
    """Report a network that would have the node of the host run with another key than the one that it runs with."""
    return Diagnostic(
        code="overlay-other-node",
        summary="A host has one overlay node",
        detail=f"The network of `{address}` peers with the node of this host and wants the key `host` for it; "
        f"stack `{stack}` has that node run with the key of {subnet}.",
        address=address,
        place=place,
        hint=f"the key `host` was replaced: apply stack `{stack}` first" if replaced else _ONE_KEY,
    )


def overlay_beside_network(address: str, subnet: str, stack: str, place: Place | None) -> Diagnostic:
    """Report a key for the node of the host where a network has it run with another one."""
    return Diagnostic(
        code="overlay-other-node",
        summary="A host has one overlay node",
        detail=f"The key of `{address}` gives {subnet}; the network of stack `{stack}` has the node of this host run with the key `host`.",
        address=address,
        place=place,
        hint=_ONE_KEY,
    )


_ONE_KEY = "leave `key` out of the stack in mode `host`, and put its key in the place of `host` (`mycelium/keys/host.key`)"


def overlay_moves_others(address: str, subnet: str, stack: str, other: str, place: Place | None) -> Diagnostic:
    """Warn that other stacks live in the /64 that the host's node leaves."""
    return Diagnostic(
        code="overlay-moves-others",
        summary="VMs of another stack lose their overlay addresses",
        detail=f"`{address}` moves the node of this host to {subnet}; VMs of stack `{stack}` are in {other} until it is applied too.",
        severity=Severity.WARNING,
        address=address,
        place=place,
        hint=f"apply stack `{stack}` right after this one",
    )


def overlay_mode_kept(address: str, before: str, after: str, vms: Sequence[str], place: Place | None) -> Diagnostic:
    """Report a change of mode under VMs that are connected to the place that would go."""
    listed = f"{', '.join(f'`{one}`' for one in vms)} {'is' if len(vms) == 1 else 'are'}"
    return Diagnostic(
        code="overlay-mode-kept",
        summary="The mode of the overlay cannot change under VMs",
        detail=f"`{address}` goes from mode `{before}` to `{after}`, and {listed} connected to its bridge.",
        address=address,
        place=place,
        hint="take `mycelium` out of the VMs, apply, and put it back together with the new mode",
    )


def overlay_seed_inside(address: str, place: Place | None) -> Diagnostic:
    """Tell that a seed means nothing where the address follows from a key alone."""
    return Diagnostic(
        code="overlay-seed-inside",
        summary="A seed means nothing in mode `guest`",
        detail=f"The address of `{address}` follows from its own key alone, because the daemon runs inside the VM.",
        address=address,
        place=place,
        hint="take `seed` out",
    )


def overlay_open_inside(address: str, place: Place | None) -> Diagnostic:
    """Tell that the host cannot judge what is encrypted up to the VM."""
    return Diagnostic(
        code="overlay-open-inside",
        summary="Ports cannot be opened in mode `guest`",
        detail=f"The daemon of `{address}` runs inside the VM, and its traffic is encrypted up to there: only the guest can judge it.",
        address=address,
        place=place,
        hint="take `open` out, and set up a firewall in the guest",
    )


def overlay_without_underlay(address: str, place: Place | None) -> Diagnostic:
    """Tell that a daemon inside a VM without networks reaches nobody."""
    return Diagnostic(
        code="overlay-without-underlay",
        summary="A VM in mode `guest` needs a network",
        detail=f"The daemon inside `{address}` reaches its peers through a network of the VM, and it has none.",
        address=address,
        place=place,
        hint="give it a network with `nat: true`",
    )


def overlay_foreign_daemon(address: str, running: str, subnet: str, place: Place | None) -> Diagnostic:
    """Report a daemon of the host that has another key than the plan."""
    return Diagnostic(
        code="overlay-foreign-daemon",
        summary="An overlay daemon with another key runs on this host",
        detail=f"The key of `{address}` gives {subnet}, and the daemon that runs on this host, not started by herocloud, has {running}.",
        address=address,
        place=place,
        hint="name the key file of that daemon (`mycelium: {key: {file: …}}`), stop the daemon, or use `mode: network`",
    )


def overlay_daemon_unmanaged(address: str, running: str, place: Place | None) -> Diagnostic:
    """Report a daemon of the host where the stack wants herocloud to run it."""
    return Diagnostic(
        code="overlay-daemon-unmanaged",
        summary="An overlay daemon runs on this host that herocloud did not start",
        detail=f"`{address}` says `daemon: manage`, and a daemon that herocloud did not start runs with {running}.",
        address=address,
        place=place,
        hint="say `daemon: adopt` or `daemon: auto`, or stop the daemon",
    )


def overlay_without_route(address: str, running: str, place: Place | None) -> Diagnostic:
    """Warn about an adopted daemon that carries no traffic of this host. It is not drift: herocloud does not start it."""
    return Diagnostic(
        code="overlay-without-route",
        summary="The overlay daemon carries no traffic of this host",
        detail=f"The adopted daemon with {running} gives this host no route to 400::/7: VMs reach nobody outside of their /64.",
        severity=Severity.WARNING,
        address=address,
        place=place,
        hint="start the daemon without `--no-tun`",
    )


def overlay_host_open(address: str, place: Place | None) -> Diagnostic:
    """Warn about openings of a host that herocloud does not close."""
    return Diagnostic(
        code="overlay-host-open",
        summary="The host is not closed to the overlay",
        detail=f"`{address}` opens ports of the host, and the overlay daemon was not started by herocloud: its interface is left as it is.",
        severity=Severity.WARNING,
        address=address,
        place=place,
        hint="take `host_open` out, and close the interface of the daemon in the firewall of the host",
    )


def overlay_no_daemon(address: str, place: Place | None) -> Diagnostic:
    """Report that there is nothing to adopt."""
    return Diagnostic(
        code="overlay-no-daemon",
        summary="No overlay daemon runs on this host",
        detail=f"`{address}` says `daemon: adopt`, and no daemon answers on port 8989.",
        address=address,
        place=place,
        hint="start the daemon, or say `daemon: manage` or `daemon: auto`",
    )


def overlay_not_simulated(address: str, fields: Sequence[str], place: Place | None) -> Diagnostic:
    """Say what a plan for a simulated host could not be held against."""
    listed = " and ".join(f"`{field}`" for field in fields)
    return Diagnostic(
        code="overlay-not-simulated",
        summary="A simulated host has no interfaces and no daemon of its own",
        detail=f"`{address}` says {listed}, which only a real host can be compared with: there it may be a warning or an error.",
        severity=Severity.NOTE,
        address=address,
        place=place,
    )


def overlay_no_interface(address: str, name: str, near: str | None, place: Place | None) -> Diagnostic:
    """Warn about an interface on which no peer can be discovered. It may come later, and the daemon looks for peers there then."""
    return Diagnostic(
        code="overlay-no-interface",
        summary="An interface for discovery is not there",
        detail=f"`{address}` has peers discovered on `{name}`, and this host has no such interface"
        + (f"; did you mean `{near}`?" if near else "."),
        severity=Severity.WARNING,
        address=address,
        place=place,
        hint="`ip link` lists the interfaces of this host",
    )


def overlay_without_seed(address: str, image: str, place: Place | None) -> Diagnostic:
    """Report a VM whose key cannot be brought into it."""
    return Diagnostic(
        code="overlay-without-seed",
        summary="A VM in mode `guest` needs an image that takes a seed",
        detail=f"The key of the daemon inside `{address}` comes with the seed, and the image `{image}` takes none.",
        address=address,
        place=place,
        hint="say `nocloud: true` of the image if it reads cloud-init seeds, or choose another mode",
    )


def overlay_own_daemon(address: str, running: str, subnet: str, place: Place | None) -> Diagnostic:
    """Report that the daemon which could be adopted is ours, and has another key."""
    return Diagnostic(
        code="overlay-foreign-daemon",
        summary="An overlay daemon with another key runs on this host",
        detail=f"The key of `{address}` gives {subnet}, and the daemon that herocloud runs for other stacks has {running}.",
        address=address,
        place=place,
        hint="use the same key, or `mode: network`",
    )
