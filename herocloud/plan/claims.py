"""What one thing occupies on its host, as a claim on every resource."""

from collections.abc import Iterable, Mapping

from herocloud.kits.jsons import Part
from herocloud.kits.shared_values import MadeLately
from herocloud.model.steps import NOTHING, Claim
from herocloud.model.worlds import Record
from herocloud.plan import snapshot_space as snapshots
from herocloud.plan.usage import counted, filled_by, room_of, use_of_parts

ON_THE_WAY = "room_on_the_way"
"""In what is reserved for an apply: bytes of the disk that only its steps take, and that are free again at its end or kept as deleted."""


def claim_of_parts(parts: Mapping[str, Part]) -> Claim:
    """Return what something occupies that only its parts tell of."""
    disk = filled_by(parts) + snapshots.bytes_of(parts)
    return Claim(**use_of_parts(parts)._replace(disk=disk)._asdict())


def claim_of(record: Record, present: Mapping[str, Part] | None = None) -> Claim:
    """Return what one record occupies; `present` are the parts that are there, where somebody looked."""
    seen = record.parts if present is None else present
    room = room_of(record, seen) + int(record.spec.get(ON_THE_WAY, 0))
    if record.kind != "vm":
        return Claim(disk=room) if room else NOTHING
    use = counted(record, seen)
    disk = use.disk + room + snapshots.room_of(record.spec, record.parts)
    return Claim(**use._replace(disk=disk)._asdict())


_LATELY: MadeLately[Claim] = MadeLately()


def claims_again(records: Iterable[tuple[Record, Mapping[str, Part] | None]]) -> list[Claim]:
    """Return `claim_of` each, computed once: in a process that stays, few records and parts differ from one plan to the next."""
    return _LATELY.make_all(claim_of, records)


def end_round() -> None:
    """Forget in time what no plan asks for any more."""
    _LATELY.end_round()
