"""What is started outlives whoever started it, is started once, and says how it ended."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from herocloud.kits.subprocesses import CommandError
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.vmm import identity, jail_command, keeper_shell, launch


def test_it_has_a_session_of_its_own_and_no_terminal(stand) -> None:
    known = stand.start("sleep", "60")
    assert os.getsid(known.pid) != os.getsid(0)
    assert str(Path(f"/proc/{known.pid}/fd/0").readlink()) == "/dev/null"


def test_it_outlives_the_process_that_started_it_even_by_kill(stand, python, eventually) -> None:
    ran = python(
        "import os, signal",
        "from pathlib import Path",
        "from herocloud.providers.vmm import launch",
        "launch.has_systemd = lambda: False",
        f"what = launch.Launch(Path({str(stand.record)!r}), ['sleep', '60'], Path('/s'), 'no', {{}}, 'u')",
        "launch.prepare(what)",
        "launch._start(what, Path('/dev/null'))",
        "os.kill(os.getpid(), signal.SIGKILL)",
    )
    assert ran.returncode == -signal.SIGKILL
    known = eventually(lambda: identity.running(stand.data, stand.sid))
    assert identity.is_alive(known)


def test_two_at_once_start_one(stand, eventually) -> None:
    what = stand.order("sleep", "60")
    launch.prepare(what)
    for _ in range(5):
        launch._start(what, stand.beside("log"))
    known = eventually(lambda: identity.running(stand.data, stand.sid))
    here = [entry for entry in os.listdir("/proc") if entry.isdecimal() and _is_ours(entry, stand)]  # noqa: PTH208
    # The process, and the shell beside it.
    assert eventually(lambda: len([one for one in here if os.path.exists(f"/proc/{one}") and _is_ours(one, stand)]) <= 2)  # noqa: PTH110
    assert identity.is_alive(known)


def test_its_shell_is_handed_the_lock_and_starts_no_program_to_take_it(stand, eventually, monkeypatch) -> None:
    # One that only waits, and does nothing to get the lock.
    monkeypatch.setattr(keeper_shell, "SCRIPT", keeper_shell.SCRIPT.partition("case $0 in")[0] + 'read -r _ <"$record.over"\n')
    stand.record.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(stand.beside("over"))
    launch._start(stand.order("sleep", "60"), stand.beside("log"))
    assert identity.is_held(stand.record)
    stand.beside("over").write_text("\n")
    assert eventually(lambda: not identity.is_held(stand.record))


def _is_ours(number: str, stand) -> bool:
    try:
        with open(f"/proc/{number}/environ", "rb") as stream:  # noqa: PTH123
            return identity.token(stand.data, stand.sid).encode() in stream.read()
    except OSError:
        return False


def test_words_of_all_kinds_arrive_as_they_are(stand, eventually) -> None:
    words = ["a b", "it's", '"x"', "$HOME", "`id`", "", "ä\\n", "*", "--", "end"]
    target = stand.data / "said"
    stand.start("sh", "-c", f'printf "[%s]" "$@" >{target}; exec tail -f /dev/null', "sh", *words)
    assert eventually(lambda: target.exists() and target.read_text() == "".join(f"[{word}]" for word in words))


@pytest.mark.parametrize(
    ("command", "words", "code"),
    [(("sh", "-c", "echo no such machine >&2; exit 3"), "no such machine", "3"), (("no-such-vmm",), "no-such-vmm", "127")],
)
def test_one_that_ends_at_once_leaves_its_last_words(stand, eventually, command: tuple[str, ...], words: str, code: str) -> None:
    try:
        # It may be seen alive for an instant; whoever waits for its first answer then finds the same words.
        assert identity.wait_for_death(stand.start(*command), 10)
        text = launch.said(stand.beside("log"))
    except Permanent as error:
        text = str(error)
    assert words in text
    assert eventually(lambda: stand.beside("ended").exists() and stand.beside("ended").read_text() == f"{code}\n")


def test_it_can_be_started_again_after_it_ended(stand, eventually) -> None:
    first = stand.start("sleep", "60")
    identity.send(first, signal.SIGKILL)
    launch.dismiss(stand.record)
    second = stand.start("sleep", "61")
    assert second.pid != first.pid
    assert second.digest != first.digest


def test_where_systemd_runs_it_becomes_a_unit_of_its_own(stand, monkeypatch) -> None:
    seen = []
    monkeypatch.setattr(launch, "has_systemd", lambda: True)
    monkeypatch.setattr(launch.subprocesses, "run", lambda words, **_: seen.extend(words))
    stand.beside("log").unlink(missing_ok=True)
    launch._start(stand.order("vmm"), stand.beside("log"))
    # systemd would make one for everybody to read, which the next look would call drift.
    assert stand.beside("log").stat().st_mode & 0o777 == 0o600
    assert seen[0] == "systemd-run"
    assert {"--collect", "--unit=herocloud-test", "--slice=herocloud.slice"} <= set(seen)
    assert f"--setenv={identity.TOKEN}={identity.token(stand.data, stand.sid)}" in seen
    words = seen[seen.index("--") + 1 :]
    assert words[:2] == ["/bin/sh", "-c"]
    # systemd would put variables of its own in the place of these.
    assert not any("${" in word or "$$" in word or word.startswith("$") for word in words)
    # It is kept in a file that systemd reads again at every `daemon-reload`, and a description of several lines is several lines of that.
    assert "--description=herocloud: herocloud-test" in seen
    assert not any("\n" in word for word in seen[: seen.index("--")])


@pytest.mark.parametrize(("words", "kind"), [("Unit herocloud-test.service already exists.", Temporary), ("no bus", Permanent)])
def test_a_unit_that_systemd_does_not_take_is_told_or_tried_again(stand, monkeypatch, words: str, kind: type[Exception]) -> None:
    def refuse(command, **_):
        raise CommandError(command, 1, "", words)

    monkeypatch.setattr(launch, "has_systemd", lambda: True)
    monkeypatch.setattr(launch.subprocesses, "run", refuse)
    with pytest.raises(kind):
        stand.start("vmm")


def test_nothing_of_the_callers_environment_or_folder_goes_along(stand, eventually, monkeypatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hush")
    monkeypatch.chdir(stand.data)
    known = stand.start("sleep", "60", restart="always")
    keeper = identity.read(stand.beside("keeper"))
    assert keeper is not None
    for process in (known.pid, keeper.pid):
        words = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
        names = {word.partition(b"=")[0].decode() for word in words if word}
        # The shell itself sets PWD and the like for its children; nothing else is there.
        assert names <= {identity.TOKEN, "PWD", "OLDPWD", "_"}
        assert Path(f"/proc/{process}/cwd").readlink() == Path("/")


def test_the_program_before_a_vmm_is_compiled_once(tmp_path: Path) -> None:
    """Every VM starts it: the second start loads what the first one compiled, and a changed source is compiled again."""
    source = tmp_path / "jail.py"
    source.write_text("import sys\nif __name__ == '__main__':\n    print(*sys.argv[1:])\n")
    words = [sys.executable, "-I", "-S", "-c", jail_command.LOADER, str(source), "run", "a b"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "run a b\n"
    (compiled,) = (tmp_path / "__pycache__").iterdir()
    written = compiled.stat().st_mtime_ns
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "run a b\n"
    assert compiled.stat().st_mtime_ns == written
    source.write_text("print('another one')\n")
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "another one\n"


def test_a_companion_in_python_is_run_by_the_interpreter_that_is_there(stand, eventually) -> None:
    """With words and an environment of its own, and a failure of its own is none of the cage's."""
    program, said = stand.data / "companion.py", stand.data / "said"
    lines = ["import os, sys", f"print(sys.argv[1:], dict(os.environ), __name__, file=open({str(said)!r}, 'w'))"]
    program.write_text("\n".join([*lines, "raise FileNotFoundError(2, 'no such thing', 'x')\n"]))
    with contextlib.suppress(Permanent):
        # It may be over before anybody has looked at it.
        stand.start(str(program), "a b", "--", python=program)
    assert eventually(lambda: stand.beside("ended").exists() and stand.beside("ended").read_text())
    words, environment = ["a b", "--"], {identity.TOKEN: identity.token(stand.data, stand.sid)}
    assert said.read_text() == f"{words} {environment} __main__\n"
    assert stand.beside("ended").read_text() == "1\n"
    assert "Traceback" in stand.beside("log").read_text()
