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
    pulled: list[dict[str, Json]] = []
    try:
        with Teller(call) as teller:
            for pulled_image in operation.pull(call.folder, chosen, teller.about):
                pulled.append(pulled_image._asdict())
                if pulled_image.new and pulled_image.size is not None:
                    teller.say(f"image `{pulled_image.name}` is here, {values.show_bytes(pulled_image.size)}")
    except KeyboardInterrupt:
        call.note("What has arrived is kept; the next pull or apply goes on from there.")
        raise
    presentation.show_listing(call, listings.pulled_images(pulled))
    return exit_codes.DONE


def verify(
    call: Call,
    *,
    remove: Annotated[
        bool, flags.switch("--remove", variable="", help="Remove what is damaged; the next pull or apply fetches it again.")
    ] = False,
    lock_timeout: flags.LockTimeout = "30s",
) -> int:
    """Read every stored image again and list the damaged ones.

    Exits 1 when one is and stays.
    """
    from herocloud.views import listings

    with Teller(call) as teller:
        verified = operation.verify(call.folder, teller.about(""))
    wrong = [verified_image for verified_image in verified if verified_image.wrong is not None]
    if wrong and remove:
        operation.remove_wrong(call.folder, wrong, requests.make_plain_how(call, lock_timeout))
    presentation.show_listing(call, listings.verified_images(_verdicts(verified, removed=remove)))
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
    unused = operation.find_unused(call.folder)
    if dry_run or not (unused.contents or unused.downloads):
        return _tell_pruned(call, unused, removed=not dry_run)
    if not call.json:
        _show_unused(call, unused)
    names = [operation.shown(content.entry.source) for content in unused.contents] + ["unfinished downloads"] * bool(unused.downloads)
    apply_flow.get_removal_approved(call, names, requests.make_approved(approval), may_ask=approval.input)
    return _tell_pruned(call, operation.prune(call.folder, requests.make_plain_how(call, lock_timeout)), removed=True)


def _show_unused(call: Call, pruned: Pruned) -> None:
    from herocloud.views import listings, tables

    if pruned.contents:
        call.screen.result(tables.render(listings.stored_images(_rows(pruned.contents)), color=call.screen.color_out))


def _tell_pruned(call: Call, pruned: Pruned, *, removed: bool) -> int:
    from herocloud.views import values

    if call.json:
        document = {
            "format_version": presentation.FORMAT_VERSION,
            "contents": list(_rows(pruned.contents)),
            "downloads": list(pruned.downloads),
            "bytes": pruned.bytes,
            "removed": removed,
        }
        call.screen.result(presentation.dumps(document))
        return exit_codes.DONE
    what = [_counted(len(pruned.contents), "image"), _counted(len(pruned.downloads), "unfinished download")]
    named = " and ".join(part for part in what if part)
    if not named:
        call.screen.result("Nothing is stored that nobody uses.")
        return exit_codes.DONE
    if not removed:
        _show_unused(call, pruned)
    call.screen.result(f"{'Removed' if removed else 'Would remove'} {named}, {values.show_bytes(pruned.bytes)}.")
    return exit_codes.DONE


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}" if count else ""


def _rows(stored_images: Iterable[Stored]) -> list[dict[str, Json]]:
    return [
        {
            **stored_image.entry._asdict(),
            "source": operation.shown(stored_image.entry.source),
            "bytes": stored_image.bytes,
            "users": list(stored_image.users),
        }
        for stored_image in stored_images
    ]


def _verdicts(verified_images: Sequence[Verified], *, removed: bool) -> list[dict[str, Json]]:
    return [
        {
            "source": operation.shown(verified_image.entry.source),
            "sha256": verified_image.entry.sha256,
            "key": verified_image.entry.key,
            "ok": verified_image.wrong is None,
            "wrong": verified_image.wrong,
            "removed": verified_image.wrong is not None and removed,
        }
        for verified_image in verified_images
    ]
