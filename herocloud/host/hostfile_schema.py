"""The shape of the host file: its keys, and what may stand behind each.

One table instead of pydantic models: the file is small, its rules fit one line each, and pydantic would cost a plan more time than all of
its other work. A value comes out as a number or text, under its dotted name.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from herocloud.kits import sizes
from herocloud.kits.sizes import NotASize
from herocloud.providers import registry
from herocloud.providers.seam import SettingKind

Number = TypeVar("Number", int, float)

INT, FLOAT, STR, BOOL, NULL = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "str", "bool", "null"))
_MOST_MEMORY = 4 * 1024**5
_MOST_CPUS = 1_000_000
_MOST_KEPT = 10_000_000
_MOST_USERS = 2**31 - 1
_GROUP = re.compile(r"^[a-z_][a-z0-9_-]{0,31}$")
_NAME = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$")


class Wrong(NamedTuple):
    """Why a value is refused."""

    code: str
    detail: str
    hint: str | None = None


Reader = Callable[[str, str], Any]
"""Takes the resolved YAML tag and the text of a scalar; returns the value, or `Wrong`."""


def _name(tag: str, text: str) -> str | Wrong:
    if tag not in (STR, INT) or not _NAME.match(text):
        return Wrong("bad-name", f"`{text}` is not the name of a host.", "letters, digits, dots, dashes and underscores, 253 at most")
    return text


def _size(tag: str, text: str) -> int | Wrong:
    return _measure(sizes.parse_size, "bad-size", tag, text)


def _memory(tag: str, text: str) -> int | Wrong:
    memory = _size(tag, text)
    if isinstance(memory, int) and memory > _MOST_MEMORY:
        return Wrong("out-of-range", f"`{text}` is more memory than can be planned.", f"{sizes.format_size(_MOST_MEMORY)} is the most")
    return memory


def _rate(tag: str, text: str) -> int | Wrong:
    return _measure(sizes.parse_rate, "bad-rate", tag, text)


def _duration(tag: str, text: str) -> float | Wrong:
    return _measure(sizes.parse_duration, "bad-duration", tag, text)


def _measure(parse: Callable[[str], Number], code: str, tag: str, text: str) -> Number | Wrong:
    if tag not in (STR, INT, FLOAT):
        return Wrong(code, f"`{text}` is not what is wanted here.")
    try:
        return parse(text)
    except NotASize as error:
        return Wrong(code, f"{error}.", error.hint)


def _count(tag: str, text: str) -> int | Wrong:
    if tag != INT or not text.isdecimal():
        return Wrong("wrong-type", f"`{text}` is not a whole number.")
    if not 1 <= int(text) <= _MOST_CPUS:
        return Wrong("out-of-range", f"`{text}` is out of range.", f"1 to {_MOST_CPUS}")
    return int(text)


def _limit(tag: str, text: str) -> int | Wrong:
    if tag != INT or not text.isdecimal():
        return Wrong("wrong-type", f"`{text}` is not a whole number.")
    if not 1 <= int(text) <= _MOST_KEPT:
        return Wrong("out-of-range", f"`{text}` is out of range.", f"1 to {_MOST_KEPT}")
    return int(text)


def _ratio(tag: str, text: str) -> float | Wrong:
    number = _number(tag, text)
    if isinstance(number, float) and not 0.01 <= number <= 1000:
        return Wrong("out-of-range", f"`{text}` is out of range.", "0.01 to 1000; 2.0 promises twice of what is there")
    return number


def _expansion(tag: str, text: str) -> float | Wrong:
    number = _number(tag, text)
    if isinstance(number, float) and not 1 <= number <= 1_000_000:
        return Wrong("out-of-range", f"`{text}` is out of range.", "1 to 1000000; 200 lets an image of 10 MiB unpack to 2000 MiB")
    return number


def _share(tag: str, text: str) -> float | Wrong:
    number = _number(tag, text)
    if isinstance(number, float) and not 0 <= number <= 1:
        return Wrong("out-of-range", f"`{text}` is out of range.", "0.0 to 1.0; 0.2 is a fifth of the disk")
    return number


def _number(tag: str, text: str) -> float | Wrong:
    if tag in (INT, FLOAT):
        try:
            return float(text)
        except ValueError:
            pass
    return Wrong("wrong-type", f"`{text}` is not a number.")


def _path(tag: str, text: str) -> str | Wrong:
    return text if tag == STR and text and "\0" not in text else Wrong("wrong-type", f"`{text}` is not a path.")


def _absolute(tag: str, text: str) -> str | Wrong:
    path = _path(tag, text)
    if isinstance(path, str) and not path.startswith("/"):
        return Wrong(
            "wrong-type", f"`{text}` is not an absolute path.", "callers of the daemon have no folder that it could be relative to"
        )
    return path


def _group(tag: str, text: str) -> str | Wrong:
    if tag != STR or not _GROUP.match(text):
        return Wrong("bad-name", f"`{text}` is not the name of a group.", "lower-case letters, digits, `_` and `-`, 32 at most")
    return text


def _user(tag: str, text: str) -> int | Wrong:
    if tag != INT or not text.isdecimal():
        return Wrong("wrong-type", f"`{text}` is not a whole number.")
    if not 1000 <= int(text) <= _MOST_USERS:
        return Wrong("out-of-range", f"`{text}` is out of range.", f"1000 to {_MOST_USERS}")
    return int(text)


def _users(tag: str, text: str) -> int | str | Wrong:
    """Read how many users there are, or a whole range of them."""
    first, dash, last = text.partition("-")
    if tag != STR or not dash or not (first.isdecimal() and last.isdecimal()):
        found = _user(tag, text)
        return found._replace(hint="write how many there are, or a range: `300000-365535`") if isinstance(found, Wrong) else found
    if not 1000 <= int(first) <= int(last) - 999 <= _MOST_USERS - 999:
        return Wrong("out-of-range", f"`{text}` is out of range.", f"1,000 numbers or more, from 1000 to {_MOST_USERS}")
    return text


def _one_of(words: tuple[str, ...]) -> Reader:
    def read(tag: str, text: str) -> str | Wrong:
        if tag == STR and text in words:
            return text
        return Wrong("unknown-word", f"`{text}` is not a choice here.", f"one of {', '.join(f'`{word}`' for word in words)}")

    return read


def _setting(tag: str, text: str) -> str:
    """Keep what was written, in the one spelling of truth: flags read their values themselves, wherever they come from."""
    return text.lower() if tag == BOOL else text


FLAGS = (
    "accelerator",
    "approve",
    "auto-approve",
    "detailed-exitcode",
    "exclude",
    "html",
    "hypervisor",
    "input",
    "json-into",
    "junit",
    "lock-timeout",
    "max-bytes",
    "md",
    "no-color",
    "on-failure",
    "parallelism",
    "purge",
    "quiet",
    "refresh",
    "rehearse",
    "replace",
    "sarif",
    "target",
)
"""The flags of automation. Those that say where things are (`--data-dir`, `--chdir`, `--file`) cannot come from a file in that place."""

SETTINGS = "settings"
LISTS = frozenset({"daemon.paths"})
"""Values that are lists."""

_KINDS: Mapping[SettingKind, Reader] = {"path": _path, "duration": _duration, "size": _size, "count": _count, "share": _share}

SHAPE: Mapping[str, Reader | Mapping[str, Reader]] = {
    "name": _name,
    "simulated": {"memory": _memory, "disk": _size, "cpus": _count, "uplink": _rate, "hugepages": _memory},
    "reserve": {"memory": _size, "disk": _size},
    "oversubscription": {"cpu": _ratio, "memory": _ratio, "disk": _ratio, "network": _ratio, "disk_io": _ratio},
    "limits": {
        "disk": _size,
        "network": _rate,
        "disk_io": _rate,
        "download": _size,
        "unpacked": _size,
        "ratio": _expansion,
        "unpack_memory": _memory,
    },
    "images": {"share": _share, "keep_free": _size, "catalogue": _path},
    SETTINGS: dict.fromkeys(FLAGS, _setting),
    "vmm": {"first_uid": _user, "uids": _users},
    "daemon": {"paths": _absolute, "group": _group},
    "history": {"days": _limit, "operations": _limit},
    **{
        declaration.name: {key: _one_of(kind) if isinstance(kind, tuple) else _KINDS[kind] for key, kind in declaration.settings.items()}
        for declaration in registry.declarations()
        if declaration.settings
    },
}
"""The keys of the file; providers declare their own sections."""
