"""Turns what people type into the one spelling that the parser knows.

Two habits are served before parsing. Terraform users write long flags with one dash (`-out=FILE`, `-var 'a=b'`, `-refresh=false`), and
everybody writes global flags before the command as well as behind it. Teaching the parser both would mean declaring every flag
twice, so the words are rewritten instead. What follows `--` and what is the value of a flag is left alone.
"""

import itertools
from collections.abc import Iterator, Sequence

from herocloud.cli import catalogue

GLOBAL_VALUED = frozenset({"data-dir", "chdir", "file"})
GLOBAL_SWITCHES = frozenset({"json", "no-color", "quiet", "verbose"})
VALUED = GLOBAL_VALUED | {
    "accelerator", "approve", "exclude", "format", "html", "hypervisor", "json-into", "junit", "lines", "lock-timeout", "max-bytes", "md",
    "on-failure", "out", "parallelism", "release", "replace", "sarif", "stack", "target", "timeout", "var", "var-file",
}  # fmt: skip
"""Long flags that take a value. A test compares these sets with the commands."""

SWITCHES = GLOBAL_SWITCHES | {
    "again", "all", "auto-approve", "check", "destroy", "detailed-exitcode", "diff", "dry-run", "follow", "foreign", "help", "host",
    "input", "install", "no-input", "no-refresh", "no-stdin", "off", "purge", "refresh", "rehearse", "remove", "rollback", "stored",
    "version", "yes",
}  # fmt: skip
"""Long flags that take none."""

_OPPOSITES = {"refresh": "--no-refresh", "input": "--no-input", "no-refresh": "--refresh", "no-input": "--input"}
_SHORT_VALUED = frozenset("f")
_SHORT_SWITCHES = frozenset("qv")
_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})


def normalise(arguments: Sequence[str]) -> list[str]:
    """Return the arguments as the parser wants them."""
    if arguments and arguments[0] == "help":
        arguments = [*arguments[1:], "--help"]
    for place, pair in enumerate(itertools.pairwise(arguments), 2):
        if pair == ("vm", "logs"):
            # Every program that shows a log follows it with `-f`; a stack file is named before the command, or with `--file`.
            arguments = [*arguments[:place], *("--follow" if word == "-f" else word for word in arguments[place:])]
            break
    return move_globals(spell_out(arguments))


def spell_out(arguments: Sequence[str]) -> list[str]:
    """Give long flags their two dashes and switches with a value (`-refresh=false`) their plain form."""
    words: list[str] = []
    rest = iter(arguments)
    for word in rest:
        if word == "--":
            return [*words, word, *rest]
        if len(word) < 2 or word[0] != "-":
            words.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if name in SWITCHES:
            words += _spell_switch(name, value) if equals else [f"--{name}"]
        elif name in VALUED:
            words.append(f"--{name}={value}" if equals else f"--{name}")
            if not equals:
                words += _next(rest)
        elif word == "-h":
            words.append("--help")
        elif word[1] in _SHORT_VALUED:
            words.append(word.replace("=", "", 1) if word[2:3] == "=" else word)
            if len(word) == 2:
                words += _next(rest)
        else:
            # An unknown long flag with one dash gets its second, or the parser would take its letters for short ones.
            known = word.startswith("--") or len(word) == 2 or set(word[1:]) <= _SHORT_SWITCHES
            words.append(word if known else f"-{word}")
    return words


def _spell_switch(name: str, value: str) -> list[str]:
    if value.lower() in _TRUE:
        return [f"--{name}"]
    if value.lower() in _FALSE:
        return [_OPPOSITES[name]] if name in _OPPOSITES else []
    # The parser refuses a switch with a value and says which one.
    return [f"--{name}={value}"]


def _next(rest: Iterator[str]) -> list[str]:
    value = next(rest, None)
    return [] if value is None else [value]


def move_globals(words: Sequence[str]) -> list[str]:
    """Put global flags that stand before the command, or between its words, behind it."""
    path: list[str] = []
    flags: list[str] = []
    at = 0
    while at < len(words):
        taken = _global_flag(words, at)
        if taken:
            flags += words[at : at + taken]
            at += taken
            continue
        found = catalogue.find((*path, words[at]))
        if found is None:
            break
        path.append(words[at])
        at += 1
        if isinstance(found, catalogue.Leaf):
            return [*path, *flags, *words[at:]]
    # No command was named: the flags would only hide that behind an error of their own.
    return [*path, *words[at:]]


def _global_flag(words: Sequence[str], at: int) -> int:
    """Return how many words the global flag at this place takes; 0 when there is none."""
    word = words[at]
    if word.startswith("--"):
        name, equals, _ = word[2:].partition("=")
        if name in GLOBAL_SWITCHES:
            return 1
        if name in GLOBAL_VALUED:
            return 1 if equals else min(2, len(words) - at)
        return 0
    if len(word) < 2 or word[0] != "-":
        return 0
    if word[1] in _SHORT_VALUED:
        return min(2, len(words) - at) if len(word) == 2 else 1
    return 1 if set(word[1:]) <= _SHORT_SWITCHES else 0
