"""Who holds what: slices, sids, MACs and network addresses, taken from the records and extended while the plan decides values.

Everything here goes by "lowest free", in the order of the stack file, so that the same inputs give the same values. What a plan is about
to free is used last, because its taker has to wait for the one that lets go.
"""

from collections.abc import Iterable, Iterator, Mapping

from herocloud.kits import jsons, nearest
from herocloud.kits.jsons import Part
from herocloud.model import ids
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, Sid, StackName
from herocloud.model.worlds import Record, Recorded

Owner = tuple[StackName, Address]


_UNREADABLE: Owner = (StackName(""), Address("a record that cannot be read"))


class Ledger:
    """The book of what is taken. Mutable while one plan is made, and gone with it."""

    def __init__(self, host: Host, recorded: Recorded, leaving: Iterable[Owner], kept_back: int = 0) -> None:
        """Enter every record.

        `leaving` are those that this plan deletes, whose slices become free during the apply; `kept_back` is how many slices' worth of
        memory is filled by what has no record and therefore no slice of its own.
        """
        going = frozenset(leaving)
        self.slices: dict[str, Owner] = {}
        self.freed: dict[str, Owner] = {}
        self.sids: set[str] = set()
        self.macs: set[str] = set()
        self.orphans: set[Owner] = set()
        """Who holds something and has no record."""
        for stack, records in recorded.records.items():
            for address, record in records.items():
                if record.kind == "vm":
                    self._enter(record, (stack, address), leaving=(stack, address) in going)
        for stack, records in recorded.lost.items():
            for address, record in records.items():
                if record.kind == "vm":
                    self._enter_lost(record, (stack, address))
        for held, owner in recorded.held.items():
            unreadable = owner[1] in recorded.damaged.get(owner[0], {})
            self.slices.setdefault(held, _UNREADABLE if unreadable else owner)
            if not unreadable:
                self.orphans.add(owner)
        self._all = [host_slice.sid for host_slice in host.slices]
        self._kept_back = kept_back
        self._known = frozenset(self._all)
        self._next: Iterator[Sid] = iter(self._all)
        self._cidrs: dict[str, _Addresses] = {}
        self._held: dict[str, list[str]] = {}
        for address, record in recorded.beside.items():
            if record.kind == "vm":
                self._enter_beside(record, (record.stack, address))

    def enter_unrecorded(self, parts: Mapping[str, Part], *, here: bool) -> None:
        """Enter what was seen and has no record: what an orphan holds is not given away. `here`: it carries the mark of this stack."""
        for key, part in parts.items():
            if key.startswith("nic."):
                if part.get("mac"):
                    self.macs.add(part["mac"])
                if here and part.get("address"):
                    self._held.setdefault(part["network"], []).append(part["address"])
            elif key == "machine" and part.get("sid"):
                self.sids.add(part["sid"])

    def _enter(self, record: Record, owner: Owner, *, leaving: bool) -> None:
        for sid in record.spec.get("slices", ()):
            self.slices[sid] = owner
            if leaving:
                self.freed[sid] = owner
        if record.sid:
            self.sids.add(record.sid)
        if record.spec.get("networks") or record.spec.get("mycelium"):
            self._enter_macs(record)

    def _enter_macs(self, record: Record) -> None:
        for nic in (*record.spec.get("networks", ()), record.spec.get("mycelium") or {}):
            if "mac" in nic:
                self.macs.add(nic["mac"])

    def _enter_lost(self, record: Record, owner: Owner) -> None:
        """Enter what an orphan was given; what somebody else has by now, it lost."""
        self.orphans.add(owner)
        for sid in record.spec.get("slices", ()):
            self.slices.setdefault(sid, owner)
        if record.sid:
            self.sids.add(record.sid)
        self._enter_macs(record)

    def _enter_beside(self, record: Record, owner: Owner) -> None:
        """Enter what an apply of another address of the planned stack may come to hold, addresses in their networks too."""
        self._enter(record, owner, leaving=False)
        for nic in record.spec.get("networks", ()):
            if nic.get("address"):
                self._held.setdefault(nic["network"], []).append(nic["address"])

    def holds(self, sid: str, owner: Owner) -> bool:
        """Return whether a slice is in the hands of this VM."""
        return self.slices.get(sid) == owner

    def slice_exists(self, sid: str) -> bool:
        """Return whether the host has this slice."""
        return sid in self._known

    def let_go(self, sid: str, owner: Owner) -> None:
        """Note that `owner` stays but gives this slice back during the plan."""
        self.freed[sid] = owner

    def reserve(self, sid: str, owner: Owner) -> Owner | None:
        """Take a named slice. Returns who must let go of it first, or who holds it for good when that is somebody staying."""
        holder = self.slices.get(sid)
        if holder is None or holder == owner:
            self.slices[sid] = owner
            return None
        if self.freed.get(sid) == holder:
            del self.freed[sid]
            self.slices[sid] = owner
        return holder

    def lowest_free(self, owner: Owner) -> tuple[Sid, Owner | None] | None:
        """Take the lowest slice that is free now, else the lowest that becomes free; with the one to wait for."""
        for sid in self._next:
            if len(self._all) - len(self.slices) <= self._kept_back:
                break
            if sid not in self.slices:
                self.slices[sid] = owner
                return sid, None
        if not self.freed:
            return None
        lowest = Sid(min(self.freed, key=ids.sid_number))
        holder = self.freed.pop(lowest)
        self.slices[lowest] = owner
        return lowest, None if holder == owner else holder

    def new_sid(self, owner: Owner) -> Sid:
        """Give a VM its sid: derived from stack and address, so that other stacks' changes never make a saved plan stale."""
        for salt in range(1000):
            number = int.from_bytes(_hash(f"{owner[0]}/{owner[1]}/{salt}")[:8], "big") % 36**5
            sid = Sid("v" + nearest.encode(number))
            if sid not in self.sids and len(sid) >= 2:
                self.sids.add(sid)
                return sid
        raise AssertionError("sixty million sids cannot all be taken by ten thousand VMs")

    def new_mac(self, owner: Owner, slot: int) -> str:
        """Give a NIC its MAC: locally administered, derived like the sid, unique on the host."""
        for salt in range(1000):
            raw = _hash(f"mac/{owner[0]}/{owner[1]}/{slot}/{salt}")[:5]
            mac = "02:" + raw.hex(":")
            if mac not in self.macs:
                self.macs.add(mac)
                return mac
        raise AssertionError("2^40 MACs cannot all be taken")

    def network(self, name: str, cidr: str, records: Mapping[Address, Record]) -> "_Addresses":
        """Return the addresses of one network of the stack, opened once with those that are recorded or seen."""
        if name not in self._cidrs:
            self._cidrs[name] = _Addresses(cidr, [*_taken_addresses(records, name), *self._held.get(name, ())])
        return self._cidrs[name]


