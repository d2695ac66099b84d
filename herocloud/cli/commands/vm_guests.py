"""Commands on what goes on inside of a VM: its log, programs, its console, and whether it is ready.

`vm exec` ends with the code of the program, as ssh does, so that scripts can go on from there.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

from herocloud.cli import exit_codes, flags, presentation, requests
from herocloud.cli.command import Call
from herocloud.cli.commands.vms import VM
from herocloud.kits import sizes
from herocloud.kits.jsons import Json
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.guest_access import Signs
from herocloud.model.worlds import Record
from herocloud.operations import guests
from herocloud.operations.guests import Ready

_PATIENCE = 120.0
_MOST_OUTPUT = 64 * 1024**2
"""Bytes of output that are kept for a JSON document: a guest must not be able to fill the memory of its host."""


def logs(
    call: Call,
    *,
    name: VM,
    follow: Annotated[bool, flags.option("--follow", variable="", also=("-f",), help="Go on as more is written; here also `-f`.")] = False,
    lines: Annotated[int, flags.option("--lines", variable="", metavar="N", min=0, help="How many of the last lines; 100.")] = 100,
    stack: flags.Stack = None,
) -> int:
    """Show what a VM wrote to its console."""
    record = guests.find(call.folder, name, requests.choose_stack(call, stack))
    found, place = guests.last_lines(call.folder, record, lines)
    if call.json:
        call.screen.result(presentation.dumps({"address": record.address, "lines": found}))
        return exit_codes.DONE
    if found:
        call.screen.result("\n".join(found))
    if follow:
        for piece in guests.follow(call.folder, record, place):
            if not call.screen.bytes_result(piece.encode()):
                break
    return exit_codes.DONE


def execute(
    call: Call,
    *,
    name: VM,
    command: Annotated[list[str], flags.argument(metavar="COMMAND...", help="What to run, behind `--`.")],
    timeout: Annotated[
        str | None, flags.option("--timeout", variable="", metavar="TIME", help="How long to wait: 30s, 5min, or a number of seconds.")
    ] = None,
    no_stdin: Annotated[bool, flags.option("--no-stdin", variable="", help="Do not hand on what stands in stdin.")] = False,
    stack: flags.Stack = None,
) -> int:
    """Run a program inside a VM."""
    from herocloud.providers.guests.programs import Program

    record = guests.find(call.folder, name, requests.choose_stack(call, stack))
    guests.require_inside(record, "exec")
    heard: dict[bool, bytearray] = {False: bytearray(), True: bytearray()}

    def hear(is_error: bool, piece: bytes) -> None:  # noqa: FBT001  (as the provider calls it)
        if call.json:
            if sum(map(len, heard.values())) + len(piece) > _MOST_OUTPUT:
                detail = f"`{command[0]}` printed more than {sizes.show_size(_MOST_OUTPUT)}, which is too much for one document."
                raise Refused(
                    [Diagnostic("too-much-output", "The output is too long", detail, hint="leave out `--json` to get it as it comes")]
                )
            heard[is_error] += piece
        else:
            call.screen.bytes_result(piece, error=is_error)

    program = Program(command, None if no_stdin else _read_stdin(), streaming=not call.json)
    seconds = None if timeout is None else requests.parse_seconds(timeout, "--timeout")
    try:
        ended = guests.run_program(call.folder, record, program, hear, timeout=seconds)
    except KeyboardInterrupt:
        call.note(f"`{command[0]}` goes on in the guest.")
        raise
    if ended.truncated:
        call.note("The agent kept only the beginning of the output.")
    if call.json:
        out, err = (bytes(heard[stream]).decode(errors="replace") for stream in (False, True))
        document = {"address": record.address, "exit_code": ended.code, "stdout": out, "stderr": err, "truncated": ended.truncated}
        call.screen.result(presentation.dumps(document))
    return _exit_code(ended.code)


def _exit_code(code: int) -> int:
    """Return what a process of this host can end with: Windows has larger codes, and none but 0 may become 0."""
    return code if 0 <= code <= 255 else (code & 255) or 1


def console(call: Call, name: VM, stack: flags.Stack = None) -> int:
    """Attach to the console of a VM."""
    from herocloud.providers.guests import consoles

    record = guests.find(call.folder, name, requests.choose_stack(call, stack))
    guests.require_inside(record, "console")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        hint = f"`herocloud vm exec {record.address} -- COMMAND` and `herocloud vm logs {record.address}` need none"
        raise Refused([Diagnostic("no-terminal", "There is no terminal", "A console needs a keyboard and a screen.", hint=hint)])

    def tell() -> None:
        call.note(f"The console of {record.address}; Enter may show a prompt, {consoles.LEAVE_NAME} leaves.\r")

    how = guests.attach(call.folder, record, sys.stdin.fileno(), sys.stdout.fileno(), attached=tell)
    call.note("" if how == "left" else f"\n{record.address} went off.")
    return exit_codes.DONE


def wait(
    call: Call,
    *,
    names: Annotated[list[str] | None, flags.argument(metavar="[VM]...", help="The VMs; all of the stack when none is named.")] = None,
    timeout: Annotated[
        str | None, flags.option("--timeout", variable="", metavar="TIME", help="How long to wait: 30s, 5min, or a number of seconds.")
    ] = None,
    stack: flags.Stack = None,
) -> int:
    """Wait until the guests of VMs answer."""
    records = guests.find_all(call.folder, names or (), requests.choose_stack(call, stack))
    seconds = _PATIENCE if timeout is None else requests.parse_seconds(timeout, "--timeout")

    def tell(ready: Ready) -> None:
        if ready.seconds is not None and not call.json:
            call.screen.result(f"{ready.record.address} is ready after {sizes.show_duration(ready.seconds)}.")

    def watch(record: Record, signs: Signs) -> None:
        used, said = sizes.show_duration(signs.cpu_seconds), sizes.show_size(signs.serial_bytes)
        call.note(f"{record.address} does not answer yet: {signs.power}, {used} of CPU time used, {said} on its serial line.")

    heard = guests.wait(call.folder, records, seconds, tell, watch)
    if call.json:
        rows: Json = [
            {
                "address": ready.record.address,
                "ready": ready.seconds is not None,
                "seconds": ready.seconds,
                "hopeless": ready.hopeless or None,
            }
            for ready in heard
        ]
        document = {"format_version": "1.0", "ready": all(row["ready"] for row in rows), "vms": rows}
        call.screen.result(presentation.dumps(document))
    late = [ready for ready in heard if ready.seconds is None]
    if late:
        exit_codes.tell_diagnostics(call.screen, _too_late(late, seconds))
    return exit_codes.ERROR if late else exit_codes.DONE


def _too_late(late: Sequence[Ready], seconds: float) -> list[Diagnostic]:
    return [
        Diagnostic(
            "guest-hopeless",
            "The guest will never answer",
            f"`{ready.record.address}`: {ready.hopeless}.",
            address=ready.record.address,
            hint=f"`herocloud vm restart {ready.record.address}` boots it {ready.way_out}" if ready.way_out else None,
        )
        if ready.hopeless
        else Diagnostic(
            "guest-not-ready",
            "The guest is not ready",
            f"`{ready.record.address}` did not answer within {sizes.show_duration(seconds)}.",
            address=ready.record.address,
            hint=f"`herocloud vm logs {ready.record.address}` shows what it said",
        )
        for ready in late
    ]


def _read_stdin() -> bytes | None:
    """Read what is handed to us, unless a person sits there."""
    if sys.stdin is None or sys.stdin.isatty():
        return None
    return sys.stdin.buffer.read()
