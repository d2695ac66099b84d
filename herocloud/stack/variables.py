"""The values of variables: default, then environment, then variable files, then the command line; the last one wins.

Texts from the environment and the command line are read as the type of the variable; a variable file holds YAML and its types.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.yaml import reader, scalars
from herocloud.kits.yaml.tree import Unreadable
from herocloud.model.diagnostics import Place
from herocloud.stack import names, sources
from herocloud.stack.expressions import RESERVED
from herocloud.stack.fields import spellings
from herocloud.stack.findings import Findings
from herocloud.stack.sources import Source, VarFile

PREFIX = "HEROCLOUD_VAR_"


class Given(NamedTuple):
    """A value that was given, and by whom."""

    value: Any
    origin: str
    is_text: bool
    place: Place | None = None
    snippet: str | None = None


class Values(NamedTuple):
    """What `{{ }}` may use."""

    known: Mapping[str, Any]
    declared: frozenset[str]
    sensitive: frozenset[str]


def collect(
    declared: Mapping[str, Mapping[str, Any]],
    variables: Sequence[str],
    var_files: Sequence[VarFile],
    environment: Mapping[str, str],
    findings: Findings,
) -> Values:
    """Find the value of every variable; each mistake is reported once, at the variable or where the value was written."""
    given: dict[str, Given] = {}
    for name in declared:
        if PREFIX + name in environment:
            given[name] = Given(environment[PREFIX + name], f"`{PREFIX}{name}`", is_text=True)
    for file in var_files:
        _read_file(file, declared, given, findings)
    for option in variables:
        name, equals, text = option.partition("=")
        if not equals:
            findings.add("bad-option", None, f"`--var {option}` has no `=`.", "write `--var NAME=VALUE`")
        elif name not in declared:
            _report_unknown(name, f"`--var {name}`", declared, findings)
        else:
            given[name] = Given(text, "`--var`", is_text=True)
    known: dict[str, Any] = {}
    for name, variable in declared.items():
        _settle(name, variable, given.get(name), known, findings)
    sensitive = frozenset(name for name, variable in declared.items() if variable.get("sensitive"))
    return Values(known, frozenset(declared), sensitive)


def _report_unknown(
    name: str, origin: str, declared: Mapping[str, Any], findings: Findings, place: Place | None = None, snippet: str | None = None
) -> None:
    near = names.nearest(name, declared, findings)
    hint = f"did you mean `{near}`?" if near else "declare it under `variables`"
    findings.add(
        "unknown-variable",
        None,
        f"{origin} gives a value to `{name}`, which the stack does not declare.",
        hint,
        place=place,
        snippet=snippet,
    )


def as_environment(variables: Sequence[str], var_files: Sequence[VarFile]) -> dict[str, str]:
    """Return the values that were given as the variables by which secrets name them; what is wrong with them is said by `collect`."""
    from herocloud.kits.yaml import documents

    texts: dict[str, str | None] = {}
    for file in var_files:
        source = sources.read_source(file) if isinstance(file, str) else file
        document = documents.open_document(source.name, source.content) if isinstance(source, Source) else None
        if isinstance(document, documents.Document) and isinstance(document.tree.value, dict):
            texts.update({str(name): scalars.as_text(value) for name, value in document.tree.value.items()})
    for option in variables:
        name, equals, text = option.partition("=")
        if equals:
            texts[name] = text
    return {PREFIX + name: text for name, text in texts.items() if text is not None and name.isidentifier() and "\0" not in text}


def _read_file(file: VarFile, declared: Mapping[str, Any], given: dict[str, Given], findings: Findings) -> None:
    from herocloud.kits.yaml import documents

    source = sources.read_source(file) if isinstance(file, str) else file
    name = source.name
    if isinstance(source, sources.Unusable):
        findings.add("file-missing", None, source.detail, "name the file with `--var-file`")
        return
    document = documents.open_document(source.name, source.content)
    if isinstance(document, documents.Broken):
        findings.add(document.code, None, document.detail, document.hint, place=document.place, snippet=document.snippet)
        return
    if not isinstance(document.tree.value, dict):
        place, snippet = document.locate((), on_key=False)
        findings.add(
            "yaml-not-a-mapping",
            None,
            "A variable file holds one mapping of names to values.",
            "write `name: value` lines",
            place=place,
            snippet=snippet,
        )
        return
    for duplicate in document.tree.duplicates:
        place, snippet = document.place_of(duplicate.second, on_key=True)
        findings.add("duplicate-key", None, f"`{duplicate.path[-1]}` is there twice.", "keep one of them", place=place, snippet=snippet)
    for key, value in document.tree.value.items():
        if key not in declared:
            place, snippet = document.locate((key,), on_key=True)
            _report_unknown(key, f"`{name}`", declared, findings, place, snippet)
        else:
            place, snippet = document.locate((key,), on_key=False)
            given[key] = Given(value, f"`{name}`", is_text=False, place=place, snippet=snippet)


def _settle(name: str, variable: Mapping[str, Any], given: Given | None, known: dict[str, Any], findings: Findings) -> None:
    path = ("variables", name)
    _check_declaration(name, variable, findings)
    kind = variable.get("type", "string")
    if not findings.knows(*path, "type"):
        return
    default: Any = None
    if "default" in variable and findings.knows(*path, "default"):
        default, trouble = _convert(variable["default"], kind, is_text=False)
        trouble = trouble or _bounds(default, variable)
        if trouble:
            findings.add("bad-variable", (*path, "default"), f"The default of `{name}` {trouble}.", None)
            findings.poison((*path, "default"))
    if given is None:
        if "default" not in variable and findings.knows(*path, "default"):
            described = f": {variable['description']}" if variable.get("description") else ""
            findings.add(
                "missing-variable",
                path,
                f"`{name}` has no default, and no value was given{described}.",
                f"give one with `--var {name}=VALUE` or `{PREFIX}{name}`",
                on_key=True,
            )
        elif findings.knows(*path, "default"):
            known[name] = default
        return
    value, trouble = _convert(given.value, kind, is_text=given.is_text)
    trouble = trouble or _bounds(value, variable)
    if trouble:
        shown = "" if variable.get("sensitive") else f" `{given.value}`"
        where = None if given.place else path
        detail = f"The value{shown} of `{name}` from {given.origin} {trouble}."
        findings.add("bad-variable", where, detail, None, on_key=True, place=given.place, snippet=given.snippet)
    else:
        known[name] = value


def _check_declaration(name: str, variable: Mapping[str, Any], findings: Findings) -> None:
    path = ("variables", name)
    if not re.fullmatch(spellings.VARIABLE, name) or name in RESERVED:
        detail = f"`{name}` means something else in expressions." if name in RESERVED else f"`{name}` cannot name a variable."
        findings.add("bad-name", path, detail, "use lower-case letters, digits and `_`, beginning with a letter", on_key=True)
    kind = variable.get("type", "string")
    for bound in ("min", "max"):
        if bound in variable and kind not in {"integer", "number"} and findings.knows(*path, "type"):
            findings.add(
                "bad-variable",
                (*path, bound),
                f"`{bound}` has no meaning for the type `{kind}`.",
                "bounds go with `integer` and `number`",
                on_key=True,
            )
    low, high = variable.get("min"), variable.get("max")
    if low is not None and high is not None and low > high:
        findings.add("bad-variable", (*path, "min"), f"`min` is {low}, which is more than `max`, {high}.", "swap the two")
    if variable.get("sensitive") and "default" in variable:
        findings.add(
            "sensitive-value",
            (*path, "default"),
            f"`{name}` is sensitive, and a default in the file is not a secret.",
            f"give it with `{PREFIX}{name}`",
        )


_TYPES: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "list": (list,)}
_NOUNS = {"string": "a text", "integer": "a whole number", "number": "a number", "boolean": "`true` or `false`", "list": "a list of texts"}


def _convert(value: Any, kind: str, *, is_text: bool) -> tuple[Any, str | None]:
    """Return the value as its type and nothing, or nothing and what is wrong."""
    if is_text and kind != "string":
        value = _read_text(value, kind)
    if kind == "string":
        text = scalars.as_text(value)
        return text, None if text is not None else f"is not {_NOUNS[kind]}"
    if kind == "list" and isinstance(value, list):
        texts = [scalars.as_text(item) for item in value]
        return texts, None if all(text is not None for text in texts) else "is not a list of texts"
    if not isinstance(value, _TYPES[kind]) or isinstance(value, bool) != (kind == "boolean"):
        return None, f"is not {_NOUNS[kind]}"
    return value, None


def _read_text(text: str, kind: str) -> Any:
    if kind != "list":
        return scalars.read_plain(text.strip())
    if text.lstrip().startswith("["):
        try:
            return reader.read_tree(text).value
        except Unreadable:
            return None
    return [part.strip() for part in text.split(",")] if text.strip() else []


def _bounds(value: Any, variable: Mapping[str, Any]) -> str | None:
    low, high = variable.get("min"), variable.get("max")
    if not isinstance(value, int | float) or isinstance(value, bool) or (low is not None and high is not None and low > high):
        return None
    if low is not None and value < low:
        return f"is below its minimum, {low}"
    return f"is above its maximum, {high}" if high is not None and value > high else None