class _Addresses:
    """The addresses of one network: the gateway is the first, VMs follow in order, and each stays where it is recorded."""

    def __init__(self, cidr: str, taken: Iterable[str]) -> None:
        # ipaddress costs 3 ms, which a stack without networks does not owe.
        import ipaddress

        self._text = ipaddress.ip_address
        self._net = ipaddress.ip_network(cidr)
        first = int(self._net.network_address)
        self.cidr = cidr
        self.gateway = str(self._text(first + 1))
        self._taken = {int(self._text(address)) for address in taken if self._text(address) in self._net}
        self._next = first + 2
        self._end = first + self._net.num_addresses - (1 if self._net.version == 4 else 0)

    def holds(self, address: str | None) -> bool:
        """Return whether a recorded address still belongs here."""
        return address is not None and self._text(address) in self._net and address != self.gateway

    def lowest_free(self) -> str | None:
        """Take the lowest free address."""
        while self._next < self._end:
            candidate = self._next
            self._next += 1
            if candidate not in self._taken:
                self._taken.add(candidate)
                return str(self._text(candidate))
        return None


def _hash(text: str) -> bytes:
    return jsons.blake2b(text.encode(), digest_size=16).digest()


def _taken_addresses(records: Mapping[Address, Record], network: str) -> list[str]:
    """List the addresses that records hold in a network of their stack."""
    return [
        nic["address"]
        for record in records.values()
        if record.kind == "vm"
        for nic in record.spec.get("networks", ())
        if nic["network"] == network and nic.get("address")
    ]
