"""`host show`, `host refresh`."""

from herocloud.cli import ending, flags, preparing, showing
from herocloud.cli.invoking import Call
from herocloud.operations import machines


def show(call: Call) -> int:
    """Show the machine and where each value came from."""
    from herocloud.views import details

    found = machines.find(call.folder)
    ending.tell_diagnostics(call.screen, found.hosting.diagnostics, quiet=call.quiet)
    host = found.hosting.host
    showing.show(call, lambda: details.host_document(host), lambda: details.host_text(host, color=call.screen.color_out))
    return ending.DONE


def refresh(call: Call, lock_timeout: flags.LockTimeout = "30s") -> int:
    """Detect the machine again; memory that grew adds slices."""
    from herocloud.views import details

    refreshed = machines.refresh(call.folder, preparing.make_plain_how(call, lock_timeout))
    ending.tell_diagnostics(call.screen, refreshed.hosting.diagnostics, quiet=call.quiet)
    host, before = refreshed.hosting.host, refreshed.before
    grown = len(host.slices) - before
    if grown > 0:
        says = f"{grown} slices were {'added' if before else 'created'}."
    else:
        says = f"{-grown} slices are gone." if grown else "The slices are as they were."
    showing.show(
        call,
        lambda: {**details.host_document(host), "slices_before": before},
        lambda: f"{details.host_text(host, color=call.screen.color_out)}\n\n{says}",
    )
    return ending.DONE
