"""Expressions of a tree are replaced before the models look at it, so that `count: "{{ fronts }}"` is validated as the number it is.

`{{ index }}` is the exception: it has as many values as its VM has instances. Those VMs are validated with the number 0 in its
place, and `instances` replaces it again for each of the others.
"""

from collections.abc import Mapping
from typing import Any

from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.yaml.tree import Path
from herocloud.model.hosts import Host
from herocloud.stack import expressions, names
from herocloud.stack.expressions import KEEP, Expression
from herocloud.stack.findings import Findings
from herocloud.stack.variables import Values

_KEPT_FIELDS = ("env", "labels")


class Substituted(NamedTuple):
    """A tree without expressions, except those that only a plan can resolve."""

    value: dict[str, Any]
    indexed: dict[str, dict[str, Any]]
    """The VMs that use `{{ index }}`, with it still in place."""


class _Unknown(Exception):
    """The value of an expression is not known; the mistake is reported already, here or at its cause."""


def substitute(tree: Mapping[str, Any], values: Values, host: Host | None, findings: Findings) -> Substituted:
    """Replace the expressions of a whole file, everything under `variables` and `moved` excepted."""
    work = _Substitution(values, host, findings, tree.get("stack"))
    result: dict[str, Any] = {}
    for key, value in tree.items():
        if key == "moved" or not expressions.has_any(value):
            result[key] = value
        elif key == "vms" and isinstance(value, dict):
            result[key] = {name: work.replace_vm(name, vm) for name, vm in value.items()}
        else:
            work.walk_into(result, key, value, (key,))
    return Substituted(result, work.indexed)


def put_index(value: Any, number: int) -> Any:
    """Replace `{{ index }}` in a value by the number of an instance."""

    def resolve(expression: Expression) -> Any:
        if expression.kind == "index":
            return number + expression.plus
        if expression.kind == "vm" and expression.by_index:
            return expression.text.replace("[index]", f"[{number}]")
        return KEEP

    return expressions.replace_within(value, resolve)


