"""Keys that have to be there, and names that have to have a form."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from herocloud.kits.yaml.tree import Path
from herocloud.stack.fields import spellings
from herocloud.stack.fields.fast_validation import NEEDED
from herocloud.stack.findings import Findings
from herocloud.stack.layers import Fields, View
from herocloud.stack.names import own_blocks

_NAME = re.compile(spellings.NAME)
_KEY = re.compile(spellings.KEY)
_ENVIRONMENT = re.compile(spellings.ENVIRONMENT)
_FORM = "use lower-case letters, digits and `-`, beginning with a letter, at most 63"
_INNER = (("volumes", NEEDED["VolumeUse"]), ("shares", NEEDED["Share"]), ("networks", NEEDED["NetworkUse"]))


def check_names(tree: Mapping[str, Any], data: Fields, views: Iterable[View], findings: Findings) -> None:
    """Check the names that the user gives."""
    for section in ("images", "sizes", "networks", "volumes", "vms"):
        block = tree.get(section)
        for name in block if isinstance(block, dict) else ():
            if not _NAME.fullmatch(name):
                findings.add("bad-name", (section, name), f"`{name}` cannot name anything under `{section}`.", _FORM, on_key=True)
    _check_keys(("outputs",), data.get("outputs"), _KEY, findings)
    for path, fields in own_blocks(data, views):
        if "env" in fields:
            _check_keys((*path, "env"), fields["env"], _ENVIRONMENT, findings)
        if "labels" in fields:
            _check_keys((*path, "labels"), fields["labels"], _KEY, findings)
        if "secrets" in fields:
            _check_keys((*path, "secrets"), fields["secrets"], _KEY, findings)


def _check_keys(path: Path, block: Fields | None, form: re.Pattern[str], findings: Findings) -> None:
    for name in block or ():
        if not form.fullmatch(name):
            hint = (
                "use letters, digits and `_`" if form is _ENVIRONMENT else "use letters, digits, `_`, `-` and `.`, beginning with a letter"
            )
            findings.add("bad-name", (*path, name), f"`{name}` cannot name anything under `{path[-1]}`.", hint, on_key=True)


def check_needed(data: Fields, views: Iterable[View], findings: Findings) -> None:
    """Check that what has to be there is there."""
    network, forward = NEEDED["Network"], NEEDED["Forward"]
    for name, fields in (data.get("networks") or {}).items():
        _need(("networks", name), fields, network, findings)
        for number, entry in enumerate(fields.get("forward") or ()):
            _need(("networks", name, "forward", number), entry, forward, findings)
    for name, fields in (data.get("volumes") or {}).items():
        _need(("volumes", name), fields, NEEDED["Volume"], findings)
    for number, move in enumerate(data.get("moved") or ()):
        _need(("moved", number), move, NEEDED["Moved"], findings)
    for path, fields in own_blocks(data, views):
        for key, needed in _INNER:
            for number, entry in enumerate(fields.get(key) or ()):
                _need((*path, key, number), entry, needed, findings)
        if "user_data" in fields:
            _one_of((*path, "user_data"), fields["user_data"], ("file", "text"), findings)
        for name, secret in (fields.get("secrets") or {}).items():
            _one_of((*path, "secrets", name), secret, ("env", "file"), findings)
    overlay = data.get("mycelium") or {}
    if overlay.get("key") is not None:
        _one_of(("mycelium", "key"), overlay["key"], ("file", "env"), findings)
    # A policy may be put together from defaults, a size and the VM, so what counts is what comes of them.
    policies = {view.where("snapshots"): view.fields["snapshots"] for view in views if view.fields.get("snapshots")}
    for path, policy in policies.items():
        _need(path, policy, NEEDED["Snapshots"], findings)
    for view in views:
        if "image" not in view.fields and view.knows(findings, "image"):
            detail = f"`{view.name}` names no image to boot."
            findings.add("missing-key", ("vms", view.name), detail, "add `image:` here or under `defaults`", on_key=True, about="image")


def _need(path: Path, fields: Fields, needed: Mapping[str, str], findings: Findings) -> None:
    for key, description in needed.items():
        if key not in fields and findings.knows(*path, key):
            findings.add(
                "missing-key",
                path,
                f"`{key}` is missing: {description[0].lower()}{description[1:]}",
                f"add `{key}:`",
                on_key=True,
                about=key,
            )


def _one_of(path: Path, fields: Fields, keys: tuple[str, str], findings: Findings) -> None:
    if len(fields) != 1 and all(findings.knows(*path, key) for key in keys):
        said = "has both" if fields else "has neither"
        findings.add(
            "one-of-two",
            path,
            f"`{path[-1]}` {said} `{keys[0]}` {'and' if fields else 'nor'} `{keys[1]}`.",
            f"write one of `{keys[0]}` and `{keys[1]}`",
            on_key=True,
        )
