"""Flags that the host file sets: `settings:` in host.yaml, below the environment and the command line.

The parser has a place for exactly this, a map of defaults that it asks after the environment. It is asked for every flag of the command
that nobody gave, so the host file is read at the first question only, and commands without such flags never read it.
"""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from herocloud.cli import flags

NAMES = frozenset(
    {
        *flags.Planning._fields,
        *flags.Approving._fields,
        *flags.Executing._fields,
        *flags.Exports._fields,
        "detailed_exitcode",
        "rehearse",
        "quiet",
        "no_color",
    }
)
"""Every flag of automation, as a parameter."""

_LISTS = frozenset({"target", "exclude", "replace", "approve"})


class Inherited:
    """The map of defaults of one command."""

    def __init__(self, words: Sequence[str]) -> None:
        """Remember the words of the command line, which may name the data folder."""
        self._words = words

    def get(self, name: str, default: Any = None) -> Any:
        """Return the setting of a flag."""
        value = self._settings.get(name) if name in NAMES else None
        if value is None:
            return default
        return value.replace(",", " ").split() if name in _LISTS else value

    @cached_property
    def _settings(self) -> Mapping[str, str]:
        from herocloud.operations import folders, hosting

        folder = folders.choose_folder(_value_of("--data-dir", self._words), os.environ, root=os.geteuid() == 0)
        start = _value_of("--chdir", self._words) or os.environ.get("HEROCLOUD_CHDIR")
        if start:
            folder = Path(start) / folder
        # Names that are no flag are refused where the host file is read; values are read by the flags themselves.
        return {name.replace("-", "_"): value for name, value in hosting.read_settings(folder).items()}


def _value_of(flag: str, words: Sequence[str]) -> str | None:
    """Return what was given for a long flag, the last one when there are several."""
    value = None
    for place, word in enumerate(words):
        if word == "--":
            break
        if word.startswith(f"{flag}="):
            value = word.partition("=")[2]
        elif word == flag and place + 1 < len(words):
            value = words[place + 1]
    return value
