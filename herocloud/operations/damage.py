"""Records that cannot be read: what is said of them, and what may not be done until that is settled.

Each is one row of one stack. That stack is not changed, because nobody knows what it holds; all others go on, and what the row holds
(its slices, by their own table; what was seen of it, as with an orphan) is given to nobody.
"""

from collections.abc import Sequence

from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, StackName
from herocloud.model.words import Severity
from herocloud.model.worlds import Record, Recorded


def warnings(recorded: Recorded) -> list[Diagnostic]:
    """Say which records cannot be read, and whether the whole state is an older one."""
    found = [say_behind(recorded)] if recorded.behind else []
    return found + [
        _say(stack, address, why, Severity.WARNING)
        for stack, found in sorted(recorded.damaged.items())
        for address, why in sorted(found.items(), key=lambda item: ids.sort_key(item[0]))
    ]


def require_sound(recorded: Recorded, stack: StackName) -> None:
    """Raise Refused where a record of this stack cannot be read."""
    damage = recorded.damaged.get(stack)
    if damage:
        raise Refused([_say(stack, address, why) for address, why in sorted(damage.items())])


def require_record(recorded: Recorded, addresses: Sequence[str], stack: str | None) -> None:
    """Raise Refused where what is meant by an address is a record that cannot be read."""
    for name, found in recorded.damaged.items():
        for address, why in found.items():
            if address in addresses and stack in (None, name):
                raise Refused([_say(name, address, why)])


def find(recorded: Recorded, address: str, stack: str | None) -> Record | None:
    """Return what is left of a record that cannot be read: where it is."""
    for name, found in recorded.damaged.items():
        if address in found and stack in (None, name):
            where = Address(address)
            return Record(name, where, address.partition(".")[0], "", {}, {}, complete=False)
    return None


def say_behind(recorded: Recorded) -> Diagnostic:
    """Say that the state is older than what was made from it."""
    return Diagnostic(
        "state-behind",
        "The state went back in time",
        f"It ends with serial {recorded.serial}, and serial {recorded.serial + recorded.behind} was written here: it was put back from a "
        "backup, or lost the end of its log. What was made since is on the host without a record; a plan of its stack takes it over where "
        "the stack asks for it.",
        severity=Severity.WARNING,
        hint="put the newer `state.db` back if there is one; else plan each stack, and look at `herocloud state orphans`",
    )


def _say(stack: StackName, address: Address, why: str, severity: Severity = Severity.ERROR) -> Diagnostic:
    return Diagnostic(
        "record-damaged",
        "A record cannot be read",
        f"The row of `{address}` in stack `{stack}` is damaged: {why}. Nothing of this stack is changed until that is settled.",
        address=address,
        severity=severity,
        hint=f"`herocloud state rm {address} --stack {stack}` drops the row, and `herocloud state adopt {address} --stack {stack}` "
        "records what is there as it was recorded last; or put `state.db` back from a backup",
    )
