"""What is to be said of VMs that are on the host and have no record."""

from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.words import Severity


def slice_of_orphan(address: str, sid: str, owner: str, place: Place | None) -> Diagnostic:
    """Tell that a pinned slice is in the hands of a VM that has no record."""
    return Diagnostic(
        code="does-not-fit-slice",
        summary="Slice in use",
        detail=f"`{address}` is pinned to slice `{sid}`, which `{owner}` holds: it is on this host and has no record.",
        address=address,
        place=place,
        hint=f"`herocloud state adopt {owner.partition(' ')[0]}` takes it back into the records, `herocloud state gc` removes it",
    )


def adoption_offered(address: str, what: str, place: Place | None) -> Diagnostic:
    """Tell that a VM without a record could be taken back as it is."""
    return Diagnostic(
        code="adoption-offered",
        summary="A VM without a record would be interrupted",
        detail=f"`{address}` is on this host and lost its record. To make it what the file asks for now takes a {what}.",
        severity=Severity.WARNING,
        address=address,
        place=place,
        hint=f"`herocloud state adopt {address}` takes it back as it was last recorded, without touching it",
    )
