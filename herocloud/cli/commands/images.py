"""`image list`."""

from herocloud.cli import ending, flags, preparing, showing
from herocloud.cli.invoking import Call
from herocloud.operations import stack_files


def list_images(call: Call, variables: flags.Variables) -> int:
    """List the images of the stack and which of them are here."""
    from herocloud.views import listings

    showing.show_listing(call, listings.images(stack_files.images(call.folder, preparing.make_sources(call, variables))))
    return ending.DONE
