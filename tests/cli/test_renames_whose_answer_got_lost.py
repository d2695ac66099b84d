"""A rename that is done on the host and not in the state: nothing is left behind, whatever comes next."""

import json
from typing import Any

import pytest

STACK = """\
stack: shop
images: {{debian: {{source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}}}
networks: {{{network}: {{cidr: 10.41.0.0/24}}}}
volumes: {{{volume}: {{size: 1 GiB}}}}
vms: {{{vm}: {{image: debian, memory: 1 GiB, networks: [{network}], volumes: [{volume}]}}}}
"""
OLD = {"vm": "db", "volume": "data", "network": "lan"}
NEW = {"vm": "api", "volume": "files", "network": "net"}


def _renaming(kind: str) -> str:
    return STACK.format(**{**OLD, kind: NEW[kind]}) + f"moved: [{{from: {kind}.{OLD[kind]}, to: {kind}.{NEW[kind]}}}]\n"


def _seen(herocloud: Any) -> dict[str, Any]:
    with_parts = json.loads(herocloud.done("show", "--json").out)["stacks"].get("shop", {"resources": []})["resources"]
    return {one["address"]: one["observed"] for one in with_parts}


@pytest.fixture(params=["vm", "volume", "network"])
def lost(herocloud: Any, request: pytest.FixtureRequest) -> tuple[Any, str]:
    """Apply a stack, and rename something in it with an answer that gets lost."""
    kind = str(request.param)
    herocloud.write(STACK.format(**OLD))
    herocloud.done("apply", "-y", "-q")
    rule = f'rules:\n  - {{address: "*.{NEW[kind]}", step: {kind}.move, at: after, times: 1, fail: "the answer got lost"}}\n'
    (herocloud.data_folder / "scenario.yaml").write_text(rule, encoding="utf-8")
    with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {scenario: ./scenario.yaml}\n")
    herocloud.write(_renaming(kind))
    ran = herocloud("apply", "-y")
    assert ran.code in (1, 13), ran.both
    return herocloud, kind


def test_destroy_leaves_nothing_behind(lost: tuple[Any, str]) -> None:
    herocloud, _ = lost
    herocloud.done("destroy", "-y")
    assert "There are no orphans" in herocloud.done("state", "orphans").out
    assert _seen(herocloud) == {}


def test_the_plan_of_the_old_file_gives_the_old_name_back(lost: tuple[Any, str]) -> None:
    herocloud, kind = lost
    herocloud.write(STACK.format(**OLD))
    planned = herocloud.done("plan").out
    assert f"name {kind}.{NEW[kind]} → {kind}.{OLD[kind]}" in planned, planned
    herocloud.done("apply", "-y")
    assert f"{kind}.{OLD[kind]}" in _seen(herocloud)
    assert "No changes." in herocloud.done("plan").out
    assert "There are no orphans" in herocloud.done("state", "orphans").out


def test_undoing_the_apply_that_completed_it_takes_the_name_along(lost: tuple[Any, str]) -> None:
    herocloud, _ = lost
    herocloud.done("apply", "-y")
    herocloud.done("undo", "-y")
    herocloud.write(STACK.format(**OLD))
    assert "No changes." in herocloud.done("plan").out
    assert "There are no orphans" in herocloud.done("state", "orphans").out
