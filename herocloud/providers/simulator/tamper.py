"""Break the simulated world by hand, to see how drift is found and healed.

    python -m herocloud.providers.simulator.tamper DATA_FOLDER ADDRESS ACT [VALUE] [--stack NAME]

The acts are `stop`, `start`, `pause` (the guest or a stranger did it), `crash` (its hypervisor gave it up), `hang` (its hypervisor does not
answer), `halt` (a signal stopped its process), `fill-disk` (what it wrote found no room),
`vanish` (the whole thing), `lose PART` (`disk`, `nic.0`, `machine` …),
`set-memory SIZE`, `set-vcpus NUMBER`. It is a module and not a command of herocloud, because nobody wants it beside `apply`.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from herocloud.kits import sizes, terminal_text
from herocloud.model import powers
from herocloud.model.errors import HerocloudError, Refused
from herocloud.providers.simulator import world

_POWER = {"stop": "stopped", "start": "running", "pause": "paused", "crash": powers.CRASHED, "silence": powers.SILENT,
          "hang": powers.UNRESPONSIVE, "halt": powers.HALTED, "fill-disk": powers.DISK_FULL}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one thing to the world; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m herocloud.providers.simulator.tamper", description="Break the simulated world by hand."
    )
    parser.add_argument("folder", type=Path, help="the data folder")
    parser.add_argument("address", help="like vm.web[0]")
    parser.add_argument("act", choices=[*_POWER, "vanish", *_WITH_VALUE])
    parser.add_argument("value", nargs="?", help="for lose, set-memory and set-vcpus")
    parser.add_argument("--stack", help="needed when the address exists in several stacks")
    given = parser.parse_args(arguments)
    if (given.act in _WITH_VALUE) != (given.value is not None):
        parser.error(f"{given.act} {'needs' if given.act in _WITH_VALUE else 'takes no'} value")
    try:
        _act(given.folder, given.address, given.act, given.value, given.stack)
    except Refused as refused:
        for diagnostic in refused.diagnostics:
            sys.stderr.write(
                terminal_text.visible(f"{diagnostic.summary}: {diagnostic.detail}{f' ({diagnostic.hint})' if diagnostic.hint else ''}\n")
            )
        return 1
    except (HerocloudError, ValueError) as error:
        sys.stderr.write(terminal_text.visible(f"{error}\n"))
        return 1
    return 0


def _act(folder: Path, address: str, act: str, value: str, stack: str | None) -> None:
    if act in _POWER:
        world.set_power(folder, address, _POWER[act], stack)
    elif act == "vanish":
        world.remove_thing(folder, address, stack)
    else:
        _WITH_VALUE[act](folder, address, value, stack)


def _set_memory(folder: Path, address: str, value: str, stack: str | None) -> None:
    world.change_part(folder, address, "machine", {"memory": sizes.parse_size(value)}, stack)


def _set_vcpus(folder: Path, address: str, value: str, stack: str | None) -> None:
    world.change_part(folder, address, "machine", {"vcpus": int(value)}, stack)


_WITH_VALUE: dict[str, Callable[[Path, str, str, str | None], object]] = {
    "lose": world.remove_part,
    "set-memory": _set_memory,
    "set-vcpus": _set_vcpus,
}


if __name__ == "__main__":
    raise SystemExit(main())
