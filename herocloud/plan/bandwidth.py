"""What the network cards of a VM may use of the uplink: each card counts from the step that makes it to the one that removes it."""

from collections.abc import Mapping

from herocloud.kits.jsons import Part
from herocloud.model.steps import NOTHING, Claim

_CARD = "nic."
_MAPS = (dict, Mapping)
"""Ours are dictionaries; to ask the abstract class about each card of ten thousand VMs takes long."""


def highest(rate: object, *fields: str) -> int:
    """Return the highest of these limits; what somebody else wrote on the host may be of any shape, and then promises nothing."""
    if not isinstance(rate, _MAPS):
        return 0
    return max([limit for field in fields if isinstance(limit := rate.get(field), int)], default=0)


def of_card(card: Part) -> int:
    """Return what one card may use, 0 where there is none or nothing limits it."""
    return highest(card.get("rate"), "download", "upload") if isinstance(card, _MAPS) else 0


def of_cards(present: Mapping[str, Part]) -> int:
    """Return what the cards among these parts may use; it does not follow from the machine, which may be gone."""
    return sum(of_card(part) for key, part in present.items() if key.startswith(_CARD))


def claims(part: str, before: Part, after: Part) -> tuple[Claim, Claim]:
    """Return what a step takes and gives that changes this part of a VM.

    A rate that moves from one card to another is claimed twice for as long as both cards have it.
    """
    if not part.startswith(_CARD):
        return NOTHING, NOTHING
    grown = of_card(after) - of_card(before)
    return (Claim(network=grown) if grown > 0 else NOTHING), (Claim(network=-grown) if grown < 0 else NOTHING)


def grows_late(key: str, present: Mapping[str, Part], target: Mapping[str, Part]) -> tuple[bool, str]:
    """Return the place of a card among those that change: the ones that give something back come first."""
    return of_card(target[key]) >= of_card(present.get(key)), key
