"""What records rely on, by name, and how that follows a rename."""

from collections.abc import Mapping

from herocloud.model.ids import Address
from herocloud.model.worlds import Record


def follow(record: Record, names: Mapping[Address, Address]) -> Record:
    """Return a record whose needs call what was renamed by its new name; `names` has new addresses by old ones."""
    needs = tuple(names.get(need, need) for need in record.needs)
    return record if needs == record.needs else record._replace(needs=needs)
