"""Whose stack it is: the one thing that destroying needs of a stack file.

A file that no longer loads, for a missing variable or a secret nobody has any more, must not stand between people and the removal of what
it made.
"""

from collections.abc import Sequence

from herocloud.model import ids
from herocloud.model.ids import StackName
from herocloud.stack import sources


def stack_of(files: Sequence[str], stdin: str | None = None) -> StackName | None:
    """Return the name that all these files agree on, however wrong the rest of them is; nothing when they name none."""
    from herocloud.stack import reading

    read, unusable = sources.read_sources(files, stdin)
    if unusable or not read:
        return None
    names = set()
    for source in read:
        try:
            tree = reading.read_tree(source.content.decode())
        except (reading.Unreadable, UnicodeDecodeError):
            return None
        names.add(tree.value.get("stack") if isinstance(tree.value, dict) else None)
    name = names.pop()
    return StackName(name) if not names and isinstance(name, str) and ids.NAME.match(name) else None
