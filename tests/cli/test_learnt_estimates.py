"""Plans of many short steps tell the time that herocloud itself takes for them, learnt from applies here."""

import json
import re
import sqlite3
from typing import Any

import pytest

from herocloud.model.steps import EXECUTOR
from herocloud.state import store

STACK = """\
stack: many
images: {{d: {{source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}}}}
vms: {{w: {{count: {count}, image: d}}}}
"""


@pytest.fixture
def large(herocloud: Any, data_folder: Any) -> None:
    """Make the simulated host large enough for many VMs."""
    (data_folder / "host.yaml").write_text("simulated: {memory: 1 TiB, disk: 100 TiB, cpus: 256}\n", encoding="utf-8")


def _learnt(herocloud: Any) -> float | None:
    return store.read_recorded(herocloud.data_folder).durations.get(EXECUTOR)


@pytest.mark.usefixtures("large")
def test_an_apply_of_many_steps_teaches_how_long_each_keeps_herocloud_busy(herocloud: Any) -> None:
    herocloud.write(STACK.format(count=5))
    herocloud.done("apply", "-y", "-q")
    assert _learnt(herocloud) is None, "a few steps do not share what a turn of the journal costs"
    herocloud.write(STACK.format(count=70))
    herocloud.done("apply", "-y", "-q")
    learnt = _learnt(herocloud)
    assert learnt is not None
    assert 0.00001 < learnt < 0.1


@pytest.mark.usefixtures("large")
def test_the_estimate_follows_what_was_learnt_and_the_plan_keeps_its_name(herocloud: Any) -> None:
    herocloud.write(STACK.format(count=70))
    herocloud.done("apply", "-y", "-q")
    before = json.loads(herocloud.done("plan", "--destroy", "--json").out)["plan_id"]
    with sqlite3.connect(herocloud.data_folder / "state.db") as state:
        state.execute("UPDATE durations SET seconds = 0.5 WHERE kind = 'executor'")
    state.close()
    told = herocloud.done("plan", "--destroy").out
    assert re.search(r"About [23] min", told), told
    assert json.loads(herocloud.done("plan", "--destroy", "--json").out)["plan_id"] == before


@pytest.mark.usefixtures("large")
def test_a_first_plan_of_many_simulated_vms_tells_seconds(herocloud: Any) -> None:
    herocloud.write(STACK.format(count=200))
    told = herocloud.done("plan").out
    assert re.search(r"About \d+ s\.", told), told
