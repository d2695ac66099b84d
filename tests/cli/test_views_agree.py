"""Text, JSON, HTML, Markdown, JUnit and SARIF of one apply tell the same story, and the state and the machines tell it too."""

import html
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import pytest

BASE = """\
stack: shop
images:
  img: {source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}
vms:
  lb: {image: img, memory: 1 GiB}
  db: {image: img, memory: 1 GiB}
"""
MORE = """\
  new: {image: img, memory: 1 GiB, depends_on: [vm.fine]}
  last: {image: img, memory: 1 GiB, depends_on: [vm.new]}
  fine: {image: img, memory: 1 GiB}
"""
REPLACE = ("--replace", "vm.lb")


class Scene(NamedTuple):
    """An apply that goes wrong, and how it must end."""

    code: int
    status: str
    rules: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    faults: str = ""
    before: tuple[str, ...] = ()
    """A command that runs, with the faults, before the one that is looked at."""
    command: tuple[str, ...] = ("apply", "-y", *REPLACE)
    removes: bool = False
    """What is done is removed."""


NO_BOOT = '{address: vm.new, step: vm.boot, fail: "kernel panicked"}'
LOST = '{address: vm.lb, step: vm.create, fail: "no memory"}'
STUCK = '{address: vm.fine, step: "undo vm.boot", fail: "busy"}'
HELD = '{address: vm.fine, step: vm.delete, fail: "busy"}'
FIRST = '{address: vm.fine, fail: "disk full"}'
TERM = "apply.perform.after:vm.delete:1:term"
SCENES = {
    "failed": Scene(13, "partial", (NO_BOOT,)),
    "failed after the old one was gone": Scene(13, "partial", (LOST,)),
    "failed where the rest goes on": Scene(13, "partial", (NO_BOOT, LOST), ("--on-failure", "continue")),
    "failed at its first step": Scene(1, "partial", (FIRST,), ("--target", "vm.fine"), command=("apply", "-y")),
    "interrupted": Scene(130, "interrupted", (), ("--parallelism", "1"), TERM),
    "undone": Scene(1, "rolled back", (NO_BOOT,), ("--on-failure", "rollback")),
    "not wholly undone": Scene(13, "partial", (NO_BOOT, STUCK), ("--on-failure", "rollback")),
    "interrupted and undone": Scene(
        0, "rolled back", (), (), TERM, ("apply", "-y", *REPLACE, "--parallelism", "1"), ("resume", "--rollback", "-y")
    ),
    "interrupted and not wholly undone": Scene(
        13, "partial", (STUCK,), (), "apply.perform.after:vm.boot:1:term", ("apply", "-y", *REPLACE), ("resume", "--rollback", "-y")
    ),
    "taken back by an undo": Scene(0, "done", before=("apply", "-y"), command=("undo", "-y"), removes=True),
    "taken back in part by an undo": Scene(13, "partial", (HELD,), before=("apply", "-y"), command=("undo", "-y"), removes=True),
    "an undo that was interrupted": Scene(
        130, "interrupted", (), ("--parallelism", "1"), "apply.perform.after:vm.delete:1:term", command=("undo", "-y"), removes=True
    ),
}


class Told(NamedTuple):
    """What one run wrote."""

    code: int
    text: str
    json: Mapping[str, Any]
    html: str
    md: str
    junit: ET.Element
    sarif: Mapping[str, Any]
    powers: Mapping[str, str]
    log: Mapping[str, Any]


@pytest.fixture(params=SCENES, name="scene")
def _scene(request: pytest.FixtureRequest) -> Scene:
    return SCENES[request.param]


@pytest.fixture
def told(herocloud: Any, spawn: Callable[..., Any], scene: Scene) -> Told:
    """Apply two VMs, add three, and let that apply end as the scene says."""
    herocloud.write(BASE)
    herocloud.done("apply", "-y", "-q")
    herocloud.write(BASE + MORE)
    rules = "".join(f"  - {rule}\n" for rule in scene.rules)
    (herocloud.data_folder / "scenario.yaml").write_text(f"rules:\n{rules}" if rules else "", encoding="utf-8")
    with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {scenario: ./scenario.yaml}\n")
    names = ("ndjson", "html", "md", "junit", "sarif")
    files = {name: herocloud.folder / f"result.{name}" for name in names}
    flags = [text for name in names for text in ("--json-into" if name == "ndjson" else f"--{name}", str(files[name]))]
    if scene.before:
        _process(spawn, *scene.before, faults=scene.faults)
    code, out = _process(spawn, *scene.command, *scene.flags, *flags, faults="" if scene.before else scene.faults)
    summary = json.loads(files["ndjson"].read_text(encoding="utf-8").splitlines()[-1])
    resources = json.loads(herocloud.done("show", "--json").out)["stacks"]["shop"]["resources"]
    powers = {one["address"]: (one["observed"] or {}).get("power", "gone") for one in resources if one["address"].startswith("vm.")}
    log = json.loads(herocloud.done("state", "log", "--json").out)["history"][0]
    texts = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    sarif = json.loads(texts["sarif"])
    return Told(code, out, summary, texts["html"], texts["md"], ET.fromstring(texts["junit"]), sarif, powers, log)  # noqa: S314  (our own)


