"""The planner's diagnostics: one function per finding, so that summaries stay constant and codes stay unique."""

from collections.abc import Iterable, Sequence

from herocloud.kits import sizes
from herocloud.model import ids
from herocloud.model.applies import Pending
from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.words import Severity


def unsupported_hypervisor(address: str, name: str, known: Iterable[str], place: Place | None) -> Diagnostic:
    """Tell that no provider of this version runs such VMs."""
    usable = ", ".join(f"`{one}`" for one in sorted(known))
    return Diagnostic(
        code="not-supported-yet",
        summary="Not supported by this provider yet",
        detail=f"`{address}` asks for `hypervisor: {name}`, which this version does not run yet: not supported by this provider yet. "
        f"Hypervisors that it runs: {usable}.",
        address=address,
        place=place,
        hint="write `hypervisor: auto`, or give `--hypervisor simulator` to try the stack without a real machine",
    )


def unsupported_field(address: str, provider: str, path: str, detail: str, place: Place | None) -> Diagnostic:
    """Tell that a field would have no effect, which is worse than an error."""
    return Diagnostic(
        code="not-supported-yet",
        summary="Not supported by this provider yet",
        detail=f"`{path}` of `{address}` is not supported by this provider yet (`{provider}`): {detail}.",
        address=address,
        place=place,
        hint=f"take `{path}` out, or choose another hypervisor",
    )


def real_on_simulated_host(address: str, name: str, host: str, place: Place | None) -> Diagnostic:
    """Tell that a host that does not exist runs nothing real."""
    return Diagnostic(
        code="simulated-host",
        summary="The host is simulated",
        detail=f"`{address}` asks for `hypervisor: {name}`, but the host file describes `{host}` as a simulated host, "
        "and plans for it run on the simulator only.",
        address=address,
        place=place,
        hint="write `hypervisor: auto`, give `--hypervisor simulator`, or take `simulated:` out of host.yaml",
    )


def mixed_providers(stack: str, names: Iterable[str]) -> Diagnostic:
    """Tell that simulated and real VMs cannot share a stack."""
    return Diagnostic(
        code="mixed-hypervisors",
        summary="Simulated and real VMs in one stack",
        detail=f"Stack `{stack}` asks for {' and '.join(sorted(names))}; "
        "a network or volume is either simulated or real, so its VMs cannot be of both sorts.",
        hint="split the stack, or give `--hypervisor NAME` for all of it",
    )


def hypervisor_chosen(name: str, why: str, host: str) -> Diagnostic:
    """Tell what `auto` came to mean, and why."""
    return Diagnostic(
        code="hypervisor-chosen",
        summary="Hypervisor chosen",
        detail=f"`hypervisor: auto` chose `{name}` on host `{host}`: {why}.",
        severity=Severity.NOTE,
    )


def guests_not_proven(address: str, name: str, why: str, place: Place | None) -> Diagnostic:
    """Warn that guests may not run on a hypervisor that was named."""
    return Diagnostic(
        code="kvm-not-proven",
        summary="Guests may not run on this hypervisor",
        detail=f"`{address}` asks for `hypervisor: {name}`, which needs a KVM that runs guests, and here none is shown to: {why}.",
        address=address,
        place=place,
        severity=Severity.WARNING,
        hint="`hypervisor: auto` takes one whose guests run",
    )


def no_hypervisor(address: str, reasons: Iterable[str], place: Place | None) -> Diagnostic:
    """Tell that nothing here can run a VM."""
    return Diagnostic(
        code="no-hypervisor",
        summary="Nothing here can run a VM",
        detail=f"`{address}` needs a hypervisor, and this host has none: {'; '.join(reasons)}.",
        address=address,
        place=place,
        hint="`herocloud doctor` says what is missing; `--hypervisor simulator` tries the stack without a real machine",
    )


def networks_chosen(name: str, why: str, reach: str) -> Diagnostic:
    """Tell that networks are of another kind than usual, why, and what that means."""
    return Diagnostic(
        code="networks-chosen",
        summary="Networks in user mode",
        detail=f"The networks of this stack are made by `{name}`: {why}. {reach}.",
        severity=Severity.NOTE,
    )


def mixed_networks(user: str, bridge: str, place: Place | None) -> Diagnostic:
    """Tell that a stack's networks are of one kind."""
    return Diagnostic(
        code="mixed-networks",
        summary="Networks of two kinds",
        detail=f"`{user}` is to be in user mode and `{bridge}` a bridge; the networks of one stack are all of one kind.",
        address=user,
        place=place,
        hint="give both the same `mode`, or move one into a stack of its own",
    )


def network_kind_kept(address: str, mode: str, provider: str, place: Place | None) -> Diagnostic:
    """Tell that networks that exist do not change their kind."""
    return Diagnostic(
        code="network-kind-kept",
        summary="The kind of a network cannot be changed",
        detail=f"`{address}` says `mode: {mode}`, and the networks of this stack were made by `{provider}`.",
        address=address,
        place=place,
        hint="destroy the stack first, then apply it with the other mode",
    )


