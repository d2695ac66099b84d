"""How one part of a stack names another: addresses, short forms, and what a VM needs."""

import re
from collections.abc import Iterable

from herocloud.kits.jsons import Spec
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model import overlays
from herocloud.model.ids import Address, make_address
from herocloud.stack.layers import View

_INSTANCE = r"^(?:vm\.)?([a-z][a-z0-9-]*)(?:\[(\d{1,6})\])?$"


class Instance(NamedTuple):
    """A VM, or one of several."""

    name: str
    number: int | None


def read_instance(text: str) -> Instance | None:
    """Take `db`, `vm.db` or `web[0]` apart."""
    match = re.fullmatch(_INSTANCE, text)
    return None if match is None else Instance(match.group(1), None if match.group(2) is None else int(match.group(2)))


def full_address(text: str) -> Address:
    """Return the whole address for `db`, `vm.db` or `web[0]`."""
    instance = read_instance(text)
    return Address(text) if instance is None else make_address("vm", instance.name, instance.number)


class Targets:
    """The addresses behind what VMs name.

    `vm.web` means all its instances. Their tuple is made once and shared: thousands of VMs that wait for thousands of others would
    else hold millions of references.
    """

    def __init__(self, views: Iterable[View]) -> None:
        """Note how many instances each VM has."""
        self._many = {view.name: view.many for view in views}
        self._instances: dict[str, tuple[Address, ...]] = {}
        self._needs: dict[tuple[str, ...], tuple[Address, ...]] = {}

    def _all(self, address: str) -> tuple[Address, ...]:
        instance = read_instance(address) if address.startswith("vm.") else None
        many = None if instance is None else self._many.get(instance.name)
        if instance is None or instance.number is not None or many is None:
            return (Address(address),)
        if instance.name not in self._instances:
            self._instances[instance.name] = tuple(make_address("vm", instance.name, number) for number in range(many))
        return self._instances[instance.name]

    def needs(self, view: View, spec: Spec) -> tuple[Address, ...]:
        """Return everything that has to be there before the VM."""
        keys = [
            f"image.{spec['image']}",
            *(f"network.{use['network']}" for use in spec["networks"]),
            *(f"volume.{use['volume']}" for use in spec["volumes"]),
            *([overlays.NODE] if spec["mycelium"] is not None else []),
            *(view.fields.get("depends_on") or ()),
        ]
        key = tuple(keys)
        known = self._needs.get(key)
        if known is None:
            known = self._needs[key] = tuple(dict.fromkeys(address for name in keys for address in self._all(name)))
        return known
