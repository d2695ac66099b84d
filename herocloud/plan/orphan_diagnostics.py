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
        hint=f"`herocloud state adopt {owner.replace(' of stack ', ' --stack ')}` takes it back into the records, "
        "`herocloud state gc` removes it",
    )


def in_use_by_orphan(address: str, verb: str, what: str, owner: str, place: Place | None) -> Diagnostic:
    """Tell that a plan would take away, change or give to another what a VM without a record uses."""
    who = f"`{address}`" if verb == "takes" else "The plan"
    detail = f"{who} {verb} `{what}`, which `{owner}` uses: that VM is on this host and has no record."
    return Diagnostic(
        code="in-use-by-orphan",
        summary="In use by a VM without a record",
        detail=detail,
        address=address,
        place=place,
        hint=f"`herocloud state adopt {owner}` takes it back into the records, `herocloud state gc` removes it",
    )


def name_of_orphan(address: str) -> Diagnostic:
    """Tell that something new cannot have this name: making a thing never takes over what lies there already."""
    return Diagnostic(
        code="name-taken",
        summary="The name is taken",
        detail=f"`{address}` cannot be used here: something of this name is on this host and has no record.",
        address=address,
        hint=f"choose another name; `herocloud state adopt {address}` takes it back into the records, `herocloud state gc` removes it",
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
