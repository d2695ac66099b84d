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
from herocloud.kits import names
from herocloud.model import errors
from herocloud.model.diagnostics import Diagnostic

NAMES = frozenset({*flags.Planning._fields, *flags.Approving._fields, *flags.Executing._fields, *flags.Exports._fields, "detailed_exitcode", "rehearse", "quiet", "no_color"})
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
        return check(hosting.read_settings(folder), folder / "host.yaml")


def check(settings: Mapping[str, str], file: Path) -> dict[str, str]:
    """Return the settings by parameter name; refuse names that are no flag."""
    found: dict[str, str] = {}
    wrong: list[Diagnostic] = []
    for key, value in settings.items():
        name = key.replace("-", "_")
        if name in NAMES:
            found[name] = str(value)
            continue
        close = names.nearest(name, NAMES)
        hint = f"did you mean `{close}`?" if close else "any flag of plan, apply and destroy can be set, without its dashes"
        wrong.append(Diagnostic("unknown-setting", "unknown setting in the host file", f"`{key}` under `settings` in {file} is no flag.", hint=hint))
    if wrong:
        raise errors.Refused(wrong)
    return found


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
