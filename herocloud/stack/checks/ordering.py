"""Keys that have to be there, and dependencies that must not go round in circles.

Keys that have to be there, names that have to have a form.

Dependencies that go round in circles. Strongly connected components, found without recursion (a chain of ten thousand VMs is deeper than
Python's stack). All instances of a VM hang on one node for their name, so that the graph stays as small as the file.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from herocloud.stack import names, scalars
from herocloud.stack.findings import Findings, Path
from herocloud.stack.gating import NEEDED
from herocloud.stack.layering import Fields, View
from herocloud.stack.names import own_blocks

_NAME = re.compile(scalars.NAME)
_KEY = re.compile(scalars.KEY)
_ENVIRONMENT = re.compile(scalars.ENVIRONMENT)
_FORM = "use lower-case letters, digits and `-`, beginning with a letter, at most 63"
_INNER = (("volumes", NEEDED["VolumeUse"]), ("shares", NEEDED["Share"]), ("networks", NEEDED["NetworkUse"]))


def check_names(tree: Mapping[str, Any], data: Fields, views: Iterable[View], found: Findings) -> None:
    """Check the names that the user gives."""
    for section in ("images", "sizes", "networks", "volumes", "vms"):
        block = tree.get(section)
        for name in block if isinstance(block, dict) else ():
            if not _NAME.fullmatch(name):
                found.add("bad-name", (section, name), f"`{name}` cannot name anything under `{section}`.", _FORM, on_key=True)
    _check_keys(("outputs",), data.get("outputs"), _KEY, found)
    for path, fields in own_blocks(data, views):
        if "env" in fields:
            _check_keys((*path, "env"), fields["env"], _ENVIRONMENT, found)
        if "labels" in fields:
            _check_keys((*path, "labels"), fields["labels"], _KEY, found)
        if "secrets" in fields:
            _check_keys((*path, "secrets"), fields["secrets"], _KEY, found)


def _check_keys(path: Path, block: Fields | None, form: re.Pattern[str], found: Findings) -> None:
    for name in block or ():
        if not form.fullmatch(name):
            hint = (
                "use letters, digits and `_`" if form is _ENVIRONMENT else "use letters, digits, `_`, `-` and `.`, beginning with a letter"
            )
            found.add("bad-name", (*path, name), f"`{name}` cannot name anything under `{path[-1]}`.", hint, on_key=True)


def check_needed(data: Fields, views: Iterable[View], found: Findings) -> None:
    """Check that what has to be there is there."""
    network, forward = NEEDED["Network"], NEEDED["Forward"]
    for name, fields in (data.get("networks") or {}).items():
        _need(("networks", name), fields, network, found)
        for number, entry in enumerate(fields.get("forward") or ()):
            _need(("networks", name, "forward", number), entry, forward, found)
    for name, fields in (data.get("volumes") or {}).items():
        _need(("volumes", name), fields, NEEDED["Volume"], found)
    for number, move in enumerate(data.get("moved") or ()):
        _need(("moved", number), move, NEEDED["Moved"], found)
    for path, fields in own_blocks(data, views):
        for key, needed in _INNER:
            for number, entry in enumerate(fields.get(key) or ()):
                _need((*path, key, number), entry, needed, found)
        if "user_data" in fields:
            _one_of((*path, "user_data"), fields["user_data"], ("file", "text"), found)
        for name, secret in (fields.get("secrets") or {}).items():
            _one_of((*path, "secrets", name), secret, ("env", "file"), found)
    overlay = data.get("mycelium") or {}
    if overlay.get("key") is not None:
        _one_of(("mycelium", "key"), overlay["key"], ("file", "env"), found)
    for view in views:
        if "image" not in view.fields and view.knows(found, "image"):
            detail = f"`{view.name}` names no image to boot."
            found.add("missing-key", ("vms", view.name), detail, "add `image:` here or under `defaults`", on_key=True, about="image")


def _need(path: Path, fields: Fields, needed: Mapping[str, str], found: Findings) -> None:
    for key, description in needed.items():
        if key not in fields and found.knows(*path, key):
            found.add(
                "missing-key",
                path,
                f"`{key}` is missing: {description[0].lower()}{description[1:]}",
                f"add `{key}:`",
                on_key=True,
                about=key,
            )


def _one_of(path: Path, fields: Fields, keys: tuple[str, str], found: Findings) -> None:
    if len(fields) != 1 and all(found.knows(*path, key) for key in keys):
        said = "has both" if fields else "has neither"
        found.add(
            "one-of-two",
            path,
            f"`{path[-1]}` {said} `{keys[0]}` {'and' if fields else 'nor'} `{keys[1]}`.",
            f"write one of `{keys[0]}` and `{keys[1]}`",
            on_key=True,
        )


Node = int | str
Edges = Mapping[Node, Sequence[Node]]


def check_cycles(views: Sequence[View], found: Findings) -> None:
    """Report each circle once, at the dependency of its first VM that closes it."""
    if not any(view.fields.get("depends_on") for view in views):
        return
    edges: dict[Node, list[Node]] = {}
    single: dict[tuple[str, int | None], int] = {}
    for number, view in enumerate(views):
        single[view.name, view.number] = number
        edges.setdefault(view.name, []).append(number)
        edges.setdefault(number, [])
    for number, view in enumerate(views):
        for address in view.fields.get("depends_on") or ():
            target = _target(address, single, edges)
            if target is not None:
                edges[number].append(target)
    for component in components(edges):
        inside = {node for node in component if isinstance(node, int)}
        first = min(inside, default=None)
        if first is None or (len(component) == 1 and first not in edges[first]):
            continue
        _report(views, first, component, edges, found, single)


def _target(address: str, single: Mapping[tuple[str, int | None], int], edges: Edges) -> Node | None:
    instance = names.read_instance(address) if address.startswith("vm.") else None
    if instance is None or instance.name not in edges:
        return None
    if instance.number is not None:
        return single.get((instance.name, instance.number), instance.name)
    return instance.name


def _report(
    views: Sequence[View], first: int, component: set[Node], edges: Edges, found: Findings, single: Mapping[tuple[str, int | None], int]
) -> None:
    way = _way_back(first, component, edges)
    view = views[first]
    number = next(place for place, address in enumerate(view.fields["depends_on"]) if _target(address, single, edges) == way[1])
    names = [views[node].address for node in way if isinstance(node, int)]
    said = " → ".join(f"`{name}`" for name in names)
    detail = f"`{names[0]}` waits for itself." if len(set(names)) == 1 else f"Each waits for the next: {said}."
    found.add("cycle", view.where("depends_on", number), detail, "remove one of these dependencies")


def _way_back(first: Node, component: set[Node], edges: Edges) -> list[Node]:
    """Return the shortest way from a node to itself."""
    came: dict[Node, Node] = {}
    queue: deque[Node] = deque([first])
    while queue:
        node = queue.popleft()
        for after in edges[node]:
            if after == first:
                way = [after, node]
                while node != first:
                    node = came[node]
                    way.append(node)
                return way[::-1]
            if after in component and after not in came:
                came[after] = node
                queue.append(after)
    return [first, first]


def components(edges: Edges) -> list[set[Node]]:
    """Return the strongly connected components (Tarjan's algorithm with a stack of our own)."""
    numbers: dict[Node, int] = {}
    lows: dict[Node, int] = {}
    open_nodes: list[Node] = []
    is_open: set[Node] = set()
    result: list[set[Node]] = []
    for root in edges:
        if root in numbers:
            continue
        work = [(root, iter(edges[root]))]
        numbers[root] = lows[root] = len(numbers)
        open_nodes.append(root)
        is_open.add(root)
        while work:
            node, rest = work[-1]
            for after in rest:
                if after not in numbers:
                    numbers[after] = lows[after] = len(numbers)
                    open_nodes.append(after)
                    is_open.add(after)
                    work.append((after, iter(edges[after])))
                    break
                if after in is_open:
                    lows[node] = min(lows[node], numbers[after])
            else:
                work.pop()
                if work:
                    lows[work[-1][0]] = min(lows[work[-1][0]], lows[node])
                if lows[node] == numbers[node]:
                    component: set[Node] = set()
                    while node not in component:
                        last = open_nodes.pop()
                        is_open.discard(last)
                        component.add(last)
                    result.append(component)
    return result
