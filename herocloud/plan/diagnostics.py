"""The planner's diagnostics: a table of codes and summaries, which never vary, and a function per finding for its details."""

from collections.abc import Iterable, Sequence

from herocloud.kits import sizes
from herocloud.kits.jsons import Part
from herocloud.model import ids
from herocloud.model.applies import Pending
from herocloud.model.diagnostics import Diagnostic, Finding, Place
from herocloud.model.words import Severity
from herocloud.model.worlds import Resource

_NOT_SUPPORTED_YET = Finding("not-supported-yet", "Not supported by this provider yet")
_SIMULATED_HOST = Finding("simulated-host", "The host is simulated")
_MIXED_HYPERVISORS = Finding("mixed-hypervisors", "Simulated and real VMs in one stack")
_HYPERVISOR_CHOSEN = Finding("hypervisor-chosen", "Hypervisor chosen", Severity.NOTE)
_KVM_NOT_PROVEN = Finding("kvm-not-proven", "Guests may not run on this hypervisor", Severity.WARNING)
_NO_HYPERVISOR = Finding("no-hypervisor", "Nothing here can run a VM")
_MIXED_NETWORKS = Finding("mixed-networks", "Networks of two kinds")
_NETWORK_KIND_KEPT = Finding("network-kind-kept", "The kind of a network cannot be changed")
_NO_SUCH_NETWORKS = Finding("no-bridges", "Such networks cannot be made here")
_NETWORK_NOT_CARRIED = Finding("network-not-carried", "The hypervisor does not carry these networks")
_UNKNOWN_SLICE = Finding("unknown-slice", "Unknown slice")
_DOES_NOT_FIT_SLICE = Finding("does-not-fit-slice", "Slice in use")
_MEMORY_OVER_SLICES = Finding("memory-over-slices", "More memory than the slices hold")
_DOES_NOT_FIT_DISK_BUDGET = Finding("does-not-fit-disk-budget", "Root disk larger than the disk of its slices")
_NETWORK_FULL = Finding("network-full", "No free address in the network")
_MISSING_ON_HOST = Finding("missing-on-host", "This host lacks something that the VM needs")
_CANNOT_CHANGE = Finding("cannot-change", "This change cannot be made")
_DATA_WITHOUT_NAME = Finding("data-without-name", "Data of a running VM would be lost")
_DATA_WITHOUT_NAME_KNOWN = Finding("data-without-name", "Data of a running VM is lost", Severity.WARNING)
_DATA_CUT_OFF = Finding("data-cut-off", "Data of a running VM is lost")
_NOT_A_DISK = Finding("not-a-disk", "What lies there is not a disk")
_UNKNOWN_EXPRESSION = Finding("unknown-expression", "The expression has no value")
_CANNOT_REPLACE = Finding("cannot-replace", "Only VMs can be replaced")
_NO_SUCH_ADDRESS = Finding("no-such-address", "No such address")
_COMES_ALONG = Finding("comes-along", "What uses it comes along", Severity.NOTE)
_USED_STAYS = Finding("used-stays", "It stays as it is", Severity.WARNING)
_BAD_MOVE = Finding("bad-move", "The move cannot be made")
_LOOKS_RENAMED = Finding("looks-renamed", "This looks like a rename", Severity.WARNING)
_UNFINISHED_APPLY = Finding("unfinished-apply", "An apply is unfinished", Severity.WARNING)
_APPLY_RUNS = Finding("apply-runs", "An apply is running", Severity.WARNING)
_UNFINISHED_ELSEWHERE = Finding("unfinished-elsewhere", "An apply of another stack is unfinished", Severity.NOTE)
_PROTECTED = Finding("protected", "Protected", Severity.WARNING)


