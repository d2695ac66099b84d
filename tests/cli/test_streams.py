"""stdout is the result and stderr is talk; both may go away without harm, and a full disk is said."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Spawn = Callable[..., "subprocess.Popen[str]"]


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_apply_streams_one_document_a_line(herocloud: Any, shop: Path) -> None:
    ran = herocloud.done("apply", "-y", "--json")
    lines = _lines(ran.out)
    assert (lines[0]["type"], lines[0]["format"]) == ("version", "1.0")
    assert (lines[-1]["type"], lines[-1]["status"]) == ("summary", "done")
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert {"planned_change", "capacity", "apply_start", "apply_complete"} <= {line["type"] for line in lines}
    assert all({"@level", "@message", "@timestamp"} <= set(line) for line in lines)


def test_a_refusal_is_a_line_of_the_stream(herocloud: Any, shop: Path) -> None:
    ran = herocloud("apply", "--json")
    assert ran.code == 12
    assert [line["diagnostic"]["code"] for line in _lines(ran.out) if line["type"] == "diagnostic"] == ["not-approved"]


def test_a_bad_stack_is_a_line_of_the_stream(herocloud: Any) -> None:
    herocloud.write("stack: shop\nvms: {web: {imag: x}}\n")
    ran = herocloud("apply", "-y", "--json")
    assert ran.code == 1
    assert "unknown-key" in {line["diagnostic"]["code"] for line in _lines(ran.out) if line["type"] == "diagnostic"}


def test_the_stream_goes_beside_the_human_view(herocloud: Any, shop: Path) -> None:
    ran = herocloud.done("apply", "-y", "--json-into", "events.json")
    assert "Done: 6 added" in ran.out
    lines = _lines((herocloud.folder / "events.json").read_text(encoding="utf-8"))
    assert (lines[0]["type"], lines[-1]["type"]) == ("version", "summary")


def test_a_plan_that_cannot_be_made_is_one_document(herocloud: Any) -> None:
    herocloud.write("stack: shop\nvms: {web: {imag: x}}\n")
    ran = herocloud("plan", "--json")
    document = json.loads(ran.out)
    assert document["errored"]
    assert any(one["code"] == "unknown-key" for one in document["diagnostics"])


@pytest.mark.parametrize(
    "words",
    [
        ("state", "list"), ("state", "log"), ("state", "lock"), ("state", "orphans"), ("state", "diff", "0", "1"),
        ("state", "show", "vm.db"), ("vm", "list"),
        ("vm", "show", "db"), ("slice", "list"), ("slice", "show", "s1"), ("host", "show"), ("host", "refresh"),
        ("image", "list"), ("output",), ("output", "front"), ("graph",), ("show",), ("drift",), ("doctor",), ("validate",), ("schema",),
        ("export",), ("version",), ("report",), ("fmt", "--check"), ("state", "gc"), ("plan",), ("completion", "bash"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_every_command_has_a_json_form_on_stdout_alone(herocloud: Any, applied: Path, words: tuple[str, ...]) -> None:
    ran = herocloud(*words, "--json")
    assert json.loads(ran.out) is not None
    assert ran.code in (0, 3)


@pytest.mark.parametrize("words", [("schema",), ("plan", "--html", "-"), ("plan", "--md", "-")], ids=" ".join)
@pytest.mark.usefixtures("applied")
def test_a_reader_that_goes_away_is_told_nothing(herocloud: Any, spawn: Spawn, words: tuple[str, ...]) -> None:
    process = spawn(*words)
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.usefixtures("applied")
def test_a_full_disk_behind_stdout_is_an_error(herocloud: Any, spawn: Spawn) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        process = spawn("schema", stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "No space left on device" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_process_without_its_streams_works(herocloud: Any, shop: Path, closed: str) -> None:
    command = f'"$0" -m herocloud apply -y {closed}'
    ended = subprocess.run(["sh", "-c", command, sys.executable], cwd=herocloud.folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert herocloud.done("plan").out == "No changes.\n"


def test_standard_input_that_is_no_text_is_pointed_at(herocloud: Any, spawn: Spawn) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"stack: sh\xffop\n")
    os.close(writing)
    process = spawn("plan", "-f", "-", stdin=reading)
    os.close(reading)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "<stdin>:1:10" in err


def test_a_defect_leaves_its_traceback_in_a_file(herocloud: Any, shop: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from herocloud.operations import stack_plans

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the sky fell")

    monkeypatch.setattr(stack_plans, "make_plan", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ran = herocloud("plan")
    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert "RuntimeError: the sky fell" in ran.err
    (log,) = tmp_path.glob("herocloud-defect-*.log")
    assert "Traceback" in log.read_text(encoding="utf-8")
    assert "Traceback" in herocloud("plan", environment={"HEROCLOUD_LOG": "debug"}).err


def test_a_file_that_cannot_be_written_is_said_without_a_traceback(herocloud: Any, shop: Path) -> None:
    ran = herocloud("plan", "--md", "no/such/folder/plan.md")
    assert ran.code == 1
    assert "No such file or directory `no/such/folder/plan.md`" in ran.err


def test_the_module_can_be_run(herocloud: Any) -> None:
    ended = subprocess.run([sys.executable, "-m", "herocloud", "--version"], capture_output=True, text=True, check=True, env=os.environ)
    assert ended.stdout == "herocloud 0.1.0\n"


def test_the_file_and_stdout_hold_the_same_stream(herocloud: Any, shop: Path) -> None:
    ran = herocloud.done("apply", "-y", "--json", "--json-into", "events.json")
    assert (herocloud.folder / "events.json").read_text(encoding="utf-8") == ran.out


def test_a_rollback_is_streamed_as_one(herocloud: Any, shop: Path, misbehave: Callable[[str], None]) -> None:
    misbehave("{address: vm.db, step: vm.boot, times: 1, fail: boom}")
    ran = herocloud("apply", "-y", "--json", "--on-failure", "rollback", "--parallelism", "1")
    lines = _lines(ran.out)
    made = [line["step"] for line in lines if line["type"] == "apply_complete" and line["direction"] == "forward"]
    undone = [line["step"] for line in lines if line["type"] == "apply_complete" and line["direction"] == "back"]
    assert set(made) < set(undone)
    assert set(undone) - set(made) == {"vm.db/vm.boot"}, "the step that failed may have done a part, and is taken back with the rest"
    assert (lines[-1]["status"], lines[-1]["outputs"]) == ("rolled back", {})


def test_lines_of_a_rollback_say_so(herocloud: Any, shop: Path, misbehave: Callable[[str], None]) -> None:
    misbehave("{address: vm.db, step: vm.boot, times: 1, fail: boom}")
    ran = herocloud("apply", "-y", "--on-failure", "rollback", "--parallelism", "1")
    about = [line.split(maxsplit=2) for line in ran.err.splitlines() if " vm.db " in line]
    assert [(sign, words.split(" in ")[0]) for sign, _, words in about[1:]] == [("<", "create taken back")]


def test_the_stream_of_a_saved_plan_says_what_is_planned(herocloud: Any, shop: Path) -> None:
    herocloud.done("plan", "--out", "p.hcplan")
    lines = _lines(herocloud.done("apply", "p.hcplan", "--json").out)
    assert [line["type"] for line in lines[:8]] == ["version", *["planned_change"] * 6, "capacity"]
    assert lines[-1]["type"] == "summary"


@pytest.mark.parametrize("words", [("vm", "clone", "db", "copy"), ("vm", "export", "db", "db.tar")], ids=" ".join)
def test_all_that_one_command_runs_is_one_stream(herocloud: Any, applied: Path, words: tuple[str, ...]) -> None:
    lines = _lines(herocloud.done(*words, "--json").out)
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert [line["type"] for line in lines].count("version") == 1
    if "export" in words:
        assert any(line["type"] == "note" and line["detail"].startswith("wrote `db.tar`") for line in lines)


def test_the_stream_says_that_nothing_is_to_be_resumed(herocloud: Any, applied: Path) -> None:
    lines = _lines(herocloud.done("resume", "--json").out)
    assert [line["type"] for line in lines] == ["version", "note"]
    assert "There is nothing to resume" in lines[1]["detail"]
