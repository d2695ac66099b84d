"""Expressions that wait for the plan: the VM that they name has to be there, and has to have what they ask for."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from herocloud.kits.yaml.tree import Path
from herocloud.stack import expressions
from herocloud.stack.checks.references import attachments
from herocloud.stack.expressions import Expression
from herocloud.stack.findings import Findings
from herocloud.stack.layers import Fields, View
from herocloud.stack.names import Names, instance_trouble, own_blocks, suggest


def check_expressions(data: Fields, views: Iterable[View], names: Names, findings: Findings) -> None:
    """Check every `{{ vm.… }}` that is left."""
    if not findings.knows("vms"):
        return
    texts = list(_waiting(data, views))
    if not texts:
        return
    attached = attachments(views, names, findings)
    overlay: dict[str, bool | None] = {}
    for view in views:
        overlay[view.name] = view.fields.get("mycelium", False) is not False if view.knows(findings, "mycelium") else None
    for path, text in texts:
        for expression in expressions.find(text):
            if expression.kind == "vm" and not expression.by_index:
                _check(expression, path, attached, overlay, names, findings)


def _waiting(data: Fields, views: Iterable[View]) -> Iterator[tuple[Path, str]]:
    yield from _texts(("outputs",), data.get("outputs"))
    for path, fields in own_blocks(data, views):
        for key in ("env", "labels", "user_data"):
            if key in fields:
                yield from _texts((*path, key), fields[key])


def _texts(path: Path, value: Any) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        if "{{" in value:
            yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts((*path, key), inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts((*path, number), inner)


def _check(
    expression: Expression,
    path: Path,
    attached: Mapping[str, frozenset[str] | None],
    overlay: Mapping[str, bool | None],
    names: Names,
    findings: Findings,
) -> None:
    name, network = expression.name, expression.network
    if trouble := instance_trouble(name, expression.number, names, findings, one=not expression.every):
        findings.add("unknown-vm", path, *trouble, needle=expression.text, about=expression.text)
    elif network is None:
        if expression.asks == "mycelium" and overlay.get(name) is False:
            findings.add(
                "not-attached",
                path,
                f"`{name}` has no address in the overlay.",
                f"add `mycelium: true` to `{name}`",
                needle=expression.text,
                about=expression.text,
            )
    elif network not in names.networks:
        if findings.knows("networks"):
            hint = suggest(network, attached.get(name) or names.networks, "networks", findings)
            findings.add(
                "unknown-network", path, f"There is no `{network}` under `networks`.", hint, needle=expression.text, about=expression.text
            )
    else:
        networks = attached.get(name)
        if networks is not None and network not in networks:
            hint = suggest(network, networks, f"vm.{name}.networks", findings) if networks else f"add `{network}` to its `networks`"
            findings.add(
                "not-attached", path, f"`{name}` is not on the network `{network}`.", hint, needle=expression.text, about=expression.text
            )
