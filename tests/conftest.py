"""Fixtures that every folder of tests may use: a data folder with a simulated host, and the command line without a process.

The runner calls the entry point in this process, because a process per command would make the suite ten times slower. It swaps the
three streams for real text wrappers over bytes, so that code which writes bytes to `sys.stdout.buffer` works as it does in a pipe.
"""

import collections
import io
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import hypothesis
import pytest

from herocloud.kits import processors

# A suite that passes on a fresh clone passes there tomorrow too: the same examples every time, and no verdict about how busy the machine
# is. `HYPOTHESIS_PROFILE=explore` goes looking for new ones.
_BUSY = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, database=None, suppress_health_check=_BUSY)
hypothesis.settings.register_profile("explore", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

pytest_plugins = ["tiers", "tiny", "stand_in_host"]

# Fixtures of whole modules come before the one for each test.
os.umask(0o022)

HOST_FILE = """\
name: node1
simulated: {memory: 256 GiB, disk: 8 TiB, cpus: 64, uplink: 10 Gbit/s}
"""
"""63 slices of 4 GiB: room for every example, on any machine that runs the tests."""

_FILTERS = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b[0-9a-f]{16,64}\b"), "<digest>"),
)
"""What differs between two runs that did the same: moments, identities and digests over them."""


def _links_of_ours() -> frozenset[str]:
    return frozenset(name for _, name in socket.if_nameindex() if name.startswith(("hb-", "hc-")))


_BEFORE = _links_of_ours()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail where tests leave bridges or taps on this host: what comes after would see them. Workers end before who counts."""
    left = sorted(_links_of_ours() - _BEFORE) if not hasattr(session.config, "workerinput") else []
    if left:
        print(f"\nThe tests left on this host: {', '.join(left)}. Remove what is of no VM of yours with `ip link del NAME`.")  # noqa: T201
        session.exitstatus = exitstatus or pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was skipped and why, reason by reason: pytest's own list has a line for every place."""
    reasons = collections.Counter(_reason(report) for report in terminalreporter.stats.get("skipped", ()))
    if not reasons:
        return
    terminalreporter.section("skipped on this machine")
    for reason, times in reasons.most_common():
        terminalreporter.write_line(f"{times:5}  {reason}")


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def both(self) -> str:
        """Return result and talk together, for a failed assertion's message."""
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Runner:
    """Runs herocloud commands in this process, against one data folder."""

    def __init__(self, data_folder: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Work in `folder`, with the state in `data_folder`."""
        self.data_folder = data_folder
        self.folder = folder
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str, stdin: str = "", environment: Mapping[str, str] | None = None) -> Ran:
        """Run one command and return how it ended; nothing is asserted here."""
        from herocloud.cli import entry

        streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
        with self._monkeypatch.context() as patch:
            for name, value in (environment or {}).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["herocloud", *arguments])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            folder = Path.cwd()
            code = _call(entry.main)
            # A command may follow --chdir; the next one must start where this one did.
            os.chdir(folder)
        out, err = (stream.buffer.getvalue().decode() for stream in streams)  # type: ignore[attr-defined]
        return Ran(code, out, err)

    def done(self, *arguments: str, **options: object) -> Ran:
        """Run one command that must succeed."""
        ran = self(*arguments, **options)  # type: ignore[arg-type]
        assert ran.code == 0, f"herocloud {' '.join(arguments)}: {ran.both}"
        return ran

    def write(self, text: str, name: str = "stack.yaml") -> Path:
        """Write a stack file (or any other) beside which the commands run."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path


def _call(main: Callable[[], object]) -> int:
    """Call an entry point that may return its exit code, return nothing, or raise SystemExit."""
    try:
        code = main()
    except SystemExit as ended:
        code = ended.code
    if isinstance(code, str):
        print(code, file=sys.stderr)  # noqa: T201  (this is what the interpreter does with a text)
        return 1
    return int(code or 0)  # type: ignore[call-overload, no-any-return]


@pytest.fixture(autouse=True)
def usual_umask() -> None:
    """Let every test begin with the usual umask: what its folders allow to others is part of what is tested."""
    os.umask(0o022)


@pytest.fixture(autouse=True)
def cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give every test caches of its own, which it may also look into."""
    folder = tmp_path / "caches"
    monkeypatch.setenv("HEROCLOUD_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the settings of whoever runs the tests away from them, and the tests away from that person's files."""
    for name in list(os.environ):
        if name.startswith("HEROCLOUD_") and name != "HEROCLOUD_CACHE_DIR":
            monkeypatch.delenv(name)
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg-state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "xdg-run"))


@pytest.fixture
def data_folder(tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data folder whose host file describes a simulated machine, set as the one that commands use."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "host.yaml").write_text(HOST_FILE, encoding="utf-8")
    monkeypatch.setenv("HEROCLOUD_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def herocloud(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Return a runner of commands in an empty working folder, `runner.folder`."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Runner(data_folder, folder, monkeypatch)


@pytest.fixture
def settle(tmp_path: Path) -> Callable[[str], str]:
    """Return a function that takes out of a text what differs between two equal runs, so that it can be a snapshot."""

    def clean(text: str) -> str:
        text = text.replace(str(tmp_path), "<folder>")
        for pattern, word in _FILTERS:
            text = pattern.sub(word, text)
        return text

    return clean


@pytest.fixture
def repository() -> Path:
    """Return the root of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture
def shared_processor(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Keep the threads of the tests on one processor, as a daemon keeps its own; returns its number."""
    given = os.sched_getaffinity(os.getpid())
    if len(given) < 2:
        pytest.skip("this host has one processor")
    monkeypatch.setattr(processors.places, "given", None)
    monkeypatch.setattr(processors.places, "together", frozenset())
    processors.keep_together([min(given)])
    yield min(given)
    processors.keep_together(given)
