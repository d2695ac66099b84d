"""From the text of a YAML file to plain Python values, in one pass and within limits.

libyaml's parser delivers events, and the loop below builds dictionaries and lists from them directly. That is several times faster than a
loader on 10,000 VMs, and it is the only way to stop in time: a loader first builds whatever a hostile file asks for. Aliases share the
anchored value, so the loop counts what they would weigh written out, because the validation behind it walks every copy.

Parts that are written alike become one object, as if the file had said it with aliases. Nobody changes a tree after it is read. Places are
kept only when asked for (`track`): a load that finds a mistake reads the file a second time with them. Then nothing is shared, because
every part has a place of its own.
"""

import contextlib
import re
from collections.abc import Callable
from typing import Any

from herocloud.kits import shared_values
from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.yaml import complaints, parser, scalars
from herocloud.kits.yaml.tree import Duplicate, Spot, Spots, Tree, Unreadable

MAX_NODES = 200_000
MAX_ALIASES = 1_000
MAX_DEPTH = 64
_NUL = re.compile(r"\\(?:0|x00|u0000|U00000000)")
_QUESTION = re.compile(r"[\[{,]\s*\?\S")


class _Frame(NamedTuple):
    """An open mapping or list while an inner one is built."""

    container: Any
    is_map: bool
    key: Any
    key_event: Any
    start: Any
    nodes: int
    merge: tuple[Any, Any] | None


MERGE = "<<"
"""The key that brings the content of another mapping."""
_MERGE = object()


def read_tree(text: str, *, track: bool = False, until: str | None = None) -> Tree:
    """Build the values of `text`, or only those down to the end of the key `until` of the top level; raises `Unreadable`."""
    from yaml import YAMLError

    try:
        return _build(text, text, track=track, until=until)
    except (YAMLError, UnicodeEncodeError) as error:
        softened = parser.soften(text)
        if isinstance(error, YAMLError) and softened is not None and (until is not None or parser.is_yaml(softened)):
            with contextlib.suppress(YAMLError):
                return _build(text, softened, track=track, until=until, restore=parser.restore)
        raise complaints.translate(error, text) from error


def _build(  # noqa: PLR0915 - one loop over events; cut up, it is half as fast.
    written: str, text: str, *, track: bool, until: str | None, restore: Callable[[str], str] | None = None
) -> Tree:
    from yaml import events

    get = parser.make_parser(text).get_event
    wary = _QUESTION.search(written) is not None
    scalar, alias_kind = events.ScalarEvent, events.AliasEvent
    map_start, list_start = events.MappingStartEvent, events.SequenceStartEvent
    map_end, list_end = events.MappingEndEvent, events.SequenceEndEvent
    nul = _NUL.search(written) is not None
    words, numbers, read_number = scalars.WORDS, scalars.NUMBERS_BEGIN, scalars.read_number
    # Every event brings a text of its own; keys and short values repeat thousands of times, and one copy of each saves half the memory.
    same: dict[str, str] = {} if until is None else {until: until}
    plain: dict[str, Any] = {}
    unified = shared_values.Unified()
    anchors: dict[str, tuple[Any, int]] = {}
    spots = Spots()
    duplicates: list[Duplicate] = []
    frames: list[_Frame] = []
    container: Any = None
    is_map = False
    key: Any = None
    key_event: Any = None
    merge: tuple[Any, Any] | None = None
    start: Any = None
    before = nodes = aliases = documents = 0
    root: Any = None
    root_spot: Spot | None = None
    while True:
        event = get()
        kind = type(event)
        opening = event
        if kind is scalar:
            text = event.value if restore is None else restore(event.value)
            text = same.setdefault(text, text)
            if nul and "\0" in text:
                detail = "A text here has a NUL character, at which programs and kernels stop reading."
                raise Unreadable("yaml-nul", detail, event.start_mark, event.end_mark, "leave it out")
            if is_map and key is None:
                if wary and start.flow_style:
                    _check_question(event, written)
                key, key_event = (_MERGE if text == MERGE and event.implicit[0] else text), event
                if event.anchor:
                    _check_anchor(event, written)
                    anchors[event.anchor] = (text, 1)
                continue
            nodes += 1
            if event.implicit[0]:
                value: Any = plain.get(text, plain)
                if value is plain:
                    value = words[text] if text in words else read_number(text) if text[0] in numbers else text
                    plain[text] = value
            else:
                value = text if event.tag is None else _read_tagged(event, text)
            if event.anchor:
                _check_anchor(event, written)
                anchors[event.anchor] = (value, 1)
        elif kind is map_start or kind is list_start:
            nodes += 1
            _check_opening(event, len(frames), nodes, is_key=is_map and key is None)
            frames.append(_Frame(container, is_map, key, key_event, start, before, merge))
            is_map = kind is map_start
            container = {} if is_map else []
            key, key_event, start, before, merge = None, None, event, nodes, None
            continue
        elif kind is map_end or kind is list_end:
            if merge is not None:
                _merge(container, merge, spots, track=track)
            value, opening = container, start
            if not track:
                # What stands below is one object for each value already, so its identity is all there is to compare.
                value = unified.unify_map(value) if is_map else unified.unify_list(value)
            if start.anchor:
                _check_anchor(start, written)
                anchors[start.anchor] = (value, nodes - before + 1)
            container, is_map, key, key_event, start, before, merge = frames.pop()
        elif kind is alias_kind:
            aliases += 1
            _check_anchor(event, written)
            value, weight = _follow(event, anchors, aliases, is_key=is_map and key is None)
            if is_map and key is None:
                key, key_event = value, event
                continue
            nodes += weight
        elif kind is events.DocumentStartEvent:
            documents += 1
            if documents > 1:
                raise Unreadable(
                    "yaml-documents", "A second document begins here.", event.start_mark, event.end_mark, "keep one document in a file"
                )
            continue
        elif kind is events.StreamEndEvent:
            return Tree(root, spots, duplicates, root_spot)
        else:
            continue
        if nodes > MAX_NODES:
            raise _too_many(event)
        if is_map:
            if key is _MERGE and merge is None:
                merge = (value, opening)
            elif key is _MERGE or key in container:
                path = (*((f.key if f.is_map else len(f.container)) for f in frames[1:]), MERGE if key is _MERGE else key)
                duplicates.append(Duplicate(path, spots.of(container).get(key), _spot(key_event, opening, event), value))
            else:
                container[key] = value
                if track:
                    spots.of(container)[key] = _spot(key_event, opening, event)
                # Every text is one object here, so this costs nothing beside what a comparison would.
                if key is until and len(frames) == 1:
                    return Tree(container, spots, duplicates, root_spot)
            key = None
        elif container is None:
            root = value
            if track:
                root_spot = _spot(opening, opening, event)
        else:
            if track:
                spots.of(container)[len(container)] = _spot(opening, opening, event)
            container.append(value)


