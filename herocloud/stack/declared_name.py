"""The name that stack files give their stack, without a judgment on the rest of them.

A look at the records needs no variable that only a VM uses, and no sound file. What counts as the name is decided by the reader and the
expressions that a load uses, so both mean the same stack however the file is written.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from herocloud.kits.yaml import reader
from herocloud.kits.yaml.tree import Unreadable
from herocloud.model.hosts import Host
from herocloud.stack.fields import spellings

_KEY = "stack"


def read_name(
    contents: Sequence[bytes],
    *,
    host: Callable[[], Host | None],
    variables: Sequence[str] = (),
    environment: Mapping[str, str] = {},
) -> str | None:
    """Return the name of the stack; nothing where the files do not give it one that a load would take."""
    name = written_name(contents[0]) if contents else None
    if isinstance(name, str) and "{{" in name:
        name = _evaluate(name, contents, host() if "host" in name else None, variables, environment)
    return name if isinstance(name, str) and re.fullmatch(spellings.NAME, name) else None


def written_name(content: bytes) -> Any:
    """Return the value of `stack` in the first file, as it is written there; nothing where there is none."""
    try:
        # What comes behind it may be broken: a stack whose file does not load can still be removed by its name.
        tree = reader.read_tree(content.decode(errors="replace"), until=_KEY)
    except Unreadable:
        return None
    return tree.value.get(_KEY) if isinstance(tree.value, dict) else None


def _evaluate(name: str, contents: Sequence[bytes], host: Host | None, variables: Sequence[str], environment: Mapping[str, str]) -> Any:
    from herocloud.stack import judgement, merge, substitution
    from herocloud.stack.findings import Findings

    try:
        trees = [reader.read_tree(content.decode(errors="replace")).value for content in contents]
    except Unreadable:
        return None
    if not all(isinstance(tree, dict) for tree in trees):
        return None
    combined, _twice = merge.combine(trees)
    findings = Findings()
    values = judgement.collect_variables(combined.value, variables, (), environment, findings)
    return substitution.substitute({_KEY: name}, values, host, findings).value.get(_KEY)