class _Substitution:
    def __init__(self, values: Values, host: Host | None, findings: Findings, stack: Any) -> None:
        self.stack = stack if isinstance(stack, str) else None
        self.values = values
        self.host = host
        self.found = findings
        self.indexed: dict[str, dict[str, Any]] = {}
        self.counted = False
        self.uses_index = False

    def replace_vm(self, name: str, vm: Any) -> Any:
        if not isinstance(vm, dict) or not expressions.has_any(vm):
            return vm
        self.counted = "count" in vm or not self.found.knows("vms", name, "count")
        self.uses_index = False
        result: dict[str, Any] = {}
        for key, value in vm.items():
            self.walk_into(result, key, value, ("vms", name, key))
        self.counted = False
        if not self.uses_index:
            return result
        self.indexed[name] = result
        replaced: dict[str, Any] = put_index(result, 0)
        return replaced

    def walk_into(self, target: dict[str, Any], key: str, value: Any, path: Path) -> None:
        """Put the value into `target` unless nothing is known about it."""
        try:
            target[key] = self.walk(value, path)
        except _Unknown:
            self.found.poison(self.found.pruned.original(path))

    def walk(self, value: Any, path: Path) -> Any:
        if isinstance(value, str):
            return self.replace(value, path) if "{{" in value else value
        if isinstance(value, dict):
            result: dict[str, Any] = {}
            for key, inner in value.items():
                self.walk_into(result, key, inner, (*path, key))
            return result
        if isinstance(value, list):
            items: list[Any] = []
            gone: list[int] = []
            for number, inner in enumerate(value):
                try:
                    items.append(self.walk(inner, (*path, number)))
                except _Unknown:
                    self.found.poison(self.found.pruned.original((*path, number)))
                    gone.append(number)
            if gone:
                self.found.pruned.note(self.found.pruned.original(path), gone, len(value))
            return items
        return value

    def replace(self, text: str, path: Path) -> Any:
        troubles = [expression for expression in expressions.find(text) if not self.check(expression, path)]
        if troubles:
            raise _Unknown
        return expressions.replace(text, lambda expression: self.resolve(expression, path))

    def check(self, expression: Expression, path: Path) -> bool:
        """Report what is wrong with an expression; tells whether it can be resolved."""
        kind, name = expression.kind, expression.name
        problem: tuple[str, str, str | None] | None = None
        if kind == "bad":
            problem = self.explain(expression)
        elif kind == "variable" and name == "stack" and name not in self.values.declared and not expression.plus:
            if self.stack is None or "{{" in self.stack:
                return False
        elif kind == "variable" and name not in self.values.declared:
            near = names.nearest(name, self.values.declared, self.found)
            problem = (
                "unknown-variable",
                f"`{name}` is not declared under `variables`.",
                f"did you mean `{near}`?" if near else "declare it under `variables`",
            )
        elif kind == "variable" and name in self.values.sensitive:
            hint = f"deliver it with `secrets: {{{name}: {{env: HEROCLOUD_VAR_{name}}}}}`"
            problem = ("sensitive-value", f"`{name}` is sensitive, and this value becomes part of plans and of the state.", hint)
        elif kind == "variable":
            if name not in self.values.known:
                return False
            if expression.plus and not isinstance(self.values.known[name], int):
                problem = ("bad-expression", f"`{expression.text}` adds to `{name}`, which is not a whole number.", None)
            if expression.call and not isinstance(self.values.known[name], list):
                problem = ("bad-expression", f"`{expression.call}` takes a list, and `{name}` is not one.", None)
        elif kind == "host":
            problem = self.check_host(expression)
        elif kind == "index" or expression.by_index:
            if not self.counted or path[2:] == ("count",):
                problem = (
                    "bad-expression",
                    "`index` is the number of an instance, and there are none here.",
                    "use it inside a VM that has a `count`",
                )
            else:
                self.uses_index = True
        if kind == "vm" and problem is None and not _may_wait(path):
            problem = (
                "bad-expression",
                f"`{expression.text}` is only known when the plan is made, too late for this key.",
                "use it in `env`, `labels`, `user_data.text` and `outputs`",
            )
        if problem is None:
            return True
        code, detail, way_out = problem
        self.found.add(code, path, detail, way_out, needle=expression.text, about=expression.text)
        return False

    def explain(self, expression: Expression) -> tuple[str, str, str | None]:
        inner = expression.name
        hint: str | None = f"an expression is one of {', '.join(f'`{form}`' for form in expressions.FORMS)}"
        if not expression.text.endswith("}}"):
            return "bad-expression", "`{{` is never closed.", "close it with `}}`, or write `{{ '{{' }}` for the braces themselves"
        if inner.startswith("var.") and inner[4:] in self.values.declared:
            hint = f"write `{{{{ {inner[4:]} }}}}`"
        return "bad-expression", f"`{inner}` is not something that an expression can say.", hint

    def check_host(self, expression: Expression) -> tuple[str, str, str | None] | None:
        name = expression.name
        if name not in expressions.HOST_FIELDS:
            near = names.nearest(name, expressions.HOST_FIELDS, self.found)
            known = ", ".join(f"`{field}`" for field in expressions.HOST_FIELDS)
            return "bad-expression", f"The host has no `{name}`; it has {known}.", f"did you mean `host.{near}`?" if near else None
        if expression.plus and name not in {"cpus", "slices"}:
            return "bad-expression", f"`{expression.text}` adds to something that is not a whole number.", None
        if self.host is None:
            return (
                "unknown-host",
                f"`{expression.text}` asks about a host that is not known here.",
                "run the command where the data folder is",
            )
        return None

    def resolve(self, expression: Expression, path: Path) -> Any:
        del path
        if expression.kind == "variable":
            if expression.name == "stack" and "stack" not in self.values.declared:
                return self.stack
            value = self.values.known[expression.name]
            if expression.call:
                return expressions.apply_call(expression, value)
            return value + expression.plus if expression.plus else value
        if expression.kind == "host" and self.host is not None:
            value = host_value(self.host, expression.name)
            return value + expression.plus if expression.plus else value
        return "{{" if expression.kind == "brace" else KEEP


def _may_wait(path: Path) -> bool:
    """Return whether the planner looks for expressions here."""
    if path[0] == "outputs":
        return True
    below = path[2:] if path[0] == "vms" else path[1:] if path[0] == "defaults" else ()
    return bool(below) and (below[0] in _KEPT_FIELDS or below[:2] == ("user_data", "text"))


def host_value(host: Host, name: str) -> Any:
    """Return what `host.NAME` stands for; memory and disk are texts, so that they fit wherever a size does."""
    if name == "slices":
        return len(host.slices)
    if name in {"memory", "disk"}:
        from herocloud.kits import sizes

        return sizes.format_size(host.memory if name == "memory" else host.disk)
    return host.name if name == "name" else host.cpus