def _check_question(event: Any, text: str) -> None:
    """Refuse `{?key: value}`: the mark belongs to the key in YAML 1.2, and libyaml drops it."""
    begin = event.start_mark.index
    if begin and text[begin - 1] == "?":
        detail = "A key in braces cannot begin with `?`, which readers of YAML take for different things."
        raise Unreadable("yaml-syntax", detail, event.start_mark, event.end_mark, "put the key into quotes")


def _check_anchor(event: Any, text: str) -> None:
    """Refuse a name that goes on where libyaml ends it: `&an:chor` is one name in YAML 1.2, and an anchor with a value to libyaml."""
    begin = text.find(event.anchor, event.start_mark.index)
    after = text[begin + len(event.anchor) :][:1]
    if after and not after.isspace() and after not in ",[]{}":
        detail = f"The name of the anchor `{event.anchor}` goes on with `{after}`, which readers of YAML take for different things."
        raise Unreadable(
            "yaml-alias", detail, event.start_mark, event.end_mark, "name anchors with letters, digits, `-` and `_`, and put a blank behind"
        )


def _spot(key: Any, opening: Any, closing: Any) -> Spot:
    return Spot(key.start_mark, key.end_mark, opening.start_mark, closing.end_mark)


def _check_opening(event: Any, depth: int, nodes: int, *, is_key: bool) -> None:
    if is_key:
        raise Unreadable("yaml-key", "A key has to be a text; this one is a list or a mapping.", event.start_mark, event.end_mark)
    if depth >= MAX_DEPTH:
        raise Unreadable("yaml-limit", f"Values are nested more than {MAX_DEPTH} levels deep here.", event.start_mark, event.end_mark)
    if nodes > MAX_NODES:
        raise _too_many(event)
    if event.tag is not None and not scalars.is_collection(event.tag):
        raise _unknown_tag(event)


def _too_many(event: Any) -> Unreadable:
    return Unreadable(
        "yaml-limit",
        f"The file holds more than {MAX_NODES:,} values, aliases written out.",
        event.start_mark,
        event.end_mark,
        "use `count` for VMs that are alike",
    )


def _unknown_tag(event: Any) -> Unreadable:
    return Unreadable(
        "yaml-tag", f"The tag `{scalars.shorten(event.tag)}` has no meaning here.", event.start_mark, event.end_mark, "leave the tag out"
    )


def _read_tagged(event: Any, text: str) -> Any:
    try:
        return scalars.read_tagged(event.tag, text)
    except ValueError:
        raise _unknown_tag(event) from None


def _follow(event: Any, anchors: dict[str, tuple[Any, int]], aliases: int, *, is_key: bool) -> tuple[Any, int]:
    if aliases > MAX_ALIASES:
        raise Unreadable(
            "yaml-limit",
            f"The file uses more than {MAX_ALIASES:,} aliases.",
            event.start_mark,
            event.end_mark,
            "use `count` or `defaults` for VMs that are alike",
        )
    known = anchors.get(event.anchor)
    if known is None:
        detail = f"`*{event.anchor}` stands before the end of what `&{event.anchor}` names, or nothing has that name."
        raise Unreadable("yaml-alias", detail, event.start_mark, event.end_mark, "an alias comes after its anchor, and never inside it")
    if is_key and not isinstance(known[0], str):
        raise Unreadable(
            "yaml-key", f"A key has to be a text; `*{event.anchor}` stands for something else.", event.start_mark, event.end_mark
        )
    return known


def _merge(container: dict[str, Any], merge: tuple[Any, Any], spots: Spots, *, track: bool) -> None:
    """Add what a merge key brings; what the mapping says itself wins, and of several sources the first."""
    value, event = merge
    for source in value if isinstance(value, list) else [value]:
        if not isinstance(source, dict):
            detail = "`<<` takes a mapping or a list of mappings."
            raise Unreadable(
                "yaml-merge", detail, event.start_mark, event.end_mark, "write `<<: *name`, where `&name` stands before a mapping"
            )
        for key, inner in source.items():
            if key not in container:
                container[key] = inner
                if track:
                    spots.of(container)[key] = spots.of(source)[key]
