"""One look at what is wrong with machines beside what their hypervisor says of them: fields that are there only while they are wrong.

Each is found by the module of its concern, and nothing is read before there is a machine to look at.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.providers.vmm import supervision, users
from herocloud.providers.vmm.boot_files import BootLook
from herocloud.providers.vmm.file_access import AccessLook
from herocloud.providers.vmm.loopback import LoopbackLook
from herocloud.providers.vmm.marks import Mark


class MachineLook:
    """Looks at the machines of one data folder."""

    def __init__(self, data: Path, beside: Sequence[Callable[[str, Part], Part]]) -> None:
        """Look below a data folder; `beside` add what became of the processes beside a VMM."""
        self._data, self._beside = data, beside
        self._boots, self._loopback, self._access = BootLook(data), LoopbackLook(data), AccessLook(data)

    def with_flaws(self, sid: str, mark: Mark, machine: Part, *, with_rules: bool = True) -> Part:
        """Return a machine that runs with what is wrong about it; to read the rules of the host takes a program."""
        machine = supervision.with_flaws(self._data, sid, self._boots.with_flaw(sid, mark, machine))
        for look_at in self._beside:
            machine = look_at(sid, machine)
        if mark.launched.get(supervision.GUARDED) and machine is not None and supervision.is_unguarded(self._data, sid):
            machine = {**machine, powers.CONNECTIONS: powers.CONNECTIONS_REFUSED}
        user = users.of(self._data, sid)
        if machine is not None and (flaw := users.flaw(self._data, sid, user)):
            machine = {**machine, powers.USER: flaw}
        machine = self._access.with_flaw(sid, machine, runs=True, user=user)
        return self._loopback.with_flaw(sid, machine) if with_rules else machine

    def keep(self) -> None:
        """Write down what was read."""
        self._boots.keep()