def no_bridges(address: str, why: str, place: Place | None) -> Diagnostic:
    """Tell that a network that has to be a bridge cannot be one here."""
    return Diagnostic(
        code="no-bridges",
        summary="Bridges cannot be made here",
        detail=f"`{address}` says `mode: bridge`: {why}.",
        address=address,
        place=place,
        hint="run it as root, or write `mode: user`",
    )


def cannot_carry(address: str, hypervisor: str, networks: str, place: Place | None) -> Diagnostic:
    """Tell that a hypervisor has no way to hang a card on such networks."""
    return Diagnostic(
        code="network-not-carried",
        summary="The hypervisor does not carry these networks",
        detail=f"`{address}` asks for `hypervisor: {hypervisor}`, which cannot connect a VM to networks made by `{networks}`.",
        address=address,
        place=place,
        hint="choose another hypervisor, or another `mode` for the networks",
    )


def forwards_at_start(address: str, vm: str, place: Place | None) -> Diagnostic:
    """Tell that ports in user mode are opened when a VM starts."""
    return Diagnostic(
        code="forwards-at-start",
        summary="Forwarded ports of a running VM cannot be changed in user mode",
        detail=f"The ports that `{address}` forwards to `{vm}` are opened when that VM starts, and it runs.",
        address=address,
        place=place,
        hint=f"`herocloud vm stop {vm}`, apply, and `herocloud vm start {vm}`",
    )


def simulated_before(stack: str) -> Diagnostic:
    """Tell that what is recorded exists on the simulator only, so that real VMs cannot join it."""
    return Diagnostic(
        code="mixed-hypervisors",
        summary="Simulated and real VMs in one stack",
        detail=f"Stack `{stack}` was applied on the simulator, and what it made there does not exist for a real hypervisor.",
        hint="`herocloud destroy` ends the simulated stack; the next apply makes it for real",
    )


def unknown_slice(address: str, sid: str, total: int, place: Place | None) -> Diagnostic:
    """Tell that a pinned slice does not exist."""
    return Diagnostic(
        code="unknown-slice",
        summary="Unknown slice",
        detail=f"`{address}` is pinned to slice `{sid}`, and this host has {total} slices.",
        address=address,
        place=place,
        hint="`herocloud slice list` shows them all",
    )


def slice_taken(address: str, sid: str, owner: str, place: Place | None) -> Diagnostic:
    """Tell that a pinned slice is in use and stays so."""
    return Diagnostic(
        code="does-not-fit-slice",
        summary="Slice in use",
        detail=f"`{address}` is pinned to slice `{sid}`, which `{owner}` holds.",
        address=address,
        place=place,
        hint="pin another slice, or leave `slice` out and let the plan pick the lowest free one",
    )


def not_beside(addresses: Sequence[str]) -> Diagnostic:
    """Tell that new root disks are made only after the old ones are gone."""
    names = ", ".join(f"`{entry}`" for entry in ids.fold_addresses(addresses))
    return Diagnostic(
        code="disk-not-beside",
        summary="The new root disk does not fit beside the old one",
        detail=f"The old root disk of {names} goes first, so the new one is made while the machine is down, and there is no way back.",
        severity=Severity.WARNING,
        address=addresses[0],
    )


def memory_over_slices(address: str, memory: int, slices: int, place: Place | None) -> Diagnostic:
    """Tell that a VM asks for more memory than its slices hold."""
    return Diagnostic(
        code="memory-over-slices",
        summary="More memory than the slices hold",
        detail=f"`{address}` asks for {sizes.format_size(memory)} in {slices} slice{'s' if slices > 1 else ''} of 4 GiB.",
        address=address,
        place=place,
        hint=f"write `slices: {-(-memory // (4 * sizes.GIB))}`",
    )


def disk_over_slices(address: str, size: int, budget: int, slices: int, place: Place | None) -> Diagnostic:
    """Tell that a root disk exceeds its VM's share."""
    return Diagnostic(
        code="does-not-fit-disk-budget",
        summary="Root disk larger than the disk of its slices",
        detail=f"`{address}` asks for a root disk of {sizes.format_size(size)}; "
        f"the disk of its {slices} slice{'s' if slices > 1 else ''} is {sizes.show_size(budget)}.",
        address=address,
        place=place,
        hint="take more slices, a smaller root disk, or a volume for the data",
    )


def network_full(addresses: Sequence[str], network: str, cidr: str, place: Place | None) -> Diagnostic:
    """Tell that a network has no address left, once for everybody who needs one."""
    others = len(addresses) - 1
    needed = f"`{addresses[0]}` needs an address" if not others else f"`{addresses[0]}` and {others} more need an address each"
    return Diagnostic(
        code="network-full",
        summary="No free address in the network",
        detail=f"{needed} in `{network}`, and every one of {cidr} is taken.",
        address=addresses[0],
        place=place,
        hint="give the network a larger `cidr`",
    )


def range_taken(address: str, cidr: str, what: str, place: Place | None) -> Diagnostic:
    """Tell that the host has the addresses of a network already."""
    return Diagnostic(
        code="range-taken",
        summary="The host has these addresses already",
        detail=f"`{address}` wants {cidr}, and this host has {what}.",
        address=address,
        place=place,
        hint="give the network another `cidr`",
    )


