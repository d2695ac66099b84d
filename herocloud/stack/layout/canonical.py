"""The canonical layout: keys in the order of the reference, two blanks of indentation, flow mappings where they fit a line.

Formatting must never change what a file means, and no comment may get lost. Both are checked on the result by reading it again; a
text that does not survive is handed back as it was, or with less done to it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from herocloud.kits.yaml import documents, reader, scalars
from herocloud.kits.yaml.tree import Unreadable
from herocloud.model.diagnostics import Diagnostic
from herocloud.stack.layout import arrangement, dump, outline
from herocloud.stack.layout.arrangement import Order
from herocloud.stack.merge import NAMED
from herocloud.stack.summaries import SUMMARIES


class Formatted(NamedTuple):
    """A formatted text, or what keeps it from being formatted."""

    text: str | None
    diagnostics: tuple[Diagnostic, ...] = ()


def format_text(text: str, name: str = "stack.yaml") -> Formatted:
    """Return the text in canonical layout; only a text that is sound YAML can be formatted, other mistakes do not matter."""
    document = documents.open_document(name, text.encode("utf-8", "surrogateescape"))
    if isinstance(document, documents.Broken):
        return Formatted(None, (_diagnose(document.code, document.detail, document.hint, document.place, document.snippet),))
    found = []
    for duplicate in document.tree.duplicates:
        place, snippet = document.place_of(duplicate.second, on_key=True)
        found.append(_diagnose("duplicate-key", f"`{duplicate.path[-1]}` is there twice.", "keep one of them", place, snippet))
    if not isinstance(document.tree.value, dict):
        place, snippet = document.locate((), on_key=False)
        found.append(_diagnose("yaml-not-a-mapping", "A stack file is a mapping.", "begin with `stack: NAME`", place, snippet))
    if found:
        return Formatted(None, tuple(found))
    order = stack_order()
    quoted = outline.quote_instances(text)
    for attempt in _ATTEMPTS:
        try:
            result = attempt(quoted, order)
        except Exception:  # noqa: BLE001, S112 - ruamel fails on odd texts in many ways, and the next attempt asks less of it.
            continue
        if means_the_same(text, result):
            return Formatted(result)
    return Formatted(quoted)


def _diagnose(code: str, detail: str, hint: str | None, place: Any, snippet: str | None) -> Diagnostic:
    return Diagnostic(code, SUMMARIES[code], detail, place=place, snippet=snippet, hint=hint)


def _arrange_and_lay_out(text: str, order: Order) -> str:
    return _settle(arrangement.arrange(text, order, move=True), order, move=True)


def _indent_and_lay_out(text: str, order: Order) -> str:
    # Where an alias would come before its anchor, keys stay where they are.
    return _settle(arrangement.arrange(text, order, move=False), order, move=False)


def _settle(text: str, order: Order, *, move: bool) -> str:
    """Lay out once more after the first time: a mapping that left its line for a block has indentation and order of its own."""
    return arrangement.arrange(lay_out(text, order, move=move), order, move=move)


def _only_arrange(text: str, order: Order) -> str:
    return arrangement.arrange(text, order, move=True)


def _only_indent(text: str, order: Order) -> str:
    return arrangement.arrange(text, order, move=False)


_ATTEMPTS: tuple[Callable[[str, Order], str], ...] = (_arrange_and_lay_out, _indent_and_lay_out, _only_arrange, _only_indent)


def lay_out(text: str, order: Order, *, move: bool) -> str:
    """Let ruamel write the text again: blanks around `:` and `,`, brackets that fit a line, joined lines."""
    import io

    yaml = dump.make_yaml()
    tree = yaml.load(text)
    _lay_out_flow(tree, order, 0, move=move)
    stream = io.StringIO()
    yaml.dump(tree, stream)
    return stream.getvalue()


def _lay_out_flow(value: Any, order: Order, column: int, *, move: bool) -> None:
    """Order the mappings in braces, and turn those that are too long for a line into blocks, the outer ones first."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, CommentedMap):
        if value.fa.flow_style() and move:
            _reorder(value, order)
        for key, inner in value.items():
            below = order.get(key, order.get("*", {}))
            if _is_flow(inner) and column + len(str(key)) + 2 + _flow_length(inner) > dump.WIDTH:
                inner.fa.set_block_style()
            _lay_out_flow(inner, below, column + 2, move=move)
    elif isinstance(value, CommentedSeq):
        for inner in value:
            if not value.fa.flow_style() and _is_flow(inner) and column + 4 + _flow_length(inner) > dump.WIDTH:
                inner.fa.set_block_style()
            _lay_out_flow(inner, order, column + 4, move=move)


def _is_flow(value: Any) -> bool:
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    return isinstance(value, CommentedMap | CommentedSeq) and bool(value.fa.flow_style()) and len(value) > 0


def _flow_length(value: Any) -> int:
    """Return about how many characters a value takes on one line; comments do not count, they may run on."""
    if isinstance(value, dict):
        return 2 + sum(len(str(key)) + 2 + _flow_length(inner) + 2 for key, inner in value.items())
    if isinstance(value, list):
        return 2 + sum(_flow_length(inner) + 2 for inner in value)
    return len(str(value)) + (2 if type(value).__name__.endswith("QuotedScalarString") else 0)


def _reorder(mapping: Any, order: Order) -> None:
    if "*" in order or not order or mapping.merge:
        return
    ranks = {key: rank for rank, key in enumerate(order)}
    wanted = sorted(mapping, key=lambda key: ranks.get(key, len(ranks)))
    if wanted != list(mapping):
        for key in wanted:
            mapping.move_to_end(key)


_NAMES = tuple(section for section in NAMED if section not in {"defaults", "mycelium"})


def means_the_same(before: str, after: str) -> bool:
    """Return whether two texts hold the same values, the same names in the same order, and the same comments."""
    try:
        one, two = reader.read_tree(before), reader.read_tree(after)
    except Unreadable:
        return False
    if two.duplicates or not _equal(one.value, two.value):
        return False
    for section in _NAMES:
        # The order of names decides who gets the first slice.
        if isinstance(one.value.get(section), dict) and list(one.value[section]) != list(two.value[section]):
            return False
    return sorted(outline.comments(outline.quote_instances(before))) == sorted(outline.comments(after))


def _equal(one: Any, two: Any) -> bool:
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_equal(one[key], two[key]) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(_equal(a, b) for a, b in zip(one, two, strict=True))
    return type(one) is type(two) and scalars.as_text(one) == scalars.as_text(two) and (one == two or one != one)  # noqa: PLR0124 - .nan


def stack_order() -> Order:
    """Return the order of all keys, which is that of the models and of the reference."""
    from pydantic import BaseModel

    from herocloud.stack.fields import validation
    from herocloud.stack.fields.stack_file import StackFile

    def of(model: type[BaseModel]) -> Order:
        return {field.alias or name: below(field.annotation) for name, field in validation.in_order(model)}

    def below(kind: Any) -> Order:
        inner, many = validation.peel(kind)
        order = of(inner) if inner is not None else {}
        return {"*": order} if many else order

    return of(StackFile)
