"""Places in text files, as people and editors count them."""

from herocloud.kits.named_tuples import NamedTuple


class Place(NamedTuple):
    """A spot in a file; lines and columns count from 1, and the end is one past the last column."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
