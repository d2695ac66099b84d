"""`init`: a stack file to start from, which plans and applies as it stands."""

import re
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import files
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused

STACK = "stack.yaml"
IGNORE = ".gitignore"
IGNORED = ("*.hcplan",)
"""Saved plans belong to one state and one moment; they may also hold what a stack file keeps out of a repository."""

_STARTER = """\
# yaml-language-server: $schema=./stack.schema.json
# `herocloud schema > stack.schema.json` writes the schema for your editor.
stack: {name}  # the owner of everything below
description: A first stack

variables:
  fronts: {{type: integer, description: how many web servers, default: 2, min: 1, max: 8}}

images:
  debian12:
    source: https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2
    unpinned: true  # better: `sha256: …` and a version that stays
    format: qcow2

sizes:
  small: {{vcpus: 1, memory: 2 GiB}}

networks:
  lan: {{cidr: 10.42.0.0/24, nat: true}}  # addresses are assigned in the plan and stay

volumes:
  data: {{size: 20 GiB}}  # outlives the VM that uses it

vms:
  web:
    count: "{{{{ fronts }}}}"  # web[0], web[1], …
    image: debian12
    size: small
    networks: [lan]
    depends_on: [vm.db]
  db:
    image: debian12
    vcpus: 2
    memory: 4 GiB  # one slice
    volumes: [data]
    networks: [lan]
    # protect: true  # refuses to delete or replace it

outputs:
  front: "{{{{ vm.web[0].address.lan }}}}"
"""


class Started(NamedTuple):
    """What was written."""

    stack: Path
    ignore: Path | None
    """Nothing when the file said all of it already."""


def start(folder: Path) -> Started:
    """Write the starter; a stack file that is there already is never touched."""
    target = folder / STACK
    if target.exists():
        detail = f"`{target}` exists, and nothing was written."
        raise Refused(
            [Diagnostic("already-started", "There is a stack file already", detail, hint="give another folder: `herocloud init DIR`")]
        )
    folder.mkdir(parents=True, exist_ok=True)
    files.write_durably(target, _STARTER.format(name=_name_for(folder)).encode(), mode=0o644)
    return Started(target, _ignore(folder / IGNORE))


def _name_for(folder: Path) -> str:
    """Make a stack's name out of a folder's."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:63].rstrip("-")
    return name if ids.NAME.match(name) else "first"


def _ignore(path: Path) -> Path | None:
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    missing = [line for line in IGNORED if line not in before.splitlines()]
    if not missing:
        return None
    gap = "" if not before or before.endswith("\n") else "\n"
    path.write_text(before + gap + "".join(f"{line}\n" for line in missing), encoding="utf-8")
    return path
