"""Fault points: silent without rules, exact with them."""

import errno
import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.world

_PROGRAM = """
from herocloud.kits import faults
for number in range(4):
    try:
        faults.reached("first")
        faults.reached("second")
    except OSError as error:
        print(number, error.errno)
print("end")
"""


def _run(rules: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HEROCLOUD_FAULTS": rules}
    return subprocess.run([sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True, check=False)


def test_without_rules_nothing_happens() -> None:
    assert _run("").stdout == "end\n"


@pytest.mark.parametrize(("what", "number"), [("enospc", errno.ENOSPC), ("eio", errno.EIO), ("erofs", errno.EROFS)])
def test_a_rule_acts_once_at_its_passage(what: str, number: int) -> None:
    assert _run(f"second:3:{what}").stdout == f"2 {number}\nend\n"


def test_a_star_counts_every_point() -> None:
    assert _run("*:4:eio").stdout == f"1 {errno.EIO}\nend\n"


@pytest.mark.parametrize(("what", "sent"), [("kill", signal.SIGKILL), ("term", signal.SIGTERM)])
def test_a_rule_can_end_the_process(what: str, sent: signal.Signals) -> None:
    ended = _run(f"first:2:{what}")
    assert (ended.returncode, ended.stdout) == (-sent, "")


def test_several_rules_hold_at_once() -> None:
    assert _run("first:1:eio,second:2:enospc").stdout == f"0 {errno.EIO}\n2 {errno.ENOSPC}\nend\n"