def unsupported_hypervisor(address: str, name: str, known: Iterable[str], place: Place | None) -> Diagnostic:
    """Tell that no provider of this version runs such VMs."""
    usable = ", ".join(f"`{hypervisor}`" for hypervisor in sorted(known))
    return _NOT_SUPPORTED_YET.at(
        f"`{address}` asks for `hypervisor: {name}`, which this version does not run yet: not supported by this provider yet. "
        f"Hypervisors that it runs: {usable}.",
        address,
        place,
        hint="write `hypervisor: auto`, or give `--hypervisor simulator` to try the stack without a real machine",
    )


def unsupported_field(address: str, provider: str, path: str, detail: str, place: Place | None) -> Diagnostic:
    """Tell that a field would have no effect, which is worse than an error."""
    return _NOT_SUPPORTED_YET.at(
        f"`{path}` of `{address}` is not supported by this provider yet (`{provider}`): {detail}.",
        address,
        place,
        hint=f"take `{path}` out, or choose another hypervisor",
    )


def real_on_simulated_host(address: str, name: str, host: str, place: Place | None) -> Diagnostic:
    """Tell that a host that does not exist runs nothing real."""
    return _SIMULATED_HOST.at(
        f"`{address}` asks for `hypervisor: {name}`, but the host file describes `{host}` as a simulated host, "
        "and plans for it run on the simulator only.",
        address,
        place,
        hint="write `hypervisor: auto`, give `--hypervisor simulator`, or take `simulated:` out of host.yaml",
    )


def mixed_providers(stack: str, names: Iterable[str]) -> Diagnostic:
    """Tell that simulated and real VMs cannot share a stack."""
    return _MIXED_HYPERVISORS.at(
        f"Stack `{stack}` asks for {' and '.join(sorted(names))}; "
        "a network or volume is either simulated or real, so its VMs cannot be of both sorts.",
        hint="split the stack, or give `--hypervisor NAME` for all of it",
    )


def hypervisor_chosen(name: str, why: str, host: str) -> Diagnostic:
    """Tell what `auto` came to mean, and why."""
    return _HYPERVISOR_CHOSEN.at(f"`hypervisor: auto` chose `{name}` on host `{host}`: {why}.")


def guests_not_proven(name: str, why: str, place: Place | None) -> Diagnostic:
    """Warn that guests may not run on a hypervisor that was named, once for all VMs of a plan."""
    return _KVM_NOT_PROVEN.at(
        f"VMs here ask for `hypervisor: {name}`, which needs a KVM that runs guests, and none is shown to: {why}.",
        place=place,
        hint="`hypervisor: auto` takes one whose guests run",
    )


def no_hypervisor(address: str, reasons: Iterable[str], place: Place | None) -> Diagnostic:
    """Tell that nothing here can run a VM."""
    return _NO_HYPERVISOR.at(
        f"`{address}` needs a hypervisor, and this host has none: {'; '.join(reasons)}.",
        address,
        place,
        hint="`herocloud doctor` shows what is missing; `--hypervisor simulator` tries the stack without a real machine",
    )


def networks_chosen(name: str, kind: str, why: str, reach: str) -> Diagnostic:
    """Report that networks are of another kind than usual, why, and what that means."""
    detail = f"The networks of this stack are made by `{name}`: {why}.{f' {reach}.' if reach else ''}"
    return Diagnostic("networks-chosen", f"Networks {kind}", detail, Severity.NOTE)


def mixed_networks(one: Resource, other: Resource) -> Diagnostic:
    """Tell that a stack's networks are of one kind."""
    return _MIXED_NETWORKS.at(
        f"`{one.address}` says `mode: {one.spec['mode']}` and `{other.address}` says `mode: {other.spec['mode']}`; "
        "the networks of one stack are all of one kind.",
        one.address,
        one.place,
        hint="give both the same `mode`, or move one into a stack of its own",
    )


def network_kind_kept(address: str, mode: str, provider: str, place: Place | None) -> Diagnostic:
    """Tell that networks that exist do not change their kind."""
    return _NETWORK_KIND_KEPT.at(
        f"`{address}` says `mode: {mode}`, and the networks of this stack were made by `{provider}`.",
        address,
        place,
        hint="destroy the stack first, then apply it with the other mode",
    )


