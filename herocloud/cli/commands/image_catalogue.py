"""The catalogue: `image list`, `image pull`, `image verify`, `image prune`."""

from collections.abc import Iterable, Sequence
from typing import Annotated

from herocloud.cli import apply_flow, exit_codes, flags, presentation, requests
from herocloud.cli.command import Call
from herocloud.cli.image_progress import Teller
from herocloud.kits.jsons import Json
from herocloud.operations import images as operation
from herocloud.providers.images.store_audit import Pruned, Stored, Verified

NAMES = Annotated[list[str] | None, flags.argument(metavar="[NAME]...", help="Names or aliases of images; all of the stack by default.")]


def list_images(
    call: Call,
    *,
    variables: flags.Variables,
    stored: Annotated[
        bool, flags.switch("--stored", variable="", help="What the store holds instead, for all stacks, and who uses it.")
    ] = False,
) -> int:
    """List the images of the stack and which of them are here."""
    from herocloud.views import listings

    if stored:
        presentation.show_listing(call, listings.stored_images(_rows(operation.stored(call.folder))))
    else:
        presentation.show_listing(call, listings.images(operation.listed(call.folder, requests.make_sources(call, variables))))
    return exit_codes.DONE


def pull(call: Call, variables: flags.Variables, images: NAMES = None) -> int:
    """Fetch images of the stack before an apply needs them.

    What is here already is left alone; an image without a checksum is fetched again every time.
    """
    from herocloud.views import listings, values

    chosen = operation.choose(call.folder, requests.make_sources(call, variables), images or ())
    found: list[dict[str, Json]] = []
    try:
        with Teller(call) as teller:
            for one in operation.pull(call.folder, chosen, teller.about):
                found.append(one._asdict())
                if one.new and one.size is not None:
                    teller.say(f"image `{one.name}` is here, {values.show_bytes(one.size)}")
    except KeyboardInterrupt:
        call.note("What has arrived is kept; the next pull or apply goes on from there.")
        raise
    presentation.show_listing(call, listings.pulled_images(found))
    return exit_codes.DONE


def verify(
    call: Call,
    *,
    remove: Annotated[
        bool, flags.switch("--remove", variable="", help="Remove what is damaged; the next pull or apply fetches it again.")
    ] = False,
    lock_timeout: flags.LockTimeout = "30s",
) -> int:
    """Read every stored image again and say which are damaged.

    Exits 1 when one is and stays.
    """
    from herocloud.views import listings

    with Teller(call) as teller:
        found = operation.verify(call.folder, teller.about(""))
    wrong = [one for one in found if one.wrong is not None]
    if wrong and remove:
        operation.remove_wrong(call.folder, wrong, requests.make_plain_how(call, lock_timeout))
    presentation.show_listing(call, listings.verified_images(_verdicts(found, removed=remove)))
    if wrong and not remove:
        call.note("`herocloud image verify --remove` removes what is damaged; the next pull or apply fetches it again.")
    return exit_codes.ERROR if wrong and not remove else exit_codes.DONE


def prune(
    call: Call,
    *,
    approval: flags.Approving,
    dry_run: Annotated[bool, flags.switch("--dry-run", variable="", help="Only list what would go.")] = False,
    lock_timeout: flags.LockTimeout = "30s",
) -> int:
    """Remove stored images that nothing uses.

    What an image of any stack points at stays, and what a record names. Lists first what would go, and removes it once that is approved
    (class `destroy`).
    """
    found = operation.find_unused(call.folder)
    if dry_run or not (found.contents or found.downloads):
        return _tell_pruned(call, found, removed=not dry_run)
    if not call.json:
        _show_unused(call, found)
    names = [operation.shown(one.entry.source) for one in found.contents] + ["unfinished downloads"] * bool(found.downloads)
    apply_flow.get_removal_approved(call, names, requests.make_approved(approval), may_ask=approval.input)
    return _tell_pruned(call, operation.prune(call.folder, requests.make_plain_how(call, lock_timeout)), removed=True)


def _show_unused(call: Call, found: Pruned) -> None:
    from herocloud.views import listings, tables

    if found.contents:
        call.screen.result(tables.render(listings.stored_images(_rows(found.contents)), color=call.screen.color_out))


def _tell_pruned(call: Call, found: Pruned, *, removed: bool) -> int:
    from herocloud.views import values

    if call.json:
        document = {
            "format_version": presentation.FORMAT_VERSION,
            "contents": list(_rows(found.contents)),
            "downloads": list(found.downloads),
            "bytes": found.bytes,
            "removed": removed,
        }
        call.screen.result(presentation.dumps(document))
        return exit_codes.DONE
    what = [_counted(len(found.contents), "image"), _counted(len(found.downloads), "unfinished download")]
    named = " and ".join(one for one in what if one)
    if not named:
        call.screen.result("Nothing is stored that nobody uses.")
        return exit_codes.DONE
    if not removed:
        _show_unused(call, found)
    call.screen.result(f"{'Removed' if removed else 'Would remove'} {named}, {values.show_bytes(found.bytes)}.")
    return exit_codes.DONE


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}" if count else ""


def _rows(found: Iterable[Stored]) -> list[dict[str, Json]]:
    return [
        {**one.entry._asdict(), "source": operation.shown(one.entry.source), "bytes": one.bytes, "users": list(one.users)} for one in found
    ]


def _verdicts(found: Sequence[Verified], *, removed: bool) -> list[dict[str, Json]]:
    return [
        {
            "source": operation.shown(one.entry.source),
            "sha256": one.entry.sha256,
            "key": one.entry.key,
            "ok": one.wrong is None,
            "wrong": one.wrong,
            "removed": one.wrong is not None and removed,
        }
        for one in found
    ]
