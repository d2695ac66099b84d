"""What an apply of ours left in part was not changed by anybody else, whatever it costs to bring it back."""

from collections.abc import Callable
from typing import Any

import pytest

HEAD = """\
stack: shop
images: {debian: {source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}
"""


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("state: stopped", "state: running", "stop   an earlier apply did not finish it"),
        ("cpu: {max: 4}", "cpu: {max: 3}", "reboot   an earlier apply did not finish it"),
    ],
    ids=["stop", "reboot"],
)
def test_a_plan_names_the_apply_that_did_not_finish(
    herocloud: Any, misbehave: Callable[[str], None], before: str, after: str, shown: str
) -> None:
    def write(more: str) -> None:
        herocloud.write(f"{HEAD}vms: {{db: {{image: debian, memory: 1 GiB, {more}}}}}\n")

    write(before)
    herocloud.done("apply", "-y")
    write(after)
    misbehave("{address: vm.db, step: vm.boot, at: after, times: 9, fail: the answer got lost}")
    assert herocloud("apply", "-y").code in (1, 13)
    write(before)
    told = herocloud.done("plan").out
    assert shown in told, told
    assert "changed outside herocloud" not in told
