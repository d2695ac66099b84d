"""The machine: `host show`, `host refresh`, `slice list`, `slice show`, `doctor`."""

from typing import Annotated

from herocloud.cli import exit_codes, flags, presentation, requests
from herocloud.cli.command import Call
from herocloud.operations import host_status


def show(call: Call) -> int:
    """Show the machine and where each value came from."""
    from herocloud.views import details

    machine = host_status.find(call.folder)
    exit_codes.tell_diagnostics(call.screen, machine.hosting.diagnostics, quiet=call.quiet)
    host = machine.hosting.host
    presentation.show(call, lambda: details.host_document(host), lambda: details.host_text(host, color=call.screen.color_out))
    return exit_codes.DONE


def refresh(call: Call, lock_timeout: flags.LockTimeout = "30s") -> int:
    """Detect the machine again; memory that grew adds slices."""
    from herocloud.views import details

    refreshed = host_status.refresh(call.folder, requests.make_plain_how(call, lock_timeout))
    exit_codes.tell_diagnostics(call.screen, refreshed.hosting.diagnostics, quiet=call.quiet)
    host, before = refreshed.hosting.host, refreshed.before
    grown = len(host.slices) - before
    if grown > 0:
        says = f"{grown} slices were {'added' if before else 'created'}."
    else:
        says = f"{-grown} slices are gone." if grown else "The slices are as they were."
    presentation.show(
        call,
        lambda: {**details.host_document(host), "slices_before": before},
        lambda: f"{details.host_text(host, color=call.screen.color_out)}\n\n{says}",
    )
    return exit_codes.DONE


def list_slices(call: Call) -> int:
    """List the slices and who uses them."""
    from herocloud.views import listings

    machine = host_status.find(call.folder)
    exit_codes.tell_diagnostics(call.screen, machine.hosting.diagnostics, quiet=call.quiet)
    presentation.show_listing(call, listings.slices(machine.slices, machine.owners))
    return exit_codes.DONE


def show_slice(call: Call, sid: Annotated[str, flags.argument(metavar="SID", help="The slice, such as s1.")]) -> int:
    """Show one slice."""
    from herocloud.views import details, listings

    machine = host_status.find(call.folder)
    host_slice = host_status.find_slice(machine, sid)
    presentation.show(
        call,
        lambda: {"format_version": "1.0", **listings.slice_row(host_slice, machine.owners)},
        lambda: details.slice_text(host_slice, machine.owners, color=call.screen.color_out),
    )
    return exit_codes.DONE


def doctor(call: Call) -> int:
    """Show what is missing on this host, and for which provider.

    Exits 1 when something fails that herocloud needs; a provider that cannot be used here is not a failure.
    """
    from herocloud.views import listings

    checks = host_status.check(call.folder)
    presentation.show_listing(call, listings.checks([check._asdict() for check in checks]))
    return exit_codes.ERROR if any(check.ok is False and check.needed for check in checks) else exit_codes.DONE
