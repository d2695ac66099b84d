"""The memory that a guest gives back to the host.

QEMU tells how much a guest says that it has given back, and tells nobody how much it was asked for. So what was asked for is noted in an
object of the machine that does nothing else. It lasts as long as the process: one that was started again by itself has asked its guest for
nothing, and shows it.
"""

from collections.abc import Callable, Mapping, Sequence

from herocloud.kits import sizes
from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Permanent
from herocloud.providers.qemu.qmp import Question, Talk
from herocloud.providers.vmm.answer_shapes import BadAnswer, require

_OBJECT, _FIELD = "balloon-asked", "bps-total"
"""A group of limits to which no disk belongs, and the one of them that holds the number."""
QUESTION = Question("qom-get", {"path": f"/objects/{_OBJECT}", "property": "limits"})
"""Asks for the note; refused where there is none."""
NOTE = {_FIELD: int}
"""What may be answered to it."""
LEFT = Question("query-balloon")
"""Asks how much of the memory at boot the guest has not given back."""
_LEFT = {"actual": int}


def read(note: Mapping[str, Json] | None) -> int:
    """Return how much a guest was asked for, from the answer to `QUESTION`."""
    return int((note or {}).get(_FIELD) or 0)


def count(machine: Part, answers: Sequence[Json] | None) -> dict[str, dict[str, int]]:
    """Return what the answers to both questions say of a machine; one whose guest broke out of it may answer anything."""
    asked, left = answers or (None, None)
    try:
        require(asked or {}, NOTE, QUESTION.command)
        require(left or {}, _LEFT, LEFT.command)
    except BadAnswer:
        return {}
    counted = {"asked_bytes": read(asked), "given_bytes": _given(machine, left or {})}
    return {"balloon": counted} if any(counted.values()) else {}


def _given(machine: Part, left: Mapping[str, Json]) -> int:
    """Return how much a guest says that it has given back."""
    boot = int(machine["boot_memory"])
    return max(0, boot - int(left.get("actual", boot)))


def ask(talk: Talk, machine: Part, *, noted: int | None) -> None:
    """Ask the guest for what its machine says, and note it; nothing is `noted` in a process that was handed the memory of another one."""
    wanted = machine.get("balloon", 0)
    if wanted == noted:
        return
    talk.ask("balloon", value=machine["boot_memory"] - wanted)
    limits = {_FIELD: wanted}
    if any(one["name"] == _OBJECT for one in talk.ask("qom-list", path="/objects")):
        talk.ask("qom-set", path=f"/objects/{_OBJECT}", property="limits", value=limits)
    else:
        talk.put(Question("object-add", {"qom-type": "throttle-group", "id": _OBJECT, "limits": limits}))


def bring(
    talk: Talk, machine: Part, target: Part, asked: int, wait: Callable[[Callable[[], bool], str], None], *, held: bool = False
) -> None:
    """Have the guest give back as much as `target` says; `machine` is what its mark says, and `wait` fails with words.

    A guest that is `held` sees to it when it goes on.
    """
    noted, wanted = machine.get("balloon", 0), target.get("balloon", 0)
    if asked == noted == wanted:
        return
    earlier = asked if noted == wanted else noted
    ask(talk, target, noted=asked)
    if held:
        return

    def given() -> int:
        return _given(target, talk.put(LEFT))

    try:
        wait(lambda: given() >= wanted if wanted > earlier else given() <= wanted, "the guest did not change how much memory it gives back")
    except Permanent as error:
        there = given()
        ask(talk, {**target, "balloon": earlier}, noted=None)
        shown = f"{sizes.show_size(there)} where {sizes.show_size(wanted)} were asked for"
        raise Permanent(f"{error}: {shown}, and it is asked for {sizes.show_size(earlier)} again") from error
