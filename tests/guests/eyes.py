"""What a scenario expects of guests, seen through the agent where there is a guest, and through the state machine where there is none.

The simulator is the only one without guests. A new hypervisor needs nothing here: its guests are asked as all others are.
"""

import json
import re
from typing import Any

from herocloud.providers.simulator import tamper, world
from herocloud.providers.vmm import identity


class Inside:
    """Looks into real guests."""

    def __init__(self, site: Any, wait_until: Any) -> None:
        self.site, self._wait_until = site, wait_until
        self._boots: dict[str, str] = {}

    def expect(self, vm: str, what: str) -> None:
        """Wait until it is so."""
        if (vm, what) == ("nothing", "left"):
            assert not list(self.site.data.glob("vms/*")), "there are folders of VMs left"
            links = self.site.run("ip", "-o", "link").stdout
            assert re.findall(r"^\d+: (\S+):", links, re.MULTILINE) == ["lo"], links
            assert self.site.run("nft", "list", "ruleset").stdout == ""
            return
        word, _, rest = what.partition(" ")
        check = getattr(self, f"_{word}")
        self._wait_until(lambda: check(vm, rest), f"{vm} {what}")

    def remember_boot(self, vm: str) -> None:
        """Note which boot of a guest this is."""
        self._boots[vm] = self._boot(vm)

    def kill(self, vm: str) -> None:
        """Kill the process of a VM."""
        process = identity.running(self.site.data, self.site.sid(vm))
        assert process is not None, f"{vm} does not run"
        identity.send(process, 9)  # type: ignore[arg-type]
        assert identity.wait_for_death(process, 20)

    def write(self, vm: str, word: str) -> None:
        """Write to the disk of a VM."""
        self.site.shell(vm, f"printf {word} | dd of=/dev/vda bs=512 conv=sync,fsync 2>/dev/null; sync")

    def _holds(self, vm: str, word: str) -> bool:
        found = self.site.shell(vm, "echo 3 >/proc/sys/vm/drop_caches; head -c 16 /dev/vda | tr -d '\\000'")
        return found == word

    def _boot(self, vm: str) -> str:
        return self.site.shell(vm, "cat /proc/sys/kernel/random/boot_id")

    def _same(self, vm: str, _rest: str) -> bool:
        assert self._boot(vm) == self._boots[vm], f"{vm} was booted again"
        return True

    def _another(self, vm: str, _rest: str) -> bool:
        return self._boots.get(vm) != self._boot(vm)

    def _runs(self, vm: str, _rest: str) -> bool:
        return self.site.inside(vm, "true")[0] == 0

    def _processors(self, vm: str, count: str) -> bool:
        return self.site.shell(vm, "nproc") == count

    def _memory(self, vm: str, mebibytes: str) -> bool:
        # The kernel keeps some for itself; it has more than any smaller size would give.
        total = int(self.site.shell(vm, "awk '/MemTotal/ {print $2}' /proc/meminfo")) // 1024
        return int(mebibytes) * 3 // 4 < total <= int(mebibytes)

    def _disks(self, vm: str, count: str) -> bool:
        # The seed is a disk as well, and not one of the stack's.
        named = self.site.shell(vm, 'for d in /sys/block/vd*; do [ "$(cat $d/ro)" = 1 ] || echo $d; done | grep -c vd || true')
        return named == count

    def _cards(self, vm: str, count: str) -> bool:
        return self.site.shell(vm, "ls -d /sys/class/net/eth* | wc -l") == count

    def _reaches(self, vm: str, other: str) -> bool:
        # The wget of a static busybox looks for libraries that the tiny guest has not.
        _, said = self.site.inside(vm, "sh", "-c", f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {self._address(other)} 80")
        return self._text(other) in said

    def _page(self, vm: str, _rest: str) -> bool:
        return self.site.page(f"http://{self._address(vm)}/").strip() == self._text(vm).strip()

    def _stopped(self, vm: str, _rest: str) -> bool:
        return "herocloud-guest stopping" in self.site.done("vm", "logs", vm)

    def _address(self, vm: str) -> str:
        return str(json.loads(self.site.done("--json", "vm", "show", vm))["spec"]["networks"][0]["address"])

    @staticmethod
    def _text(vm: str) -> str:
        return f"<!DOCTYPE html>\n<title>{vm}</title>\n<p>{vm} is up.</p>\n"


class Outside:
    """Looks at the state machine of simulated VMs."""

    def __init__(self, site: Any, _wait_until: Any) -> None:
        self.site = site
        self._written: dict[str, str] = {}

    def write(self, vm: str, word: str) -> None:
        """Write to the disk of a VM."""
        self._written[word] = world.write(self.site.data, f"vm.{vm}")

    def expect(self, vm: str, what: str) -> None:
        """See that it is so; nothing of the simulator comes later."""
        if (vm, what) == ("nothing", "left"):
            assert "no orphans" in self.site.done("state", "orphans").lower()
            return
        word, _, rest = what.partition(" ")
        shown = json.loads(self.site.done("--json", "vm", "show", vm))
        power = shown["state"]
        if word == "stopped":
            assert power == "stopped"
            return
        assert power == "running"
        if word == "holds":
            assert world.contents(self.site.data, f"vm.{vm}")["disk"] == self._written[rest]
        machine = shown["parts"]["machine"]
        if word in ("processors", "memory", "disks", "cards"):
            seen = {
                "processors": machine["vcpus"],
                "memory": machine["memory"] // 1024**2,
                "disks": len(machine["volumes"]),
                "cards": len(machine["nics"]),
            }[word]
            assert seen == int(rest)

    def remember_boot(self, vm: str) -> None:
        """A state machine does not count its boots."""

    def kill(self, vm: str) -> None:
        """Stop a VM behind everybody's back."""
        assert tamper.main([str(self.site.data), f"vm.{vm}", "stop"]) == 0


def open_eyes(site: Any, wait_until: Any) -> Any:
    """Return what looks at the guests of a site."""
    return (Outside if site.hypervisor == "simulator" else Inside)(site, wait_until)
