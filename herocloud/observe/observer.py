"""One look through all providers, merged into one `Observed`.

Several providers may each see a part of one address: the disk of a VM is the image provider's, its machine the hypervisor's. Their parts
are merged; the name that stays is that of the provider which sees the machine, because that is the name the record has.
"""

from collections.abc import Iterable, Sequence

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import HerocloudError, Refused
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Observed, Thing
from herocloud.providers import registry
from herocloud.providers.seam import ProviderContext


def observe(context: ProviderContext, stacks: Iterable[StackName] | None, providers: Iterable[str]) -> Observed:
    """Look at everything of these stacks (or of all) through these providers.

    A provider that cannot look ends it: Refused says which one and why.
    """
    wanted = None if stacks is None else tuple(stacks)
    looks = []
    for name, observer in [(name, registry.find(name).observer(context)) for name in dict.fromkeys(providers)]:
        try:
            looks.append(observer.observe(wanted))
        except Refused:
            # It says in the user's words what is wrong, in a file of theirs perhaps; a second finding would only repeat it.
            raise
        except HerocloudError as error:
            raise Refused([_blind(name, str(error))]) from error
    return merge(looks)


def merge(looks: Sequence[Observed]) -> Observed:
    """Put several looks together; where two see the same part, the later one is believed."""
    if len(looks) == 1:
        return looks[0]
    things: dict[StackName, dict[Address, Thing]] = {}
    for look in looks:
        for stack, found in look.things.items():
            known = things.setdefault(stack, {})
            for address, thing in found.items():
                known[address] = _merge_things(known[address], thing) if address in known else thing
    return Observed(
        things=things,
        images={source: size for look in looks for source, size in look.images.items()},
        tombstones=sum(look.tombstones for look in looks),
        ranges=tuple(taken for look in looks for taken in look.ranges),
        strangers=frozenset().union(*(look.strangers for look in looks)),
        serials=_highest(looks),
        peer_states={endpoint: state for look in looks for endpoint, state in look.peer_states.items()},
    )


def _highest(looks: Sequence[Observed]) -> dict[str, int]:
    highest: dict[str, int] = {}
    for look in looks:
        for lineage, serial in look.serials.items():
            highest[lineage] = max(serial, highest.get(lineage, 0))
    return highest


def _merge_things(thing: Thing, other: Thing) -> Thing:
    first = other if "machine" in other.parts or "machine" in other.halves else thing
    parts, halves = {**thing.parts, **other.parts}, {**thing.halves, **other.halves}
    restored, taken = {**thing.restored, **other.restored}, {**thing.taken, **other.taken}
    # The name that its machine has counts: a tap keeps an earlier one.
    lineage = first.lineage or thing.lineage or other.lineage
    return first._replace(parts=parts, halves=halves, lineage=lineage, restored=restored, taken=taken)


def _blind(provider: str, why: str) -> Diagnostic:
    detail = f"`{provider}` cannot look at the world: {why}; a plan without it would take everything for gone"
    return Diagnostic("observe-failed", "A provider cannot look at the world", detail)
