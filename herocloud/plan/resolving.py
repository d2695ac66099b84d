"""Expressions that only the planner can answer: `{{ vm.web[0].address.lan }}`, `{{ vm.db.mycelium }}`, `{{ vm.db.slices }}`.

Everything else was resolved when the file was loaded. Because addresses are decided in the plan, two VMs may name each other without a
cycle.
"""

import re
from collections.abc import Callable, Mapping

from herocloud.kits import names
from herocloud.kits.jsons import Json, Spec
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address
from herocloud.plan import saying

_EXPRESSION = re.compile(r"\{\{\s*(vm\.[^{}]*?)\s*\}\}")
"""Only what names a VM: the rest was answered or checked at load, and what is left of braces then is text, as in cloud-init templates."""
_REFERENCE = re.compile(r"^(vm\.[a-z][a-z0-9-]*(?:\[\d+\])?)\.(.+)$")


def resolve(value: Json, specs: Mapping[Address, Spec], where: str, found: list[Diagnostic]) -> Json:
    """Replace the expressions in `value`, however deep; a text that is only an expression takes the value's type."""
    if isinstance(value, str):
        return _resolve_text(value, specs, where, found) if "{{" in value else value
    if isinstance(value, dict):
        return {key: resolve(one, specs, where, found) for key, one in value.items()}
    if isinstance(value, list):
        return [resolve(one, specs, where, found) for one in value]
    return value


def has_expression(value: Json) -> bool:
    """Tell whether anything in `value` is left to resolve."""
    if isinstance(value, str):
        return "{{" in value and _EXPRESSION.search(value) is not None
    if isinstance(value, dict):
        return any(map(has_expression, value.values()))
    return isinstance(value, list) and any(map(has_expression, value))


def _resolve_text(text: str, specs: Mapping[Address, Spec], where: str, found: list[Diagnostic]) -> Json:
    whole = _EXPRESSION.fullmatch(text.strip())
    if whole:
        return _value(whole.group(1), specs, where, found)
    return _EXPRESSION.sub(lambda match: _as_text(_value(match.group(1), specs, where, found)), text)


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _value(expression: str, specs: Mapping[Address, Spec], where: str, found: list[Diagnostic]) -> Json:
    match = _REFERENCE.match(expression)
    if not match:
        found.append(saying.unknown_value(where, expression, "it does not say which value of the VM is meant", None))
        return None
    address, path = Address(match.group(1)), match.group(2)
    spec = specs.get(address)
    if spec is None:
        near = names.nearest(address, specs)
        found.append(
            saying.unknown_value(where, expression, f"there is no `{address}`" + (f"; did you mean `{near}`?" if near else ""), None)
        )
        return None
    kind, _, rest = path.partition(".")
    answer = _ANSWERS.get(kind)
    if answer is None:
        near = names.nearest(kind, _ANSWERS)
        found.append(saying.unknown_value(where, expression, f"a VM has no `{kind}`" + (f"; did you mean `{near}`?" if near else ""), None))
        return None
    value = answer(spec, rest)
    if value is None:
        found.append(saying.unknown_value(where, expression, f"`{address}` has none", None))
    return value


def _address(spec: Spec, network: str) -> Json:
    for nic in spec["networks"]:
        if nic["network"] == network or not network:
            return nic["address"]
    return None


_ANSWERS: dict[str, Callable[[Spec, str], Json]] = {
    "address": _address,
    "mycelium": lambda spec, _rest: spec["mycelium"]["address"] if spec["mycelium"] else None,
    "mac": lambda spec, network: next((nic["mac"] for nic in spec["networks"] if nic["network"] == network or not network), None),
    "sid": lambda spec, _rest: spec["sid"],
    "slices": lambda spec, _rest: spec["slices"],
    "memory": lambda spec, _rest: spec["memory"],
    "vcpus": lambda spec, _rest: spec["vcpus"],
}
