"""`drift`."""

from herocloud.cli import ending, flags, preparing, showing
from herocloud.cli.invoking import Call
from herocloud.operations import drifting


def drift(call: Call, *, stack: flags.Stack = None, detailed_exitcode: flags.Detailed = False) -> int:
    """Compare the world with the records; cannot write."""
    from herocloud.views import drifting as view

    found = drifting.find_drift(call.folder, preparing.choose_stack(call, stack))
    if len(found) == 1:
        only = found[0]
        showing.show(
            call, lambda: view.document(only.stack, only.drift), lambda: view.render(only.stack, only.drift, color=call.screen.color_out)
        )
    else:
        texts = [view.render(one.stack, one.drift, color=call.screen.color_out) for one in found if one.drift]
        showing.show(
            call,
            lambda: {
                "format_version": view.FORMAT_VERSION,
                "drifted": any(one.drift for one in found),
                "stacks": [view.document(one.stack, one.drift) for one in found],
            },
            lambda: "\n\n".join(texts) or "No drift.",
        )
    return ending.CHANGES if detailed_exitcode and any(one.drift for one in found) else ending.DONE
