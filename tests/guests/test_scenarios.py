r"""Scenarios of whole lives of VMs, the same on every hypervisor: one script, one transcript.

A line of `commands.txt` is a herocloud command, `edit FILE | OLD | NEW`, `kill VM`, `write VM WORD`, `remember VM boot`,
`expect VM WHAT`, or a comment.
What differs between hypervisors and machines by right is taken out of the transcript: names of hypervisors, sids, times, the host's size.
`pytest --snapshot-update` writes the transcript from the simulator; the others have to say the same.
"""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from tests.guests import conftest as sites
from tests.guests import eyes as observers

_REAL = [pytest.mark.guest, pytest.mark.root, pytest.mark.timeout(600 * sites.SLOWER)]
HYPERVISORS = [
    "simulator",
    pytest.param("qemu", marks=_REAL),
    pytest.param("cloud-hypervisor", marks=[*_REAL, pytest.mark.kvm, pytest.mark.live]),
]
_PATIENT = ("vm wait", "vm stop")
"""Commands that wait for a guest."""
SCENARIOS = sorted(path.parent for path in Path(__file__).parent.glob("scenarios/*/commands.txt"))
_FILTERS = (
    (re.compile(r"\((\d+) slices, \d+ free\)( · simulated)?"), "(<slices>)"),
    (re.compile(r"^Slices (\d+ → \d+|\d+) of \d+.*$", re.MULTILINE), r"Slices \1"),
    (re.compile(r"\b(simulator|qemu|cloud-hypervisor)\b"), "<hypervisor>"),
    (re.compile(r"(is ready) after .*"), r"\1."),
    (re.compile(r"in \d+(\.\d)? s|in \d+ min( \d+ s)?"), "in <seconds>"),
    # What steps took a moment ago decides what the next ones are expected to take.
    (re.compile(r"(?<=About )\d+ s|(?<=~)\d+ s(?= down)|\d+ s(?= of it downtime)"), "<seconds>"),
    (re.compile(r"/[^ ]*/(vmlinuz|initramfs)"), r"<folder>/\1"),
    (re.compile(r"^(\w+ +vm\.\S+ +)v[0-9a-z]{5}\b", re.MULTILINE), r"\1<sid>"),
    (re.compile(r"\b02(:[0-9a-f]{2}){5}\b"), "<mac>"),
    (re.compile(r"(?<=\S)  +"), "  "),
    (re.compile(r" +$", re.MULTILINE), ""),
)


@pytest.mark.parametrize("hypervisor", HYPERVISORS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[path.name for path in SCENARIOS])
def test_a_life_is_the_same_on_every_hypervisor(scenario, hypervisor, make_site, waiting, request) -> None:
    site = make_site(hypervisor)
    eyes = observers.open_eyes(site, waiting)
    for path in scenario.iterdir():
        if path.name not in ("commands.txt", "transcript.txt"):
            shutil.copy(path, site.folder / path.name)
    told: list[str] = []
    for line in (scenario / "commands.txt").read_text(encoding="utf-8").splitlines():
        told += _act(line, site, eyes)
        # Shown by pytest where a line fails.
        sys.stdout.write("\n".join(told[-12:]) + "\n")
    text = "\n".join(told) + "\n"
    for pattern, word in _FILTERS:
        text = pattern.sub(word, text)
    golden = scenario / "transcript.txt"
    if request.config.getoption("--snapshot-update") and hypervisor == "simulator":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), site.logs()


def _act(line: str, site, eyes) -> list[str]:
    """Do what a line says; returns what the transcript has of it."""
    word, _, rest = line.partition(" ")
    if word == "herocloud":
        waits = ["--timeout", f"{sites.PATIENCE:g}"] if rest.startswith(_PATIENT) else []
        ran = site(*shlex.split(rest), *waits)
        said = ran.stdout.rstrip("\n").split("\n") if ran.stdout.strip() else []
        # Guests are told as they come.
        said = sorted(said) if " wait" in line else said
        assert ran.returncode in (0, 2), f"{line}\n{ran.stdout}\n{ran.stderr}{site.logs()}"
        return [f"$ {line}", *said, f"  exit {ran.returncode}"]
    if word == "edit":
        name, old, new = (piece.strip().encode().decode("unicode_escape") for piece in rest.split("|"))
        text = (site.folder / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is in {name} {text.count(old)} times"
        (site.folder / name).write_text(text.replace(old, new), encoding="utf-8")
    elif word == "kill":
        eyes.kill(rest)
    elif word == "write":
        eyes.write(*rest.split(" ", 1))
    elif word == "remember":
        eyes.remember_boot(rest.removesuffix(" boot"))
    elif word == "expect":
        eyes.expect(*rest.split(" ", 1))
    else:
        assert not line or word == "#", f"no line of a scenario: {line}"
        return [line]
    return [f"$ {line}"]
