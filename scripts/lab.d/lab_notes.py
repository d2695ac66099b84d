"""A plugin of pytest, loaded inside: tells the outside which test begins and how each one ended, and leaves out what an earlier boot did.

The outside needs it when the host inside falls over: an emulated processor is not as steady as a real one, and two hours of tests are not
to be begun again because of it.
"""

import fcntl
from collections.abc import Generator
from pathlib import Path

import pytest

PORT, DONE = Path("/dev/virtio-ports/lab.notes"), Path("/run/lab/done")
REBOOT = Path("/run/lab/reboot")
"""Says how the host is to be rebooted: by a `shutdown`, or by a `cut` of its power."""
_ORDER = ("passed", "skipped", "failed")
_ended: dict[str, str] = {}
_divides = False
"""Whether others run the tests for this process; then they tell."""


def pytest_configure(config: pytest.Config) -> None:
    """Find out who runs the tests."""
    global _divides  # noqa: PLW0603  (a plugin that is a module has no other place)
    _divides = bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that have ended already."""
    done = set(DONE.read_text(encoding="utf-8").splitlines()) if DONE.exists() else set()
    config.hook.pytest_deselected(items=[one for one in items if one.nodeid in done])
    items[:] = [one for one in items if one.nodeid not in done]


def pytest_runtest_logstart(nodeid: str) -> None:
    """Note that a test begins."""
    _note("begun", nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the worst of what the parts of a test came to."""
    _ended[report.nodeid] = max(report.outcome, _ended.get(report.nodeid, "passed"), key=_ORDER.index)
    if report.failed:
        _write("".join(f"| {line}\n" for line in report.longreprtext.splitlines()))


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Note how a test ended."""
    _note(_ended.get(nodeid, "failed"), nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    """Have the host rebooted after a test that passed and asks for it; the tests behind it are run afterwards."""
    done = yield
    how = _ended.pop(item.nodeid, "failed")
    mark = item.get_closest_marker("reboots")
    if mark is not None:
        with DONE.open("a", encoding="utf-8") as stream:
            stream.write(f"{item.nodeid}\n")
        if mark.args and how == "passed":
            REBOOT.write_text(mark.args[0], encoding="utf-8")
            item.session.shouldstop = f"the host is rebooted ({mark.args[0]})"
    return done


def _note(word: str, nodeid: str) -> None:
    _write(f"{word} {nodeid}\n")


def _write(text: str) -> None:
    if not PORT.exists() or _divides:
        return
    # A port is one process's at a time, and another process that opens it gets the error that it is busy.
    with DONE.with_name("notes.lock").open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with PORT.open("a", encoding="utf-8") as port:
            port.write(text)
