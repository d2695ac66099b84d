"""The doors through which foreign bytes come in, each as one function of bytes: what `scripts/fuzz` searches and a test replays.

A target returns, or raises what it may raise; anything else is an internal error. Nothing here writes a file, starts a process or opens a
connection, so that a search makes thousands of attempts a second.
"""

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from herocloud.kits.http import HttpError
from herocloud.model.errors import HerocloudError

CORPUS = Path(__file__).parent / "corpus"
_HEAD = b'{"format":"herocloud-plan","version":1,"checksum":"%s"}'


def stack(content: bytes) -> None:
    """Load a stack file."""
    from herocloud.stack import load

    load.load(("-",), host=None, stdin=content.decode("utf-8", "surrogateescape"))


def host_file(content: bytes) -> None:
    """Read a host file."""
    from herocloud.host import hostfile_reader

    hostfile_reader.parse(content.decode("utf-8", "surrogateescape"), "host.yaml")


def layout(content: bytes) -> None:
    """Format a stack file."""
    from herocloud.stack.layout import canonical

    canonical.format_text(content.decode("utf-8", "surrogateescape"))


def expression(content: bytes) -> None:
    """Find and read the expressions of a text."""
    from herocloud.stack import expressions

    text = content.decode("utf-8", "replace")
    for found in expressions.find(text):
        expressions.apply_call(found, ["a", 1])


def plan(content: bytes) -> None:
    """Read and show a saved plan whose checksum is right."""
    from herocloud.operations import plan_files
    from herocloud.views import markdown, plan_json, text

    body = content.replace(b"\n", b" ")
    read = plan_files.parse(Path("p.hcplan"), _HEAD % plan_files.checksum(body).encode() + b"\n" + body)
    text.render_plan(read, verbose=True, width=80)
    markdown.render(read, 60_000)
    plan_json.render(plan_json.plan_document(read))


def plan_head(content: bytes) -> None:
    """Read a saved plan of any bytes."""
    from herocloud.operations import plan_files

    plan_files.parse(Path("p.hcplan"), content)


def row(content: bytes) -> None:
    """Read a row of the state."""
    from herocloud.state import records

    record = records.read_sound(content.decode("utf-8", "surrogateescape"), "shop", "vm.a")
    if record is not None:
        records.write_body(record)
        records.slices_of(record)


def agent(content: bytes) -> None:
    """Read an answer of a guest's agent as each of those that are asked for."""
    from herocloud.providers.guests import agent_answers as answers

    said = answers.parse(content)
    if isinstance(said, dict) and "error" in said:
        answers.refusal(said["error"])
    value = said.get("return") if isinstance(said, dict) else said
    for read in (answers.read_info, answers.read_pid, answers.read_handle, answers.read_status, lambda one: answers.read_piece(one, 48)):
        with contextlib.suppress(answers.BadAnswer):
            read(value)


def qmp(content: bytes) -> None:
    """Read what a machine of QEMU says of itself."""
    from herocloud.providers.qemu import queries

    try:
        answers = json.loads(content)
    except (ValueError, RecursionError):
        return
    if isinstance(answers, list):
        look = queries.read(answers)
        if look is not None:
            look.power  # noqa: B018  (a property that reads)
            queries.machine_part(_MACHINE, look)


def http(content: bytes) -> None:
    """Read an answer over HTTP."""
    from herocloud.kits import http as client

    answer = client.parse_answer(bytearray(content))
    if answer is not None:
        answer.json()


def vmm(content: bytes) -> None:
    """Read what a machine of Cloud Hypervisor says of itself."""
    from herocloud.providers.cloud_hypervisor import readings, releases, vmm_answers
    from herocloud.providers.vmm.answer_shapes import BadAnswer

    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return
    for read in (vmm_answers.ping, vmm_answers.counters):
        with contextlib.suppress(BadAnswer):
            read(said)
    with contextlib.suppress(BadAnswer):
        releases.parse(vmm_answers.ping(said)["version"])
    with contextlib.suppress(BadAnswer):
        seen = readings.read(vmm_answers.vm_info(said), 0)
        readings.machine_part(_MACHINE, seen)
        seen.power  # noqa: B018  (a property that reads)


def events(content: bytes) -> None:
    """Read a file of events of Cloud Hypervisor, in one piece and in two."""
    from herocloud.providers.cloud_hypervisor import event_file

    text = content.decode(errors="replace")
    event_file.parse(text)
    _, rest = event_file.parse(text[: len(text) // 2])
    event_file.parse(rest + text[len(text) // 2 :])


_VOLUME = {"volume": "data", "readonly": False, "size": 1024**2}
_RATE = {"bandwidth": 1024**2, "burst": None, "iops": None}
_MACHINE = {
    "vcpus": 1,
    "memory": 1024**3,
    "boot_memory": 1024**3,
    "nics": ["nic.0"],
    "volumes": [_VOLUME],
    "root": {"rate": _RATE},
    "affinity": [[0]],
}

TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "stack": stack,
    "host-file": host_file,
    "layout": layout,
    "expression": expression,
    "plan": plan,
    "plan-head": plan_head,
    "row": row,
    "agent": agent,
    "qmp": qmp,
    "http": http,
    "vmm": vmm,
    "events": events,
}
ALLOWED = (HerocloudError, HttpError)
"""What every target may raise: both say what is wrong with the bytes."""


def try_once(name: str, content: bytes) -> None:
    """Put bytes in at one door; raises only what is an internal error."""
    with contextlib.suppress(*ALLOWED):
        TARGETS[name](content)
