"""Sizes, rates and durations as people write them, and back.

Memory and disk sizes take binary units only: `4G` means 4,000,000,000 to one tool and 4 GiB to the next, so it is refused with
the spelling that has one meaning. pydantic's own byte type reads `4G` as decimal, which is why it is not used.
"""

import re

KIB = 1024
MIB = 1024**2
GIB = 1024**3
TIB = 1024**4

_BINARY = {"B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": TIB, "PiB": 1024**5}
_LOOSE = {"k": "KiB", "m": "MiB", "g": "GiB", "t": "TiB", "p": "PiB"}
# 24 digits are more than any machine has bytes; without a bound a hostile file overflows the arithmetic.
_SIZE = re.compile(r"^\s*(\d{1,24}(?:\.\d{1,24})?)\s*([A-Za-z]*)\s*$")
_RATE = re.compile(r"^\s*(\d{1,24}(?:\.\d{1,24})?)\s*([A-Za-z]+)/s\s*$")
_RATE_UNITS = {
    "bit": 1 / 8, "kbit": 1e3 / 8, "Mbit": 1e6 / 8, "Gbit": 1e9 / 8, "Tbit": 1e12 / 8,
    "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": TIB,
}  # fmt: skip
_DURATION = re.compile(r"^\s*(\d{1,24}(?:\.\d{1,24})?)\s*([A-Za-z]+)\s*$")
_DURATION_UNITS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}


class NotASize(ValueError):
    """A text that is not a size, rate or duration; `hint` tells the spelling that was probably meant."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        """Keep the hint beside the message, because diagnostics show the two apart."""
        super().__init__(message)
        self.hint = hint


def parse_size(text: str) -> int:
    """Read `4 GiB` into bytes."""
    match = _SIZE.match(text)
    if not match:
        raise NotASize(f"`{text}` is not a size", "write a number and a unit, like `4 GiB`")
    number, unit = match.groups()
    if unit in _BINARY:
        exact = float(number) * _BINARY[unit]
        if exact != int(exact):
            raise NotASize(f"`{text}` is not a whole number of bytes", _whole(exact))
        return int(number) * _BINARY[unit] if "." not in number else int(exact)
    if unit == "":
        raise NotASize(f"`{text}` has no unit", f"write `{number} MiB` or `{number} GiB`")
    meant = _LOOSE.get(unit[0].lower())
    if meant and unit[1:].lower() in ("", "b", "ib"):
        raise NotASize(f"`{text}` can be read in two ways", f"write `{number} {meant}`")
    raise NotASize(f"`{unit}` is not a unit of size", "units are B, KiB, MiB, GiB, TiB and PiB")


def _whole(exact: float) -> str | None:
    """Offer the nearest size below that everybody can hold exactly."""
    count = int(exact // MIB)
    return f"write `{count} MiB`" if count else None


def format_size(count: int) -> str:
    """Write bytes exactly, in the largest binary unit that divides them; what it writes reads back to the same number."""
    for unit in ("PiB", "TiB", "GiB", "MiB", "KiB"):
        if count and count % _BINARY[unit] == 0:
            return f"{count // _BINARY[unit]} {unit}"
    return f"{count} B"


def show_size(count: float) -> str:
    """Write bytes for people, rounded to one decimal: `1.9 TiB`. Not meant to be read back."""
    size, units = float(count), list(_BINARY)
    while abs(size) >= 1024 and len(units) > 1:
        size /= 1024
        del units[0]
    unit = units[0]
    return f"{size:.0f} {unit}" if size == int(size) or abs(size) >= 100 else f"{size:.1f} {unit}"


def parse_rate(text: str) -> int:
    """Read `100 Mbit/s` or `125 MB/s` into bytes a second; bits are decimal, bytes as written."""
    match = _RATE.match(text)
    if not match:
        raise NotASize(f"`{text}` is not a rate", "write it like `100 Mbit/s` or `250 MB/s`")
    number, unit = match.groups()
    if unit not in _RATE_UNITS:
        raise NotASize(
            f"`{unit}/s` is not a unit of rate", "units are bit/s, kbit/s, Mbit/s, Gbit/s, B/s, kB/s, MB/s, GB/s, KiB/s, MiB/s and GiB/s"
        )
    return round(float(number) * _RATE_UNITS[unit])


def format_rate(count: int, *, bits: bool = False) -> str:
    """Write bytes a second so that it reads back to the same number."""
    if bits:
        for unit, factor in (("Tbit", 10**12), ("Gbit", 10**9), ("Mbit", 10**6), ("kbit", 10**3)):
            if count * 8 % factor == 0 and count:
                return f"{count * 8 // factor} {unit}/s"
        return f"{count * 8} bit/s"
    for unit, factor in (("GiB", GIB), ("GB", 10**9), ("MiB", MIB), ("MB", 10**6), ("KiB", KIB), ("kB", 10**3)):
        if count % factor == 0 and count:
            return f"{count // factor} {unit}/s"
    return f"{count} B/s"


def show_rate(count: int, *, bits: bool = False) -> str:
    """Write bytes a second for people: networks in bits, disks in bytes, both in decimal units, which is how such rates are sold."""
    amount, units = (count * 8, "bit") if bits else (count, "B")
    for prefix, factor in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if amount >= factor:
            return f"{round(amount / factor, 3):.10g} {prefix}{units}/s"
    return f"{amount} {units}/s"


def parse_duration(text: str) -> float:
    """Read `30 s` or `5 min` into seconds."""
    match = _DURATION.match(text)
    if not match or match.group(2) not in _DURATION_UNITS:
        raise NotASize(f"`{text}` is not a duration", "write it like `500 ms`, `30 s`, `5 min`, `2 h` or `7 d`")
    return float(match.group(1)) * _DURATION_UNITS[match.group(2)]


def parse_seconds(text: str) -> int:
    """Read a duration into whole seconds."""
    return round(parse_duration(text))


def format_duration(seconds: int) -> str:
    """Write whole seconds so that they can be read back exactly: `1 d`, `90 min`, `45 s`."""
    for unit in ("d", "h", "min"):
        if seconds and seconds % _DURATION_UNITS[unit] == 0:
            return f"{seconds // int(_DURATION_UNITS[unit])} {unit}"
    return f"{seconds} s"


def show_duration(seconds: float) -> str:
    """Write seconds for people: `0.3 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `7 days`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    if whole < 86400:
        return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 // 60 else "")
    return f"{whole // 86400} days" if whole // 86400 > 1 else "1 day"
