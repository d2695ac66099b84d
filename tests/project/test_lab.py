"""The lab: what it takes, what it says when something is missing, and that it ends whatever QEMU does; one run boots it for real."""

import importlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from herocloud.providers.images.builds import debian_programs as programs


@pytest.fixture(scope="module")
def lab(root: Path) -> Iterator[SimpleNamespace]:
    """Return the modules of the lab, which are scripts and no package."""
    names = ("host", "load", "machine", "notes", "run")
    sys.path.insert(0, str(root / "scripts" / "lab.d"))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(root / "scripts" / "lab.d"))
        for name in names:
            sys.modules.pop(name, None)


def call(root: Path, *arguments: str, path: str | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PATH": os.environ["PATH"] if path is None else path}
    command = [sys.executable, "scripts/lab.d/run.py", *arguments]
    return subprocess.run(command, cwd=root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_the_options_are_told(root: Path) -> None:
    said = call(root, "--help").stdout
    for option in ("--shell", "--run", "--reboots", "--rebuild", "--memory", "--cpus", "--keep", "--timeout", "--accel", "--results"):
        assert option in said


@pytest.mark.parametrize("wrong", [("--memory", "10"), ("--cpus", "0"), ("--timeout", "0"), ("--accel", "magic")], ids=" ".join)
def test_sizes_with_which_nothing_boots_are_refused(root: Path, wrong: tuple[str, str]) -> None:
    ended = call(root, *wrong)
    assert ended.returncode == 2
    assert wrong[0] in ended.stderr.splitlines()[-1]


def test_a_machine_without_the_programs_is_told_what_to_install(root: Path, tmp_path: Path) -> None:
    # Nothing is on this PATH, not even the package manager that would bring the rest.
    ended = call(root, path=str(tmp_path))
    assert ended.returncode == 69
    assert "`qemu-system-x86_64`" in ended.stderr
    assert "run `apt-get install " in ended.stderr
    assert "qemu-system-x86" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_what_is_no_option_of_the_lab_is_pytest_s(lab: SimpleNamespace) -> None:
    options, arguments = lab.run.parse(["tests/state", "--keep", "-k", "a b", "--memory", "2048", "-x", "--", "--co"])
    assert (options.keep, options.memory) == (True, 2048)
    assert arguments == ["tests/state", "-k", "a b", "-x", "--co"]


def read_order(text: str, tmp_path: Path) -> list[str]:
    """Read an order as the script inside does; returns the arguments that pytest would get."""
    (tmp_path / "order").write_text(text, encoding="utf-8")
    script = f'. {tmp_path}/order; eval "set -- $lab_arguments"; printf "%s\\n" "$@"'
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()


def test_arguments_arrive_as_they_were_given(lab: SimpleNamespace, root: Path, tmp_path: Path) -> None:
    given = ("-k", 'it\'s "not" $HOME', "-m", "root and not slow", "`id`")
    text = lab.load.write_order(lab.load.Order(root, mode="tests", arguments=lab.load.complete(root, given), minutes="5"))
    assert read_order(text, tmp_path) == list(given)


def test_without_markers_of_ones_own_the_tests_that_want_a_real_host_are_run(lab: SimpleNamespace, root: Path) -> None:
    assert lab.load.complete(root, ("tests/state",)) == ("-m", "root or kvm or guest or live", "tests/state")


def test_without_files_of_ones_own_those_with_such_tests_are_read_and_no_others(lab: SimpleNamespace, root: Path) -> None:
    meant = lab.load.complete(root, ("--deselect", "tests/cli"))
    markers, files = meant[:4], meant[4:]
    assert markers == ("-m", "root or kvm or guest or live", "--deselect", "tests/cli")
    assert {"tests/state/test_bad_disks.py", "tests/providers/network/test_spoofing.py"} <= set(files)
    assert "tests/kits/test_sizes.py" not in files


def test_every_marker_for_real_machines_is_run(lab: SimpleNamespace, root: Path) -> None:
    page = (root / "pyproject.toml").read_text(encoding="utf-8")
    known = {"root", "kvm", "guest", "live"}
    assert set(lab.load.MARKERS.split(" or ")) == {marker for marker in known if f'    "{marker}: ' in page}


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git (package git)")
def test_the_tree_is_what_git_knows_and_what_is_new(lab: SimpleNamespace, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for name in ("kept.py", "new.py", "ignored.log"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    (tmp_path / ".gitignore").write_text("*.log\n", encoding="utf-8")
    subprocess.run(["git", "-C", str(tmp_path), "add", "kept.py"], check=True)
    assert sorted(map(str, lab.load.list_files(tmp_path))) == [".gitignore", "kept.py", "new.py"]


def test_an_environment_of_another_python_is_refused(lab: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(lab.load.Unusable, match=r"PYTHON=python3\.11 scripts/setup"):
        lab.load.check_python(tmp_path)


@pytest.fixture
def booted(lab: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that runs the lab's machine with a program in the place of QEMU."""
    folder = tmp_path / "run"
    folder.mkdir()
    image = lab.host.Image(tmp_path / "root.raw", tmp_path / "vmlinuz", tmp_path / "initrd.img")

    def boot(script: str, seconds: float = 20, accel: str = "tcg", *, reboots: bool = False) -> list[str]:
        program = tmp_path / "bin" / "qemu-system-x86_64"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\nrun={folder}\necho $$ >>{tmp_path}/pids\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        told: list[str] = []
        wanted = lab.machine.Machine(image, folder / "load.raw", folder, 2048, 2, shell=False, reboots=reboots)
        lab.machine.run(wanted, accel, seconds, tmp_path, told.append)
        return told

    return boot


def alive(folder: Path) -> list[str]:
    """Return which of the programs in QEMU's place still run."""
    return [pid for pid in (folder / "pids").read_text(encoding="utf-8").split() if Path(f"/proc/{pid}").exists()]


def test_what_comes_out_is_handed_on_and_the_results_come_back(
    lab: SimpleNamespace, booted: Callable[..., Any], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    pack = 'mkdir "$run/in"; echo 1 >"$run/in/code"; tar -cf "$run/results.tar" -C "$run/in" .'
    booted(f'echo "3 passed"; echo hello >"$run/console.log"; {pack}')
    assert capfdbinary.readouterr().out == b"3 passed\n"
    results = tmp_path / "results"
    results.mkdir()
    (results / "junit.xml").write_text("of a run before", encoding="utf-8")
    lab.machine.bring_back(tmp_path / "run", results)
    assert lab.machine.read_code(results) == 1
    assert sorted(path.name for path in results.iterdir()) == ["code", "console.log", "pytest.log"]


def test_a_machine_that_never_ends_is_ended(lab: SimpleNamespace, booted: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(lab.machine.Broken, match=r"(?s)still running after .* the last lines on its console:\nlost"):
        booted('echo up; echo lost >"$run/console.log"; exec tail -f /dev/null', seconds=1)
    assert alive(tmp_path) == []


def test_a_host_that_does_not_come_up_is_given_up(
    lab: SimpleNamespace, booted: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab.machine, "_UP", 0.5)
    with pytest.raises(lab.machine.Broken, match=r"did not come up within 0\.5 s; its console stayed empty"):
        booted("exec tail -f /dev/null")
    assert alive(tmp_path) == []


def test_what_qemu_complains_about_is_said(lab: SimpleNamespace, booted: Callable[..., Any]) -> None:
    with pytest.raises(lab.machine.Broken, match="QEMU ended with 1: no such cpu"):
        booted("echo no such cpu >&2; exit 1")


def test_a_host_that_ends_without_a_word_is_no_success(lab: SimpleNamespace, booted: Callable[..., Any], tmp_path: Path) -> None:
    booted('echo up; : >"$run/console.log"')
    lab.machine.bring_back(tmp_path / "run", tmp_path / "results")
    with pytest.raises(lab.machine.Broken, match="without saying how it went; nothing came back"):
        lab.machine.read_code(tmp_path / "results")


def test_a_host_whose_processors_get_nowhere_is_given_up(lab: SimpleNamespace, booted: Callable[..., Any], tmp_path: Path) -> None:
    stuck = "[ 768.9] watchdog: BUG: soft lockup - CPU#1 stuck for 161s! [python:2357]"
    with pytest.raises(lab.machine.Fallen, match="stands still"):
        booted(f'echo up; echo "{stuck}" >"$run/console.log"; exec tail -f /dev/null')
    assert alive(tmp_path) == []
    # The next boot is not judged by what this one said.
    booted("echo up")


FALLS = """\
echo boot >>"$run/boots"
if [ "$(grep -c . "$run/boots")" -le %d ]; then
    printf 'begun t1\\npassed t1\\nbegun t2\\n' >>"$run/notes"
    echo fell >"$run/console.log"
else
    printf 'begun t2\\n%s t2\\nbegun t3\\nskipped t3\\n' >>"$run/notes"
    : >"$run/console.log"
    mkdir -p "$run/in"; echo %d >"$run/in/code"; tar -cf "$run/results.tar" -C "$run/in" .
fi
echo up
"""
"""A host that falls over its second test, some times, and then goes on."""


@pytest.fixture
def go(lab: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, list[list[str]]]]:
    """Return a function that runs the whole lab with a program in the place of QEMU; it returns what came and what each boot left out."""

    def run(script: str, *given: str) -> tuple[Any, list[list[str]]]:
        left_out: list[list[str]] = []

        def gather(_root: Path, folder: Path, _cache: Path, _told: Any) -> Path:
            # Once for all boots: making the folder again would fail.
            (folder / "load").mkdir()
            return folder / "load"

        def pack(stage: Path, order: Any, done: Any) -> Path:
            (tmp_path / "order").write_text(lab.load.write_order(order), encoding="utf-8")
            left_out.append(list(done))
            monkeypatch.setenv("run", str(stage.parent))
            return stage.with_name("load.raw")

        program = tmp_path / "bin" / "qemu-system-x86_64"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr(lab.load, "gather", gather)
        monkeypatch.setattr(lab.load, "pack", pack)
        image = lab.host.Image(tmp_path / "root.raw", tmp_path / "vmlinuz", tmp_path / "initrd.img")
        monkeypatch.setattr(lab.host, "ensure", lambda *_, **__: image)
        options, arguments = lab.run.parse(["--accel", "tcg", "--timeout", "5", "--results", str(tmp_path / "results"), *given])
        return lab.run.go(options, arguments), left_out

    return run


def test_a_host_that_fell_is_booted_again_for_the_rest(go: Callable[[str], Any], tmp_path: Path) -> None:
    assert go(FALLS % (1, "passed", 0)) == (0, [[], ["t1"]])
    notes = (tmp_path / "results" / "notes").read_text(encoding="utf-8").splitlines()
    assert notes == ["begun t1", "passed t1", "begun t2", "fell", "begun t2", "passed t2", "begun t3", "skipped t3"]


def test_a_failure_of_an_earlier_boot_is_not_forgotten(go: Callable[[str], Any]) -> None:
    script = FALLS.replace("passed t1", "failed t1") % (1, "passed", 0)
    assert go(script) == (1, [[], ["t1"]])


def test_a_test_that_the_host_falls_over_twice_is_left_out_and_failed(go: Callable[[str], Any], lab: SimpleNamespace) -> None:
    script = FALLS.replace("begun t2\\n%s t2\\n", "%.0s") % (2, "passed", 0)
    assert go(script) == (1, [[], ["t1"], ["t1", "t2"]])


def test_a_host_that_falls_before_any_test_again_and_again_is_given_up(
    go: Callable[[str], Any], lab: SimpleNamespace, tmp_path: Path
) -> None:
    with pytest.raises(lab.machine.Fallen, match="without saying how it went"):
        go('echo boot >>"$run/boots"; : >"$run/console.log"; echo up')
    # What is known is kept all the same.
    assert (tmp_path / "results" / "pytest.log").read_text(encoding="utf-8") == "up\nup\n"


def run_inside(root: Path, tmp_path: Path, order: str) -> tuple[int, str]:
    """Run the script of the host inside, as far as it runs a command, with files in the place of its ports; returns code and output."""
    script = (root / "scripts" / "lab.d" / "inside").read_text(encoding="utf-8")
    begin, end = script.index("    spent="), script.index("fi\ncase")
    (tmp_path / "order").write_text(order, encoding="utf-8")
    (tmp_path / "began").write_text(str(int(time.time()) - 20), encoding="ascii")
    around = f'. {tmp_path}/order; results={tmp_path}; say() {{ echo "lab: $*"; }}\n'
    body = script[begin:end].replace("/dev/virtio-ports/lab.out", f"{tmp_path}/port").replace("/run/lab/began", f"{tmp_path}/began")
    ended = subprocess.run(["bash", "-uc", around + body], cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "port").read_bytes() == (tmp_path / "output.log").read_bytes()
    return int((tmp_path / "code").read_text(encoding="utf-8")), (tmp_path / "output.log").read_text(encoding="utf-8")


def test_one_command_is_run_instead_of_tests(lab: SimpleNamespace, root: Path, tmp_path: Path) -> None:
    given = "sh -c 'echo \"$0 it'\\''s\"; echo wrong >&2; exit 7' '$HOME `id`'"
    options, words = lab.run.parse(["--run", given, "--keep"])
    assert (options.keep, words[:2]) == (True, ["sh", "-c"])
    order = lab.load.write_order(lab.load.Order(root, "run", tuple(words), "5"))
    assert run_inside(root, tmp_path, order) == (7, "$HOME `id` it's\nwrong\n")


def test_a_python_file_is_run_by_the_environment_of_the_tree(lab: SimpleNamespace, root: Path) -> None:
    assert lab.run.parse(["--run", "bench/boot.py --times 20"])[1] == [".venv/bin/python", "bench/boot.py", "--times", "20"]
    assert lab.run.parse(["--run", "uname -r"])[1] == ["uname", "-r"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("--run", "true", "tests/state"), "--run goes without `tests/state`"),
        (("--run", "true", "--shell"), "--run goes without --shell"),
        (("--run", "true", "--reboots"), "--reboots goes without --run"),
        (("--shell", "--reboots"), "--reboots goes without --shell"),
        (("--run", " "), "there is no command in it"),
        (("--run", "echo 'x"), "No closing quotation"),
    ],
    ids=["tests", "shell", "run that reboots", "shell that reboots", "nothing", "quotes"],
)
def test_a_command_that_cannot_be_meant_is_refused(root: Path, given: tuple[str, ...], why: str) -> None:
    ended = call(root, *given)
    assert ended.returncode == 2
    assert why in ended.stderr.splitlines()[-1]


def test_what_a_command_printed_and_its_code_come_back(go: Callable[..., Any], tmp_path: Path) -> None:
    script = 'mkdir "$run/in"; echo 7 >"$run/in/code"; tar -cf "$run/results.tar" -C "$run/in" .; : >"$run/console.log"; echo 7 boots'
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "pytest.log").write_text("of a run before", encoding="utf-8")
    assert go(script, "--run", "echo 7 boots") == (7, [[]])
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["code", "console.log", "output.log"]
    assert (tmp_path / "results" / "output.log").read_text(encoding="utf-8") == "7 boots\n"
    assert "lab_mode=run\nlab_arguments='echo 7 boots'\n" in (tmp_path / "order").read_text(encoding="utf-8")


def test_a_command_is_not_repeated_when_the_host_fell(go: Callable[..., Any], lab: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(lab.machine.Fallen, match="without saying how it went"):
        go('echo boot >>"$run/../boots"; : >"$run/console.log"; echo half of it', "--run", "true")
    assert (tmp_path / "boots").read_text(encoding="utf-8") == "boot\n"
    assert (tmp_path / "results" / "output.log").read_text(encoding="utf-8") == "half of it\n"


def test_notes_are_sent_as_tests_end_and_those_that_ended_are_left_out(root: Path, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import pathlib, lab_notes\nlab_notes.PORT, lab_notes.DONE = pathlib.Path('port'), pathlib.Path('done')\n", encoding="utf-8"
    )
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_done(): assert False\n"
        "def test_good(): pass\n"
        "def test_bad(): assert False\n"
        "@pytest.mark.skip\ndef test_left(): pass\n"
        "@pytest.fixture\ndef end():\n    yield\n    assert False\n"
        "def test_bad_end(end): pass\n",
        encoding="utf-8",
    )
    (tmp_path / "port").touch()
    (tmp_path / "done").write_text("test_it.py::test_done\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "lab_notes", "-p", "no:cacheprovider", "test_it.py"]
    environment = {**os.environ, "PYTHONPATH": str(root / "scripts" / "lab.d")}
    subprocess.run(command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
    lines = (tmp_path / "port").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("| ") and "assert False" in line for line in lines)
    ended = [line for line in lines if not line.startswith(("begun", "|"))]
    assert ended == [
        "passed test_it.py::test_good", "failed test_it.py::test_bad", "skipped test_it.py::test_left", "failed test_it.py::test_bad_end",
    ]  # fmt: skip


def test_two_workers_take_turns_at_the_port(root: Path, tmp_path: Path) -> None:
    """A port of the lab is one process's at a time; here a file says so."""
    (tmp_path / "conftest.py").write_text(
        "import contextlib, pathlib, lab_notes\n"
        "class Port(type(pathlib.Path())):\n"
        "    def open(self, *words, **more):\n"
        "        busy = pathlib.Path('busy')\n"
        "        busy.touch(exist_ok=False)\n"
        "        stack = contextlib.ExitStack()\n"
        "        stack.callback(busy.unlink)\n"
        "        stream = stack.enter_context(super().open(*words, **more))\n"
        "        return Held(stack, stream)\n"
        "class Held:\n"
        "    def __init__(self, stack, stream): self.stack, self.stream = stack, stream\n"
        "    def __enter__(self): return self.stream\n"
        "    def __exit__(self, *error): return self.stack.__exit__(*error)\n"
        "lab_notes.PORT, lab_notes.DONE = Port('port'), pathlib.Path('done')\n",
        encoding="utf-8",
    )
    for number in range(2):
        (tmp_path / f"test_{number}.py").write_text(
            "import pytest\n@pytest.mark.parametrize('n', range(200))\ndef test_it(n): pass\n", encoding="utf-8"
        )
    (tmp_path / "port").touch()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "lab_notes", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile"]
    environment = {**os.environ, "PYTHONPATH": str(root / "scripts" / "lab.d")}
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = (tmp_path / "port").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.startswith("passed ")]) == 400


ASKS = """\
import socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("up", flush=True)
with open(sys.argv[2], "a") as notes:
    notes.write("passed t1\\ncut\\n")
link = server.accept()[0].makefile("rw")
print('{"QMP": {}}', file=link, flush=True)
for line in link:
    print(line.strip(), flush=True)
    print('{"event": "RESET"}', file=link)
    print('{"return": {}}', file=link, flush=True)
"""
"""A host that wants its power cut, in an emulator that does it and ends."""


def test_a_host_that_asks_for_it_has_its_power_cut(
    lab: SimpleNamespace, booted: Callable[..., Any], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "asks.py").write_text(ASKS, encoding="utf-8")
    booted(f'exec {sys.executable} {tmp_path}/asks.py "$run/qmp" "$run/notes"', reboots=True)
    assert capfdbinary.readouterr().out.splitlines() == [b"up", b'{"execute": "qmp_capabilities"}', b'{"execute": "system_reset"}']
    assert lab.notes.read(tmp_path / "run" / "notes").ended == {"t1": "passed"}


def test_only_a_host_that_may_be_rebooted_outlives_its_reboot(lab: SimpleNamespace, tmp_path: Path) -> None:
    image = lab.host.Image(tmp_path, tmp_path, tmp_path)
    usual = lab.machine.Machine(image, tmp_path, tmp_path, 2048, 1, shell=False)
    assert "-no-reboot" in lab.machine.command(usual, "tcg")
    assert "-no-reboot" not in lab.machine.command(usual._replace(reboots=True), "tcg")


def test_a_reboot_comes_after_a_test_that_passed_and_the_rest_after_it(root: Path, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import pathlib, lab_notes\n"
        "lab_notes.PORT, lab_notes.DONE, lab_notes.REBOOT = map(pathlib.Path, ('port', 'done', 'reboot'))\n"
        "def pytest_configure(config): config.addinivalue_line('markers', 'reboots(how)')\n",
        encoding="utf-8",
    )
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "pytestmark = pytest.mark.reboots\n"
        "def test_before(): pass\n"
        "@pytest.mark.reboots('cut')\ndef test_cut(): pass\n"
        "@pytest.mark.reboots('shutdown')\ndef test_bad(): assert False\n"
        "def test_last(): pass\n",
        encoding="utf-8",
    )
    (tmp_path / "port").touch()
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "lab_notes", "-p", "no:cacheprovider", "test_it.py"]
    environment = {**os.environ, "PYTHONPATH": str(root / "scripts" / "lab.d")}

    def boot() -> str | None:
        (tmp_path / "reboot").unlink(missing_ok=True)
        subprocess.run(command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
        return (tmp_path / "reboot").read_text(encoding="utf-8") if (tmp_path / "reboot").exists() else None

    assert boot() == "cut"
    assert (tmp_path / "done").read_text(encoding="utf-8").splitlines() == ["test_it.py::test_before", "test_it.py::test_cut"]
    # One that failed leaves the host as it is.
    assert boot() is None
    lines = (tmp_path / "port").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith(("begun", "|"))] == [
        "passed test_it.py::test_before", "passed test_it.py::test_cut", "failed test_it.py::test_bad",
    ]  # fmt: skip


def test_tests_that_reboot_the_host_are_run_in_their_order_and_not_after_a_failure(lab: SimpleNamespace, root: Path) -> None:
    options, arguments = lab.run.parse(["--reboots", "--cpus", "2"])
    meant = lab.run.choose(options, arguments)
    assert meant[:3] == ("-x", "-m", "reboots")
    assert "tests/guests/test_host_reboots.py" in meant
    assert not {"-n", "tests/state/test_bad_disks.py"} & set(meant)


def test_a_host_that_earlier_tests_set_up_is_not_set_up_again(go: Callable[..., Any], lab: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(lab.machine.Fallen, match="without saying how it went"):
        go('echo boot >>"$run/../boots"; : >"$run/console.log"; echo "passed t1" >>"$run/notes"; echo up', "--reboots")
    assert (tmp_path / "boots").read_text(encoding="utf-8") == "boot\n"


def test_results_that_lead_outside_are_not_unpacked(lab: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "code").write_text("0", encoding="utf-8")
    with tarfile.open(tmp_path / "results.tar", "w") as stream:
        stream.add(tmp_path / "code", "../outside")
    (tmp_path / "results").mkdir()
    assert not lab.load.unpack_results(tmp_path / "results.tar", tmp_path / "results")
    assert not (tmp_path / "outside").exists()


def test_a_kvm_through_which_no_guest_gets_is_left_and_remembered(
    lab: SimpleNamespace, booted: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab.machine, "_STALLED", 0.5)
    monkeypatch.setattr(lab.machine, "_is_nested", lambda: True)
    monkeypatch.setattr(lab.machine.os, "access", lambda *_: True)
    told = booted('case "$*" in *"-accel kvm"*) exec tail -f /dev/null ;; esac; echo up; echo hello >"$run/console.log"', accel="auto")
    assert "boots with KVM" in told[0]
    assert "goes on with TCG" in told[1]
    assert alive(tmp_path) == []
    assert lab.machine.choose("auto", tmp_path) == "tcg"


def test_kvm_that_guests_cannot_use_again_is_not_taken(lab: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.machine.os, "access", lambda *_: True)
    monkeypatch.setattr(lab.machine, "_is_nested", lambda: False)
    assert lab.machine.choose("auto", tmp_path) == "tcg"
    assert lab.machine.choose("kvm", tmp_path) == "kvm"


def test_emulation_has_one_cpu_where_nobody_says_so(lab: SimpleNamespace) -> None:
    assert lab.machine.usual_cpus("tcg") == 1
    assert 2 <= lab.machine.usual_cpus("kvm") <= 4


def test_a_whole_of_cpus_is_spread_over_two_nodes(lab: SimpleNamespace, tmp_path: Path) -> None:
    image = lab.host.Image(tmp_path, tmp_path, tmp_path)
    words = lab.machine.command(lab.machine.Machine(image, tmp_path, tmp_path, 3001, 3, shell=False), "tcg")
    assert [word for word in words if word.startswith("node,")] == [
        "node,nodeid=0,cpus=0-0,memdev=node0",
        "node,nodeid=1,cpus=1-2,memdev=node1",
    ]
    assert sum(int(word.rpartition("=")[2][:-1]) for word in words if word.startswith("memory-backend-ram")) == 3001


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_it_boots_runs_a_test_and_brings_the_result_back(root: Path, lab: SimpleNamespace, tmp_path: Path) -> None:
    if os.environ.get("HEROCLOUD_LAB"):
        pytest.skip("needs a machine outside the lab")
    lacking = programs.missing(lab.run.NEEDED)
    if lacking:
        pytest.skip(f"needs {', '.join(f'{one.name} (package {one.package})' for one in lacking)} for the lab")
    if not shutil.which("apt-get"):
        pytest.skip("needs Debian's packages for the lab's host")
    # The host's image is kept beside all other caches: this fixture's own would have it built for every run.
    kept = {name: value for name, value in os.environ.items() if name != "HEROCLOUD_CACHE_DIR"}
    ended = subprocess.run(
        ["scripts/lab", "--timeout", "15", "--results", str(tmp_path), "tests/state/test_bad_disks.py"],
        cwd=root, env=kept, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    suite = ET.parse(tmp_path / "junit.xml").getroot()[0]  # noqa: S314  (our own file)
    # They mount file systems: nothing of that is skipped inside.
    assert int(suite.attrib["tests"]) >= 2
    assert suite.attrib["skipped"] == suite.attrib["failures"] == "0"
    assert f"{suite.attrib['tests']} passed" in ended.stdout


def test_of_tests_that_run_beside_each_other_all_are_blamed_for_a_fall(lab: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("begun a\nbegun b\npassed a\nbegun c\n| E  assert\n", encoding="utf-8")
    assert lab.notes.note_fall(path).falls == {"b": 1, "c": 1}
    with path.open("a", encoding="utf-8") as stream:
        stream.write("begun b\n")
    known = lab.notes.note_fall(path)
    assert (known.ended, known.summary()) == ({"a": "passed", "b": "fell"}, "1 passed, 1 fell")


def test_the_whole_suite_is_spread_over_the_processors(lab: SimpleNamespace) -> None:
    assert lab.run.spread(["-v"], 2) == ("-v", "-n", "2", "--dist", "loadfile")
    assert lab.run.spread([], 1) == ()
    for own in (["-n", "4"], ["-x"], ["tests/state"], ["-k", "some"]):
        assert lab.run.spread(own, 2) == tuple(own)