def no_such_networks(network: Resource, why: str, instead: str) -> Diagnostic:
    """Tell that a network cannot be of the kind that it has to be."""
    return _NO_SUCH_NETWORKS.at(
        f"`{network.address}` says `mode: {network.spec['mode']}`: {why}.",
        network.address,
        network.place,
        hint=f"`herocloud doctor` shows what is missing; or write `mode: {instead}`",
    )


def cannot_carry(address: str, hypervisor: str, networks: str, place: Place | None) -> Diagnostic:
    """Tell that a hypervisor has no way to hang a card on such networks."""
    return _NETWORK_NOT_CARRIED.at(
        f"`{address}` asks for `hypervisor: {hypervisor}`, which cannot connect a VM to networks made by `{networks}`.",
        address,
        place,
        hint="choose another hypervisor, or another `mode` for the networks",
    )


def forwards_at_start(network: Resource, vm: str, kind: str) -> Diagnostic:
    """Tell that ports are opened when a VM starts, on such networks."""
    return Diagnostic(
        code="forwards-at-start",
        summary=f"Forwarded ports of a running VM cannot be changed {kind}",
        detail=f"The ports that `{network.address}` forwards to `{vm}` are opened when that VM starts, and it runs.",
        address=network.address,
        place=network.place,
        hint=f"`herocloud vm stop {vm}`, apply, and `herocloud vm start {vm}`",
    )


def fixed_at_start(network: Resource, field: str, vm: str, kind: str) -> Diagnostic:
    """Tell that a running VM keeps what its network was when it started."""
    return Diagnostic(
        code="network-fixed-at-start",
        summary=f"Network of a running VM cannot be changed {kind}",
        detail=f"`{field}` of `{network.address}` is put into force when a VM on it starts, and `{vm}` runs.",
        address=network.address,
        place=network.place,
        hint=f"`herocloud vm stop {vm}`, apply, and `herocloud vm start {vm}`: its guest is down that long",
    )


def simulated_before(stack: str) -> Diagnostic:
    """Tell that what is recorded exists on the simulator only, so that real VMs cannot join it."""
    return _MIXED_HYPERVISORS.at(
        f"Stack `{stack}` was applied on the simulator, and what it made there does not exist for a real hypervisor.",
        hint="`herocloud destroy` ends the simulated stack; the next apply makes it for real",
    )


def unknown_slice(address: str, sid: str, total: int, place: Place | None) -> Diagnostic:
    """Tell that a pinned slice does not exist."""
    return _UNKNOWN_SLICE.at(
        f"`{address}` is pinned to slice `{sid}`, and this host has {total} slices.",
        address,
        place,
        hint="`herocloud slice list` shows them all",
    )


