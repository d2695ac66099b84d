"""Three tiers of tests, told apart by what a test asks for, so that there is no list to keep.

`pure` needs neither disk nor process and runs in seconds; `world` has a folder of its own, SQLite, the simulator or processes; `real`
needs root, guests, a browser or much time. `--tier pure` runs the first alone and watches it: a pure test that starts a process or writes
a file fails.
"""

import sys
from collections.abc import Iterator

import pytest

_REAL = {"root", "kvm", "guest", "reboots", "live", "browser", "slow"}
_FOLDERS = {"tmp_path", "tmp_path_factory", "herocloud", "data_folder"}
_EVERYWHERE = "cache_folder"
"""The fixture that every test gets; it has a folder only so that tests do not share caches."""
_EFFECTS = {
    "subprocess.Popen",
    "os.fork",
    "os.exec",
    "os.posix_spawn",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "sqlite3.connect",
    "socket.connect",
}

_OF_HYPOTHESIS = ".hypothesis"
"""Its folder of examples is made by whichever test comes first."""


class Watch:
    """An audit hook that can be switched on and off: Python has no way to remove one."""

    def __init__(self) -> None:
        """Watch nothing yet."""
        self.seen: list[str] | None = None

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Note the effects of the test that runs."""
        if self.seen is None or (arguments and _OF_HYPOTHESIS in str(arguments[0])):
            return
        if event in _EFFECTS:
            self.seen.append(f"{event} {arguments[:1]}")
        elif event == "open" and isinstance(arguments[0], str) and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
            self.seen.append(f"open {arguments[:2]}")


_WATCH = Watch()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the caller name one tier."""
    parser.addoption("--tier", choices=("pure", "world", "real"), help="run the tests of one tier only")


def tier_of(item: pytest.Item) -> str:
    """Say which tier a test belongs to."""
    if any(mark.name in _REAL for mark in item.iter_markers()):
        return "real"
    if item.get_closest_marker("world"):
        return "world"
    info = item._fixtureinfo  # type: ignore[attr-defined]
    waiting, known = [*info.argnames, *(name for name in info.initialnames if name != _EVERYWHERE)], set()
    while waiting:
        name = waiting.pop()
        if name in _FOLDERS:
            return "world"
        if name not in known:
            known.add(name)
            waiting += [argument for definition in info.name2fixturedefs.get(name, ()) for argument in definition.argnames]
    return "pure"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the tier that was asked for."""
    wanted = config.getoption("--tier")
    if wanted is None:
        return
    kept = [item for item in items if tier_of(item) == wanted]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept
    if wanted == "pure":
        sys.addaudithook(_WATCH)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Fail a pure test that has effects."""
    if pyfuncitem.config.getoption("--tier") != "pure":
        return (yield)
    _WATCH.seen = []
    try:
        result = yield
    finally:
        seen, _WATCH.seen = _WATCH.seen, None
    if seen:
        pytest.fail(f"a pure test has effects ({seen[0]}); let it ask for `tmp_path`, or mark it", pytrace=False)
    return result
