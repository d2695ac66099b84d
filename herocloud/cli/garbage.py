"""`state gc`: lists what would go, gets it approved, removes it."""

import time
from collections.abc import Sequence

from herocloud.cli import apply_flow, exit_codes, flags, presentation, requests
from herocloud.cli.command import Call
from herocloud.operations import import_folders, leftovers
from herocloud.operations.held_data import Held
from herocloud.operations.leftovers import Cleaned, Litter
from herocloud.plan import lost_data
from herocloud.views import listings, results, tables, values


def clean(call: Call, litter: Litter, approval: flags.Approving, running: flags.Executing) -> int:
    """Show the litter, and remove it once that is approved."""
    swept = import_folders.sweep(call.folder)
    if swept.folders:
        call.note(f"removed what {_count(swept.folders, 'import')} had unpacked and left, {values.show_bytes(swept.size)}")
    if not litter.orphans and not litter.tombstones:
        _show_nothing(call, litter)
        return exit_codes.DONE
    if not call.json:
        _show(call, litter)
    approved = requests.make_approved(approval)
    names = list(dict.fromkeys([thing.address for thing in litter.orphans] + [stone.address for stone in litter.tombstones]))
    apply_flow.get_removal_approved(call, names, approved, may_ask=approval.input)
    cleaned = leftovers.clean(call.folder, litter, requests.make_how(call, running))
    return _tell(call, litter, cleaned)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _show(call: Call, litter: Litter) -> None:
    if litter.orphans:
        call.screen.result(tables.render(listings.orphans(litter.orphans), color=call.screen.color_out))
    if litter.tombstones:
        table = listings.tombstones(litter.tombstones, now=time.time(), keep=lost_data.KEEP_SECONDS)
        call.screen.result(("\n" if litter.orphans else "") + tables.render(table, color=call.screen.color_out))
    _tell_spared(call, litter)


def _show_nothing(call: Call, litter: Litter) -> None:
    if call.json:
        call.screen.result(
            presentation.dumps(
                {
                    "format_version": presentation.FORMAT_VERSION,
                    "orphans": [],
                    "tombstones": [],
                    "held": _list_held(litter.held),
                    "removed": True,
                }
            )
        )
    else:
        call.screen.result("There is nothing to remove.")
        _tell_spared(call, litter)


def _tell_spared(call: Call, litter: Litter) -> None:
    if litter.spared:
        number = len(litter.spared)
        carry, it = ("1 thing carries", "it") if number == 1 else (f"{number} things carry", "them")
        call.note(f"{carry} the mark of another state and {'stays' if number == 1 else 'stay'}; `--foreign` includes {it}.")
    _tell_held(call, litter.held)


def _tell_held(call: Call, held: Sequence[Held]) -> None:
    for apply in dict.fromkeys(kept.apply for kept in held):
        addresses = ", ".join(dict.fromkeys(f"`{kept.tombstone.address}`" for kept in held if kept.apply == apply))
        call.note(f"`{apply}` has not ended and may need the deleted data of {addresses}, which stays until it has.")


def _list_held(held: Sequence[Held]) -> list[dict[str, str]]:
    return [{"stack": kept.tombstone.stack, "address": kept.tombstone.address, "apply": kept.apply} for kept in held]


def _tell(call: Call, litter: Litter, cleaned: Cleaned) -> int:
    codes = [apply_flow.code_of(result) for _, result in cleaned.results]
    if call.json:
        document = {
            "format_version": presentation.FORMAT_VERSION,
            "orphans": [{"stack": thing.stack, "address": thing.address} for thing in litter.orphans],
            "tombstones": [stone.key for stone in cleaned.tombstones],
            "held": _list_held((*litter.held, *cleaned.held)),
            "removed": not any(codes),
            "results": [results.document(plan, result) for plan, result in cleaned.results],
        }
        call.screen.result(presentation.dumps(document))
        return max(codes, default=exit_codes.DONE)
    _tell_held(call, cleaned.held)
    if cleaned.others:
        names = ", ".join(dict.fromkeys(f"`{stone.address}`" for stone in cleaned.others))
        call.note(f"The data of {names} was deleted again since it was listed, and stays.")
    for plan, result in cleaned.results:
        call.screen.result("\n" + results.render(plan, result, color=call.screen.color_out))
    if cleaned.tombstones:
        freed = values.show_bytes(sum(stone.bytes for stone in cleaned.tombstones))
        number = len(cleaned.tombstones)
        call.screen.result(f"\nDestroyed the deleted data of {number} tombstone{'' if number == 1 else 's'}, {freed}.")
    return max(codes, default=exit_codes.DONE)
