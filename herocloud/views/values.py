"""Values in the units and the brevity in which people write them; times of day; what is sensitive masked.

Specs hold bytes and bytes a second as integers; which of the two a number is follows from the last word of its path, because the vocabulary
of the stack file uses each such word for one unit only. Free maps (`labels`, `env`) hold texts, so a label called `size` is not taken for
bytes. Times of day are always in UTC, because logs of several hosts get compared, and a local time would need its zone beside it.

Sensitive values are taken out of specs, with a mask that shows where they were. The shape is Terraform's: `before_sensitive` mirrors the
value and holds `true` where something was taken out. Secrets never get this far (the loader keeps a name and a keyed digest); user data
does, and people put passwords there.
"""

from collections.abc import Iterable, Iterator, Mapping

from herocloud.kits import credentials, jsons, moments, sizes
from herocloud.kits.jsons import Json, Spec
from herocloud.model import ids

SENSITIVE = ("user_data", "secrets")
"""Top-level fields whose values are never shown: a digest tells that they changed."""

_SIZES = frozenset({"size", "memory", "boot", "boot_memory", "max_memory", "hotplug", "balloon", "disk", "bytes"})
_BYTE_RATES = frozenset({"bandwidth", "burst"})
_BIT_RATES = frozenset({"download", "upload"})
_NAMES = ("network", "volume", "tag", "name", "vm", "path")
_INNER = frozenset({"slot", "tap"})
"""What an interface is called inside the host: decided in the plan, of no use to a reader of one line."""
_LONGEST = 100


def is_sensitive(path: str) -> bool:
    """Return whether the value at this path is hidden everywhere."""
    return path.partition(".")[0].partition("[")[0] in SENSITIVE


def show_bytes(count: int) -> str:
    """Write a size so that it is exact where that stays short: `7 GiB`, `1.5 GiB`, `7681 MiB`, `1.9 TiB`."""
    exact = sizes.format_size(count)
    if len(exact) <= 8:
        return exact
    return sizes.show_size(count)


