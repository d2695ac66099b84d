"""Differences: between two specs, field by field, and between the world and the records, part by part.

Equal things never get here. Whole-fleet deepdiff takes seconds even when nothing differs, so top-level values are compared with `==` first,
and deepdiff looks only into the nested values that differ; counted VMs share those, hence the memory of earlier answers.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Spec
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model import powers
from herocloud.model.applies import Pending
from herocloud.model.ids import Address
from herocloud.model.parts import SNAPSHOT
from herocloud.model.plans import HALF_MADE, NOT_THERE, WHOLE_VM, Drift, FieldDiff
from herocloud.model.steps import BESIDE
from herocloud.model.words import Cause
from herocloud.model.worlds import Observed, Record, Thing
from herocloud.plan import half_changed, half_made

SENSITIVE = frozenset({"user_data", "secrets"})
_NAMED = {"networks": "network", "volumes": "volume", "shares": "tag", "forward": "host_port"}
"""Lists whose entries have a name; they are compared by it, so that taking out the first does not look like changing all."""


class Difference(NamedTuple):
    """One value that differs."""

    path: str
    before: Json
    after: Json


class Differ:
    """Compares specs; remembers nested answers for the length of one plan."""

    def __init__(self) -> None:
        """Start with nothing remembered."""
        self._seen: dict[str, tuple[Difference, ...]] = {}

    def compare(self, before: Spec, after: Spec) -> list[Difference]:
        """List what differs, in the order of the fields."""
        differences: list[Difference] = []
        for key in (*after, *(key for key in before if key not in after)):
            old, new = before.get(key), after.get(key)
            if old == new:
                continue
            if isinstance(old, dict | list) or isinstance(new, dict | list):
                differences.extend(self._nested(key, old, new))
            else:
                differences.append(Difference(key, old, new))
        return differences

    def _nested(self, key: str, old: Json, new: Json) -> tuple[Difference, ...]:
        mark = f"{key}\0{jsons.dumps(old)}\0{jsons.dumps(new)}"
        if mark not in self._seen:
            self._seen[mark] = tuple(_look_into(key, _by_name(key, old), _by_name(key, new)))
        return self._seen[mark]


def _by_name(key: str, value: Json) -> Json:
    field = _NAMED.get(key)
    if field is None or not isinstance(value, list):
        return value
    named: dict[str, Json] = {}
    for entry in value:
        name = str(entry[field])
        while name in named:
            name += "'"
        named[name] = {inner: one for inner, one in entry.items() if inner != field}
    return named


def _look_into(key: str, old: Json, new: Json) -> Iterator[Difference]:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        yield Difference(key, old, new)
        return
    # deepdiff takes 120 ms to import: only plans that change something nested pay for it.
    from deepdiff import DeepDiff

    tree = DeepDiff(old, new, view="tree", verbose_level=2, threshold_to_diff_deeper=0)
    for kind in (
        "values_changed",
        "type_changes",
        "dictionary_item_added",
        "dictionary_item_removed",
        "iterable_item_added",
        "iterable_item_removed",
    ):
        for level in tree.get(kind, ()):
            steps = level.path(output_format="list")
            t1 = None if kind.endswith("_added") else level.t1
            t2 = None if kind.endswith("_removed") else level.t2
            yield Difference(_path(key, steps), t1, t2)


def _path(key: str, steps: list[Json]) -> str:
    return key + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def shown(spec: Mapping[str, Json]) -> dict[str, Json]:
    """Return a spec as it may be shown: sensitive values as digests."""
    return {key: (jsons.digest(value) if key in SENSITIVE and value else value) for key, value in spec.items()}


def drift_field(difference: Difference) -> FieldDiff:
    """Say how the world differs in one value; `before` is what is there, `after` what the record says and the plan restores."""
    if difference.path.startswith(SNAPSHOT) and not difference.path.endswith(f".{powers.MARK}"):
        # A copy of what was cannot be made again: the record follows the world.
        why = "gone outside herocloud; the record forgets it" if difference.before is None else "found; the record takes it up"
        return FieldDiff(difference.path, difference.after, difference.before, drift=True, why=why)
    if _is_grown(difference):
        return FieldDiff(difference.path, difference.after, difference.before, drift=True, why=_WHY_GROWN)
    return FieldDiff(difference.path, difference.before, difference.after, drift=True, why=_why_drifted(difference))


_SIZES = ("disk.size", "volume.size")
_WHY_GROWN = "grown outside herocloud; a disk does not shrink, so it stays that large, and the record takes it up"


def _is_grown(difference: Difference) -> bool:
    return difference.path in _SIZES and difference.after is not None and (difference.before or 0) > difference.after


def _why_drifted(difference: Difference) -> str:
    if difference.path == f"machine.{powers.KEEPER}":
        return powers.WHY_KEPT.get(str(difference.before), "")
    if difference.path.startswith("machine.") and (why := powers.WHY_SEEN.get(difference.path.partition(".")[2])):
        return why
    if difference.path.endswith(f".{powers.MARK}"):
        return powers.WHY_ALIAS if difference.path.startswith(("network.", "nic.")) else powers.WHY_MARK
    if difference.path in _SIZES and difference.before is not None and difference.before < (difference.after or 0):
        return "cut outside herocloud; what lay beyond is lost"
    return powers.WHY.get(str(difference.before) if difference.path == "power" else "", "changed outside herocloud")


def find_drift(records: Mapping[Address, Record], observed: Observed | None) -> tuple[Drift, ...]:
    """Compare every record of one stack with what was seen; equal parts are passed over before anything looks inside."""
    if observed is None:
        return ()
    drifts: list[Drift] = []
    for address, record in records.items():
        thing = observed.things.get(record.stack, {}).get(address)
        seen: Mapping[str, Json] = thing.parts if thing else {}
        if thing is not None and thing.halves and record.complete:
            drifts.extend(half_made.drift(record, thing))
        if seen == record.parts or not record.complete:
            continue
        for part in sorted({*record.parts, *seen}):
            before, after = record.parts.get(part), seen.get(part)
            if before == after:
                continue
            if isinstance(before, dict) and isinstance(after, dict):
                drifts.extend(
                    Drift(address, record.kind, f"{part}.{key}", before.get(key), after.get(key))
                    for key in sorted({*before, *after})
                    if before.get(key) != after.get(key)
                )
            else:
                drifts.append(Drift(address, record.kind, part, before, after))
    return tuple(drifts)


def _state_of(thing: Thing | None) -> str:
    parts = thing.parts if thing is not None else {}
    beside = thing is not None and any(part.endswith(BESIDE) for part in (*thing.parts, *thing.halves))
    if parts.get("power") == "running" and beside:
        return "prepared for a change"
    if parts.get("power") in powers.ALIVE:
        # A machine that runs was made: its change is what was not finished.
        return f"{parts['power']}, its last change not finished"
    # A VM that never came to be is not gone, and which of the two it is, its record does not say.
    return HALF_MADE if "machine" in parts else NOT_THERE


def find_half_made(records: Mapping[Address, Record], observed: Observed | None, unfinished: Collection[Pending]) -> tuple[Drift, ...]:
    """Return the VMs that an apply which was cut off or failed has left half made or not there, and what else it has half made.

    Whole parts are between two targets, so what counts is what has become of the machine. A plan shows all of it as changes of its own.
    A machine that runs is not half made, though its record may be between two states.
    One that runs with a disk or a seed beside its own was only prepared for a change. `unfinished` are the applies of this stack that wait
    for `resume`.
    """
    if observed is None:
        return ()
    drifts: list[Drift] = []
    for address, record in records.items():
        if record.complete:
            continue
        thing = observed.things.get(record.stack, {}).get(address)
        waits = any(pending.address in (None, address) for pending in unfinished)
        cause = Cause.UNFINISHED_APPLY if waits else Cause.FAILED_APPLY
        halves = half_made.drift(record, thing, cause)
        if record.kind == "vm" and all(half.part != "machine" for half in halves):
            drifts.append(Drift(address, record.kind, WHOLE_VM, None, _state_of(thing), cause))
        elif record.kind != "vm" and not halves:
            drifts += half_changed.drift(record, thing, cause)
        drifts += halves
    return tuple(drifts)


_SAYS = {"image": ("image", "image_id"), "network": ("networks",), "volume": ("volumes",)}
"""Fields that already imply a dependency, so the plan does not list it again."""


def dependency_fields(before: Sequence[Address], after: Sequence[Address], others: Iterable[FieldDiff] = ()) -> list[FieldDiff]:
    """Return how the dependencies of a resource change, without those that `others` of its fields say already.

    That a VM on the overlay waits for its node is said by `mycelium`.
    """
    changed = {field.path.partition(".")[0].partition("[")[0] for field in others}
    said = ["mycelium.", *(f"{kind}." for kind, fields in _SAYS.items() if not changed.isdisjoint(fields))]
    needs, wanted = ([address for address in listed if not address.startswith(tuple(said))] for listed in (before, after))
    return [FieldDiff("depends_on", needs, wanted)] if set(needs) != set(wanted) else []