def _process(spawn: Callable[..., Any], *arguments: str, faults: str) -> tuple[int, str]:
    process = spawn(*arguments, env={**os.environ, "HEROCLOUD_FAULTS": faults})
    out, err = process.communicate(timeout=100)
    assert "Traceback" not in err, err
    return process.returncode, out + err


def _fates(told: Told) -> dict[str, str]:
    """Return what JSON says of each address, as the words that the other views use."""
    return {one["address"]: ", ".join(filter(None, (one["state"], one["now"]))) for one in told.json["fates"]}


def test_all_views_tell_of_an_apply_what_the_state_and_the_machines_show(told: Told, scene: Scene) -> None:
    fates = _fates(told)
    assert fates
    assert (told.code, told.json["status"]) == (scene.code, scene.status)
    _check_headlines(told)
    assert _of_html(told) == fates
    failed = {one["address"] for one in told.json["failures"]}
    assert _of_junit(told) == {address: "failure" if address in failed else _kind(words) for address, words in fates.items()}
    assert _of_sarif(told) == {address: words for address, words in fates.items() if words != "done"}
    _check_names(told, fates)
    _check_counts(told)
    _check_machines(told, removes=scene.removes)


def _check_headlines(told: Told) -> None:
    """Every view opens with the same line."""
    headline = told.json["@message"]
    assert headline in told.text
    assert headline in html.unescape(told.html)
    assert f"**{headline}**" in told.md
    assert re.split(r" \(|,", told.log["outcome"])[0] == told.json["status"]


def _of_html(told: Told) -> dict[str, str]:
    rows = re.findall(r'<span class="name mono">([^<]*)</span>.*?<span class="pill [^"]*">([^<]*)</span>', told.html, re.DOTALL)
    return {html.unescape(address): html.unescape(words) for address, words in rows}


def _kind(words: str) -> str:
    """Say what a fate is among test results: nothing is passed that is not done, and nothing is skipped that was left half-way."""
    if words == "done":
        return "passed"
    return "skipped" if words in {"not started", "taken back"} else "failure"


def _of_junit(told: Told) -> dict[str, str]:
    suite = told.junit[0]
    cases = {str(case.get("name")).split()[0]: (case[0].tag if len(case) else "passed") for case in suite}
    counted = {tag: sum(1 for kind in cases.values() if kind == tag) for tag in ("failure", "skipped")}
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == (
        str(len(cases)), str(counted["failure"]), str(counted["skipped"]),
    )  # fmt: skip
    return cases


def _of_sarif(told: Told) -> dict[str, str]:
    found = {}
    for result in told.sarif["runs"][0]["results"]:
        address = result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]
        found[address] = result["message"]["text"].removeprefix(f"{address}: ").partition(";")[0]
    return found


def _check_names(told: Told, fates: Mapping[str, str]) -> None:
    """Text and Markdown name what is not done, with the words for it; nobody calls anything skipped."""
    for address, words in fates.items():
        if words not in {"done", "taken back"} and told.json["status"] != "rolled back":
            assert address in told.text
            assert address in html.unescape(told.md)
    for failure in told.json["failures"]:
        for view in (told.text, html.unescape(told.html), html.unescape(told.md)):
            assert failure["error"].splitlines()[0] in view
    for view in (told.text, told.md, re.sub(r"<style>.*?</style>", "", told.html, flags=re.DOTALL)):
        assert not re.search(r"\bskipped\b", re.sub(r'class="[^"]*"', "", view))


def _check_counts(told: Told) -> None:
    """The numbers of the headline are those of JSON and of the state log."""
    done = sum(1 for one in told.json["fates"] if one["state"] == "done")
    changes = told.json["changes"]
    assert done == (0 if told.json["status"] == "rolled back" else sum(changes.values()))
    words = {word: int(number) for number, word in re.findall(r"(\d+) (added|changed|replaced|destroyed)", told.json["@message"])}
    if words:
        assert (words.get("added", 0), words.get("replaced", 0)) == (changes["create"], changes["replace"])
    added, destroyed = changes["create"] + changes["replace"], changes["delete"] + changes["replace"]
    if not told.log["taken_back"]:
        # What is gone counts in the log, although its change is not done.
        destroyed += sum(1 for one in told.json["fates"] if one["now"] == "gone" and one["state"] != "done")
        assert (told.log["added"], told.log["destroyed"]) == (added, destroyed)


def _check_machines(told: Told, *, removes: bool) -> None:
    """What a view says that a machine is now, it is."""
    for one in told.json["fates"]:
        address, now = one["address"], one["now"]
        is_now = told.powers.get(address, "gone")
        if one["state"] == "taken back":
            assert is_now == ("running" if address in {"vm.lb", "vm.db"} else "gone"), address
        elif one["state"] == "done":
            assert is_now == ("gone" if removes else "running"), address
        elif now is not None:
            assert is_now == {"not there yet": "gone"}.get(now, now), address


def test_the_scenes_end_in_every_way(tmp_path: Path) -> None:
    assert {scene.status for scene in SCENES.values()} >= {"partial", "interrupted", "rolled back"}