def port_taken(address: str, port: str, who: str) -> Diagnostic:
    """Tell that a port of the host is not free."""
    return Diagnostic(
        code="port-taken",
        summary="A port of the host is taken",
        detail=f"`{address}` publishes port {port} of this host, and {who}.",
        address=address,
        hint="choose another `host_port`",
    )


def missing_on_host(address: str, field: str, why: str, place: Place | None) -> Diagnostic:
    """Tell that this host lacks what a field needs."""
    return Diagnostic(
        code="missing-on-host",
        summary="This host lacks something that the VM needs",
        detail=f"`{field}` of `{address}` cannot be honoured here: {why}.",
        address=address,
        place=place,
        hint=f"`herocloud doctor` says what is missing; without it, take `{field}` out",
    )


def cannot_change(address: str, path: str, why: str, place: Place | None) -> Diagnostic:
    """Tell that a change cannot be made by any means that keeps data."""
    return Diagnostic(
        code="cannot-change",
        summary="This change cannot be made",
        detail=f"`{path}` of `{address}`: {why}.",
        address=address,
        place=place,
    )


def unknown_value(address: str, expression: str, why: str, place: Place | None) -> Diagnostic:
    """Tell that an expression has no value."""
    return Diagnostic(
        code="unknown-expression",
        summary="The expression has no value",
        detail=f"`{{{{ {expression} }}}}` in `{address}`: {why}.",
        address=address,
        place=place,
    )


def cannot_replace(address: str) -> Diagnostic:
    """Tell that only VMs can be asked to be made anew."""
    return Diagnostic(
        code="cannot-replace",
        summary="Only VMs can be replaced",
        detail=f"`--replace {address}` names something that is no VM.",
        address=address,
        hint="to make it anew, take it out of the stack file, apply, and put it back",
    )


def no_match(flag: str, pattern: str, nearest: str | None) -> Diagnostic:
    """Tell that `--target` and its kin named nothing."""
    return Diagnostic(
        code="no-such-address",
        summary="No such address",
        detail=f"`{flag} {pattern}` matches nothing in the stack file or the state.",
        hint=f"did you mean `{nearest}`?" if nearest else "`herocloud state list` and the stack file tell the addresses",
    )


def bad_move(origin: str, target: str, why: str, place: Place | None, severity: Severity = Severity.ERROR) -> Diagnostic:
    """Tell that a `moved` entry cannot be followed."""
    return Diagnostic(
        code="bad-move",
        summary="The move cannot be made",
        detail=f"`{origin}` → `{target}`: {why}.",
        severity=severity,
        address=target,
        place=place,
    )


def looks_renamed(origin: str, target: str) -> Diagnostic:
    """Propose a `moved` entry where a machine would die for its name."""
    return Diagnostic(
        code="looks-renamed",
        summary="This looks like a rename",
        detail=f"`{origin}` goes and `{target}` comes with the same specification. As planned, the first is destroyed with its data.",
        severity=Severity.WARNING,
        address=target,
        hint=f"to keep the machine, write `moved: [{{from: {origin}, to: {target}}}]`",
    )


def unfinished_apply(pending: Pending) -> Diagnostic:
    """Tell that the recorded world may still change."""
    if pending.alive:
        return Diagnostic(
            code="apply-runs",
            summary="An apply is running",
            detail=f"`{pending.id}` (`{pending.operation}`, plan {pending.plan}) is at work on this stack; "
            "this plan is made on what it has recorded so far.",
            severity=Severity.WARNING,
            hint="`herocloud state lock` shows who runs it",
        )
    return Diagnostic(
        code="unfinished-apply",
        summary="An apply is unfinished",
        detail=f"`{pending.id}` (`{pending.operation}`, plan {pending.plan}) did not end; "
        "this plan is made on what it has recorded so far.",
        severity=Severity.WARNING,
        hint="`herocloud resume` finishes it, `herocloud resume --rollback` takes it back",
    )


def unfinished_elsewhere(pending: Pending) -> Diagnostic:
    """Mention an apply of another stack that did not end."""
    return Diagnostic(
        code="unfinished-elsewhere",
        summary="An apply of another stack is unfinished",
        detail=f"`{pending.id}` of stack `{pending.stack}` did not end. It is left alone, and what it may still need counts as taken.",
        severity=Severity.NOTE,
        hint=f"`herocloud resume {pending.id}` finishes it",
    )


def protected(address: str, action: str, place: Place | None) -> Diagnostic:
    """Tell what protection stops, and how it is lifted."""
    return Diagnostic(
        code="protected",
        summary="Protected",
        detail=f"`{address}` is protected, so it cannot be {action}; the rest of the plan is shown, and none of it can be applied.",
        severity=Severity.WARNING,
        address=address,
        place=place,
        hint=f"set `protect: false` on `{address}` and apply that first (put its block back for it), "
        f"or leave `{address}` out with `--exclude {address}`",
    )