def slice_taken(address: str, sid: str, owner: str, place: Place | None) -> Diagnostic:
    """Tell that a pinned slice is in use and stays so."""
    return _DOES_NOT_FIT_SLICE.at(
        f"`{address}` is pinned to slice `{sid}`, which `{owner}` holds.",
        address,
        place,
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
    return _MEMORY_OVER_SLICES.at(
        f"`{address}` asks for {sizes.format_size(memory)} in {slices} slice{'s' if slices > 1 else ''} of 4 GiB.",
        address,
        place,
        hint=f"write `slices: {-(-memory // (4 * sizes.GIB))}`",
    )


def disk_over_slices(address: str, size: int, budget: int, slices: int, place: Place | None) -> Diagnostic:
    """Tell that a root disk exceeds its VM's share."""
    return _DOES_NOT_FIT_DISK_BUDGET.at(
        f"`{address}` asks for a root disk of {sizes.format_size(size)}; "
        f"the disk of its {slices} slice{'s' if slices > 1 else ''} is {sizes.show_size(budget)}.",
        address,
        place,
        hint="take more slices, a smaller root disk, or a volume for the data",
    )


def network_full(addresses: Sequence[str], network: str, cidr: str, place: Place | None) -> Diagnostic:
    """Tell that a network has no address left, once for everybody who needs one."""
    others = len(addresses) - 1
    needed = f"`{addresses[0]}` needs an address" if not others else f"`{addresses[0]}` and {others} more need an address each"
    return _NETWORK_FULL.at(
        f"{needed} in `{network}`, and every one of {cidr} is taken.", addresses[0], place, hint="give the network a larger `cidr`"
    )


def missing_on_host(address: str, field: str, why: str, place: Place | None) -> Diagnostic:
    """Tell that this host lacks what a field needs."""
    return _MISSING_ON_HOST.at(
        f"`{field}` of `{address}` cannot be honored here: {why}.",
        address,
        place,
        hint=f"`herocloud doctor` shows what is missing; without it, take `{field}` out",
    )


def cannot_change(address: str, path: str, why: str, place: Place | None) -> Diagnostic:
    """Tell that a change cannot be made by any means that keeps data."""
    return _CANNOT_CHANGE.at(f"`{path}` of `{address}`: {why}.", address, place)


def data_without_name(address: str, part: Part, source: str, *, users: Sequence[str], stands: bool, asked: bool) -> Diagnostic:
    """Tell that a process has a disk open whose name is gone, or leads to another file by now (`stands`)."""
    who = " and ".join(f"`{user}`" for user in users) or "a process"
    what = "replaced" if stands else "removed"
    detail = f"The file `{part['path']}` of `{address}` was {what} while {who} has it open: what the guest writes is lost when it stops."
    pause = f"`herocloud vm pause {users[0]}`, then " if users else ""
    again = f", then `herocloud vm restart {users[0]}`" if users else ""
    save = f"{pause}`cp --sparse=always {source} COPY` saves it; put COPY there{again}; `--purge` gives it up"
    if stands and users:
        save = f"`herocloud vm restart {users[0]}` goes on with what lies there now; to keep what the guest has: {save}"
    return (_DATA_WITHOUT_NAME_KNOWN if asked else _DATA_WITHOUT_NAME).at(detail, address, hint=save)


def data_cut_off(address: str, part: Part, before: int, users: Sequence[str], snapshots: Sequence[str]) -> Diagnostic:
    """Tell that the file of a disk was cut while a VM has it open."""
    sized = f"from {sizes.format_size(before)} to {sizes.format_size(part['size'])}"
    detail = f"The file `{part['path']}` of `{address}` was cut {sized} while {_all(users)} had it open: what lay beyond is lost."
    again = f"`herocloud vm snapshot restore {users[0]} {snapshots[-1]}` then puts back what that snapshot has" if snapshots else ""
    made = f"`herocloud apply --replace {address}` makes the VM again with a new disk" if address.startswith("vm.") else ""
    zeros = f"`truncate -s {before} {part['path']}` in the data folder goes on with zeros where the data was"
    return _DATA_CUT_OFF.at(detail, address, hint="; ".join(filter(None, (zeros, again, made))))


def not_a_disk(address: str, part: Part) -> Diagnostic:
    """Tell that something that is not a plain file takes the place of a disk."""
    detail = f"`{part['path']}` in the data folder, the file of `{address}`, is {part['file']} now."
    return _NOT_A_DISK.at(detail, address, hint="put the file back, or remove what lies there")


def unknown_value(address: str, expression: str, why: str, place: Place | None) -> Diagnostic:
    """Tell that an expression has no value."""
    return _UNKNOWN_EXPRESSION.at(f"`{{{{ {expression} }}}}` in `{address}`: {why}.", address, place)


def cannot_replace(address: str) -> Diagnostic:
    """Tell that only VMs can be asked to be re-created."""
    return _CANNOT_REPLACE.at(
        f"`--replace {address}` names something that is not a VM.",
        address,
        hint="to re-create it, take it out of the stack file, apply, and put it back",
    )


def no_match(flag: str, pattern: str, nearest: str | None) -> Diagnostic:
    """Tell that `--target` and its kin named nothing."""
    return _NO_SUCH_ADDRESS.at(
        f"`{flag} {pattern}` matches nothing in the stack file or the state.",
        hint=f"did you mean `{nearest}`?" if nearest else "`herocloud state list` and the stack file show the addresses",
    )


def user_comes_along(address: str, users: Sequence[str], why: str) -> Diagnostic:
    """Tell that a plan of a part has more in it than `--target` names."""
    use = "uses" if len(users) == 1 else "use"
    return _COMES_ALONG.at(f"`{address}` {why}, and {_all(users)} {use} it: that is part of this plan too.", address)


def used_stays(address: str, users: Sequence[str], why: str) -> Diagnostic:
    """Tell that a plan of a part does not change what something uses that is left out of it."""
    use = "uses" if len(users) == 1 else "use"
    left = "is" if len(users) == 1 else "are"
    detail = f"In the stack file `{address}` {why}, but {_all(users)} {use} it and {left} left out of this plan."
    return _USED_STAYS.at(detail, address, hint="plan without `--exclude` to change both")


def _all(addresses: Sequence[str]) -> str:
    *others, last = [f"`{entry}`" for entry in ids.fold_addresses(addresses)]
    return f"{', '.join(others)} and {last}" if others else last


def bad_move(origin: str, target: str, why: str, place: Place | None, severity: Severity = Severity.ERROR) -> Diagnostic:
    """Tell that a `moved` entry cannot be followed."""
    return _BAD_MOVE.at(f"`{origin}` → `{target}`: {why}.", target, place)._replace(severity=severity)


def looks_renamed(origin: str, target: str) -> Diagnostic:
    """Propose a `moved` entry where a machine would die for its name."""
    return _LOOKS_RENAMED.at(
        f"`{origin}` goes and `{target}` comes with the same specification. As planned, the first is destroyed with its data.",
        target,
        hint=f"to keep the machine, write `moved: [{{from: {origin}, to: {target}}}]`",
    )


def unfinished_apply(pending: Pending, *, closes: bool = False) -> Diagnostic:
    """Tell that the recorded world may still change."""
    if pending.alive:
        return _APPLY_RUNS.at(
            f"`{pending.id}` (`{pending.operation}`, plan {pending.plan}) is at work on this stack; "
            "this plan is made on what it has recorded so far.",
            hint="`herocloud state lock` shows who runs it",
        )
    if closes:
        return _UNFINISHED_APPLY.at(
            f"`{pending.id}` (`{pending.operation}`, plan {pending.plan}) did not end, and is not finished any more: "
            "what it has made so far is removed with the rest, and nothing more of it is made or booted.",
            hint="`herocloud resume` finishes it instead",
        )
    return _UNFINISHED_APPLY.at(
        f"`{pending.id}` (`{pending.operation}`, plan {pending.plan}) did not end; this plan is made on what it has recorded so far.",
        hint="`herocloud resume` finishes it, `herocloud resume --rollback` takes it back",
    )


def unfinished_elsewhere(pending: Pending) -> Diagnostic:
    """Mention an apply of another stack that did not end."""
    return _UNFINISHED_ELSEWHERE.at(
        f"`{pending.id}` of stack `{pending.stack}` did not end. It is left alone, and what it may still need counts as taken.",
        hint=f"`herocloud resume {pending.id}` finishes it",
    )


def protected(address: str, action: str, place: Place | None) -> Diagnostic:
    """Tell what protection stops, and how it is lifted."""
    return _PROTECTED.at(
        f"`{address}` is protected, so it cannot be {action}; the rest of the plan is shown, and none of it can be applied.",
        address,
        place,
        hint=f"set `protect: false` on `{address}` and apply that first (put its block back for it), "
        f"or leave `{address}` out with `--exclude {address}`",
    )
