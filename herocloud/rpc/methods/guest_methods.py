"""What goes on inside of VMs, and how they hang on their hypervisor; and the secret that keeps them from other callers."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from herocloud.kits.jsons import Json
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Record
from herocloud.operations import guests, labels, lookups
from herocloud.providers import registry
from herocloud.rpc.calls import error_answers
from herocloud.rpc.calls.error_codes import BLOCKED, CANCELLED, HYPERVISOR_UNAVAILABLE, LOCKED, NOT_FOUND, TIMED_OUT, WRONG_STATE
from herocloud.rpc.calls.method_table import Example, Method, declare
from herocloud.rpc.jobs import work
from herocloud.rpc.jobs.desk import Desk, secret_of
from herocloud.rpc.jobs.job_marks import SECRET_LABEL
from herocloud.rpc.jobs.job_runs import Request, Run, Subject
from herocloud.rpc.methods.answers import AttachInfo, ExecInfo, LogLines, MigratedSecret, Secret, Sid

MOST_OUTPUT = 1024 * 1024


@declare(
    "vms",
    example=Example(
        {"sid": "vnyhs9"},
        {"sid": "vnyhs9", "hypervisor": registry.simulation().name, "attached": True, "reason": "its process runs the VM"},
    ),
    errors=(NOT_FOUND, HYPERVISOR_UNAVAILABLE, WRONG_STATE),
)
def attach_hypervisor(desk: Desk, sid: Sid, secret: Secret = "") -> AttachInfo:
    """Look whether the hypervisor's process of a VM is there, and take hold of it again.

    VMs are attached from the moment they are deployed, also over restarts of the daemon; calling this is never needed, and does no harm.
    """
    record = desk.find_vm(sid, secret)
    thing = lookups.see(desk.folder, desk.recorded, record.stack).things.get((record.stack, record.address))
    desk.sight.forget()
    power = None if thing is None else thing.parts.get("power")
    attached = power in ("running", "paused")
    reason = "its process runs the VM" if attached else f"the VM is {power or 'gone'}, so it has no process"
    return AttachInfo(sid=sid, hypervisor=record.provider, attached=attached, reason=reason)


@declare("vms", example=Example({"sid": "vnyhs9", "lines": 10}, {"lines": [], "position": 0}), errors=(NOT_FOUND, WRONG_STATE))
def vm_logs(
    desk: Desk,
    sid: Sid,
    lines: Annotated[int, Field(ge=0, le=10000, description="How many of the last lines to return.")] = 100,
    follow_from: Annotated[
        int | None, Field(ge=0, le=2**60, description="Return what was written after this position instead, as far as it goes.")
    ] = None,
    secret: Secret = "",
) -> LogLines:
    """Return what a VM wrote to its serial console, as plain text.

    Ask again with `follow_from` to read on. A simulated VM writes nothing.
    """
    record = desk.find_vm(sid, secret)
    if not guests.has_inside(record):
        return LogLines(lines=[], position=0)
    if follow_from is None:
        found, position = guests.last_lines(desk.folder, record, lines)
        return LogLines(lines=found, position=position)
    found, position = guests.lines_after(desk.folder, record, follow_from)
    return LogLines(lines=found, position=position)


@declare(
    "vms",
    example=Example(
        {"sid": "vnyhs9", "command": "echo", "args": ["hello"]}, {"exit_code": 0, "stdout": "hello\n", "stderr": "", "truncated": False}
    ),
    errors=(NOT_FOUND, WRONG_STATE, HYPERVISOR_UNAVAILABLE, TIMED_OUT),
)
def vm_exec(
    desk: Desk,
    sid: Sid,
    command: Annotated[str, Field(min_length=1, max_length=4096, description="The program to run; no shell reads it.")],
    args: Annotated[list[Annotated[str, Field(max_length=131072)]], Field(max_length=1024, description="Its arguments.")] = [],  # noqa: B006
    input: Annotated[str | None, Field(max_length=524288, description="What it reads from its standard input.")] = None,  # noqa: A002
    timeout: Annotated[float, Field(ge=0.1, le=300, description="Seconds after which the program is no longer waited for.")] = 30.0,
    secret: Secret = "",
) -> ExecInfo:
    """Run a program in the guest of a VM, and return what it said.

    The answer comes when the program has ended, and is kept nowhere: what programs print may be secret. The guest of a simulated VM has
    only `echo`, `cat`, `true` and `false`.
    """
    record = desk.find_vm(sid, secret)
    stdin = None if input is None else input.encode("utf-8", "surrogatepass")
    said: dict[bool, bytearray] = {False: bytearray(), True: bytearray()}
    if not guests.has_inside(record):
        code, cut = _run_stand_in(desk.folder, record, [command, *args], stdin, said)
    else:
        code, cut = _run_real(desk, record, [command, *args], stdin, said, timeout)
    out, err = (bytes(said[stream][:MOST_OUTPUT]).decode(errors="replace") for stream in (False, True))
    return ExecInfo(exit_code=code, stdout=out, stderr=err, truncated=cut or any(len(text) > MOST_OUTPUT for text in said.values()))


def _run_stand_in(folder: Path, record: Record, command: list[str], stdin: bytes | None, said: dict[bool, bytearray]) -> tuple[int, bool]:
    ran = guests.run_stand_in(folder, record, command, stdin)
    said[False] += ran.stdout
    said[True] += ran.stderr
    return ran.code, False


def _run_real(
    desk: Desk, record: Record, command: list[str], stdin: bytes | None, said: dict[bool, bytearray], timeout: float
) -> tuple[int, bool]:
    from herocloud.providers.guests.programs import Program

    def hear(is_error: bool, piece: bytes) -> None:  # noqa: FBT001  (as the provider calls it)
        # A program that never stops talking must not fill the memory of the daemon.
        if len(said[is_error]) <= MOST_OUTPUT:
            said[is_error].extend(piece)

    ended = guests.run_program(desk.folder, record, Program(command, stdin, streaming=False), hear, timeout=timeout)
    return ended.code, ended.truncated


@declare(
    "vms",
    example=Example({"old_secret": "before", "new_secret": "after"}, {"migrated_count": 1}),
    errors=(NOT_FOUND, WRONG_STATE, LOCKED, BLOCKED, HYPERVISOR_UNAVAILABLE, CANCELLED, TIMED_OUT),
)
def migrate_secret(
    desk: Desk,
    old_secret: Annotated[str, Field(min_length=1, max_length=1024, description="The secret of the VMs now.")],
    new_secret: Annotated[str, Field(max_length=1024, description="Their secret from now on.")],
) -> MigratedSecret:
    """Give every VM that has one secret another one.

    Their jobs and events go along. Nothing is found when no VM has the old secret.
    """
    if not new_secret or new_secret == old_secret:
        raise error_answers.invalid("`new_secret` is empty, or the same as the old one.", None, "new_secret")
    before, after = desk.secrets.digest(old_secret), desk.secrets.digest(new_secret)
    wanted = _with_secret(desk, before)
    if not wanted:
        raise error_answers.not_found("no-such-vm", "No such VM", "No VM has this secret.")

    def run_it(run: Run) -> Json:
        for stack, addresses in wanted.items():
            changed = {
                address: {**(desk.recorded.records[stack][address].spec.get("labels") or {}), SECRET_LABEL: after} for address in addresses
            }
            work.run_planned(desk, run, lambda: labels.plan_labels(desk.folder, stack, changed, "vm secret"), work.only(*addresses))  # noqa: B023
        desk.events.flush()
        desk.store.change_secret(before, after)
        return sum(len(addresses) for addresses in wanted.values())

    request = Request("migrate_secret", Subject(f"secret:{before}", secret=before), run_it)
    job = desk.jobs.submit(request, desk.caller, wait=300.0)
    if job.result is None:
        raise error_answers.wrong_state(
            "The VMs are busy; their secret changes as soon as they are not.", f"`get_job` shows how far it is: j{job.number}"
        )
    return MigratedSecret(migrated_count=int(job.result))


def _with_secret(desk: Desk, digest: str) -> dict[StackName, list[Address]]:
    addresses: dict[StackName, list[Address]] = {}
    for stack, records in desk.recorded.records.items():
        for record in records.values():
            if record.kind == "vm" and secret_of(record) == digest:
                addresses.setdefault(stack, []).append(record.address)
    return addresses


METHODS: tuple[Method[Any], ...] = (attach_hypervisor, vm_logs, vm_exec, migrate_secret)
