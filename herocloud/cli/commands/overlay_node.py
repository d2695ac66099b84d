"""The overlay of this host: `mycelium status`, `mycelium key create`."""

from typing import Annotated, Literal

from herocloud.cli import exit_codes, flags, presentation
from herocloud.cli.command import Call
from herocloud.operations import overlay

WHAT = Annotated[Literal["create"], flags.argument(metavar="create", help="What to do: create.", show_default=False)]


def show_status(call: Call) -> int:
    """Show the overlay daemon, its peers and routes, and the traffic per VM.

    Exits 1 when no daemon answers.
    """
    from herocloud.views import overlay_status

    state = overlay.read_status(call.folder)
    presentation.show(
        call, lambda: overlay_status.status_document(state), lambda: overlay_status.status_text(state, color=call.screen.color_out)
    )
    return exit_codes.DONE if state.report.running else exit_codes.ERROR


def make_keys(
    call: Call,
    *,
    what: WHAT,  # noqa: ARG001  (the one word that there is)
    names: Annotated[list[str], flags.argument(metavar="NAME...", help="What the keys are called: `host` for the one of this host.")],
) -> int:
    """Make the keys that overlay addresses follow from.

    A key that is there is never replaced: its addresses would change.
    """
    from herocloud.views import overlay_status

    made = overlay.create_keys(call.folder, names)
    presentation.show(call, lambda: overlay_status.keys_document(made), lambda: overlay_status.keys_text(made))
    return exit_codes.DONE