def show(path: str, value: Json) -> str:
    """Write one value for a line of text."""
    if value is None:
        return "none"
    kind = type(value)
    if kind is str:
        return _show_text(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int and path == "snapshots.every":
        return sizes.format_duration(value)
    if kind is int:
        return _show_number(path.rpartition(".")[2], value)
    if isinstance(value, Mapping):
        return _show_map(value)
    if isinstance(value, (list, tuple)):
        return _show_list(path, value)
    return str(value)


def show_pair(path: str, before: Json, after: Json, *, sensitive: bool = False) -> str:
    """Write `before → after`; rounding never makes two different values look alike."""
    if sensitive or is_sensitive(path):
        return f"{_hide(before)} → {_hide(after)}"
    if before is None and isinstance(after, Mapping):
        return _with_fields("added", after)
    if after is None and isinstance(before, Mapping):
        return _with_fields("removed", before)
    first, second = show(path, before), show(path, after)
    if first == second:
        first, second = _spell_out(before), _spell_out(after)
    return f"{first} → {second}"


def fingerprint(value: Json) -> str:
    """Return the digest that stands for a hidden value."""
    return f"digest:{jsons.digest(value)}"


def leaves(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Walk over the fields of a spec that are set, as (path, value); lists of plain values are one field."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, (list, tuple)) and value and isinstance(value[0], Mapping):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{number}]")
    elif value is not None and value not in ([], {}):
        yield path, value


def tally_fields(value: Spec) -> int:
    """Count the fields that `leaves` would walk over; called for every updated VM, so it does not build paths."""
    total = 0
    for inner in value.values():
        if inner is None:
            continue
        if isinstance(inner, Mapping):
            total += tally_fields(inner)
        elif isinstance(inner, (list, tuple)):
            if inner:
                total += sum(map(tally_fields, inner)) if isinstance(inner[0], Mapping) else 1
        else:
            total += 1
    return total


def _show_number(word: str, value: int) -> str:
    if word in _SIZES:
        return show_bytes(value)
    if word in _BYTE_RATES:
        return sizes.show_rate(value)
    if word in _BIT_RATES:
        return sizes.show_rate(value, bits=True)
    return str(value)


def _show_text(value: str) -> str:
    if "\n" in value or len(value) > _LONGEST:
        lines = value.count("\n") + 1
        what = f"{lines} lines" if lines > 1 else f"{len(value)} characters"
        return f"text of {what} ({jsons.digest(value)[:8]})"
    if len(value) == 64 and value.isalnum():
        return f"{value[:12]}…"
    return printable(credentials.hide_credentials(value)) or '""'


def printable(text: str) -> str:
    """Write characters that a terminal would obey instead of showing as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _show_map(value: Mapping[str, Json]) -> str:
    name = next((key for key in _NAMES if isinstance(value.get(key), str)), None)
    rest = _list_fields(value, name)
    if name is None:
        return f"{{{rest}}}" if rest else "none"
    return f"{value[name]} ({rest})" if rest else str(value[name])


def _with_fields(word: str, value: Mapping[str, Json]) -> str:
    rest = _list_fields(value, None)
    return f"{word} ({rest})" if rest else word


def _list_fields(value: Mapping[str, Json], name: str | None) -> str:
    return ", ".join(
        key if inner is True else f"{key} {show(key, inner)}"
        for key, inner in value.items()
        if key != name and key not in _INNER and inner is not None and inner is not False and inner not in ([], {})
    )


def show_sids(sids: "Iterable[Json]") -> str:
    """Write slice ids, neighbors as a range: `s1-s25`."""
    runs: list[list[str]] = []
    for sid in sids:
        if runs and ids.sid_number(sid) == ids.sid_number(ids.Sid(runs[-1][-1])) + 1:
            runs[-1].append(sid)
        else:
            runs.append([sid])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)


def _show_list(path: str, value: "list[Json] | tuple[Json, ...]") -> str:
    if not value:
        return "none"
    word = path.rpartition(".")[2].partition("[")[0]
    if word == "slices" and all(isinstance(sid, str) for sid in value):
        return show_sids(value)
    texts = [f"[{show(word, inner)}]" if isinstance(inner, (list, tuple)) else show(word, inner) for inner in value]
    if len(texts) > 8:
        return f"{', '.join(texts[:6])} and {len(texts) - 6} more"
    return ", ".join(texts)


def _hide(value: Json) -> str:
    return "none" if value is None else f"hidden ({jsons.digest(value)[:8]})"


def _spell_out(value: Json) -> str:
    return sizes.format_size(value) if type(value) is int else jsons.dumps(value)


def stamp(seconds: float) -> str:
    """Write a time for machines, with milliseconds: `2026-11-21T10:00:00.250Z`."""
    seconds = moments.clamp(seconds)
    whole = int(seconds)
    return f"{moments.write_utc(whole, '%Y-%m-%dT%H:%M:%S')}.{int((seconds - whole) * 1000):03d}Z"


def show_moment(seconds: float) -> str:
    """Write a time for people: `2026-11-21 10:00:00 UTC`."""
    return moments.write_utc(seconds, "%Y-%m-%d %H:%M:%S UTC")


def mask(spec: Spec | None, extra: Iterable[str] = ()) -> tuple[Json, Json]:
    """Return the spec without its sensitive values, and the mask; `extra` names more dotted paths to hide."""
    if spec is None:
        return None, {}
    shown: dict[str, Json] = dict(spec)
    marks: dict[str, Json] = {}
    if credentials.has_credentials(str(shown.get("source") or "")):
        # Recorded by a version that took them; they are refused now.
        shown["source"], marks["source"] = credentials.hide_credentials(shown["source"]), True
    for key in SENSITIVE:
        if shown.get(key):
            shown[key], marks[key] = _hide_inside(shown[key])
    for path in extra:
        key = path.partition(".")[0].partition("[")[0]
        # A sensitive field inside a list or a map hides the whole of it: too much is hidden rather than too little.
        if shown.get(key) is not None and key not in marks:
            shown[key], marks[key] = fingerprint(shown[key]), True
    return shown, marks


def hide_value(path: str, value: Json, *, sensitive: bool) -> Json:
    """Return the value of one field as it may be shown."""
    if value is None or not (sensitive or is_sensitive(path)):
        return credentials.hide_credentials(value) if isinstance(value, str) else value
    return fingerprint(value)


def _hide_inside(value: Json) -> tuple[Json, Json]:
    if isinstance(value, Mapping):
        return {key: fingerprint(inner) for key, inner in value.items()}, dict.fromkeys(value, True)
    return fingerprint(value), True
