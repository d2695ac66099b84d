"""Everything that plans compare with, read in one transaction."""

import sqlite3
from pathlib import Path

from herocloud.model.ids import Address, Sid, StackName
from herocloud.model.worlds import Recorded
from herocloud.state import data_makers, high_water, journal, records
from herocloud.state.step_durations import Medians


def read(
    connection: sqlite3.Connection, folder: Path, *, checked: bool, kept: records.Kept | None = None, medians: Medians | None = None
) -> Recorded:
    """Return everything that plans compare with; `checked` sets aside what has not the shape of a record.

    `kept` and `medians` are what the last question of the same reader has read, all of it `checked`.
    """
    # Before the first question, which fixes the moment that the answers are of.
    mark = high_water.look(folder)
    lineage, serial, slices = connection.execute("SELECT lineage, serial, slices FROM world").fetchone()
    unfinished = journal.pending(connection, folder)
    damaged: records.Damaged = {}
    present = records.load(connection, damaged=damaged if checked else None, kept=kept)
    return Recorded(
        lineage=lineage,
        serial=serial,
        records=present,
        slices=slices,
        unfinished=unfinished,
        reserved=journal.reserved(connection, kept) if unfinished else {},
        outputs=journal.outputs(connection),
        durations=(medians or Medians()).read(connection),
        damaged=damaged,
        held=_held_by(connection, damaged),
        behind=max(0, mark.serial_of(lineage) - serial),
        data_makers=data_makers.MakersIn(folder),
    )


def _held_by(connection: sqlite3.Connection, damaged: records.Damaged) -> dict[Sid, tuple[StackName, Address]]:
    """Return the slices of addresses whose records cannot be read: the assignments are kept beside the records."""
    if not damaged:
        return {}
    owners = records.owners(connection).items()
    return {sid: (stack, address) for sid, (stack, address) in owners if address in damaged.get(stack, {})}
