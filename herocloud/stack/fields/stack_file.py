"""The whole file."""

from typing import Annotated, Any

from herocloud.stack.fields import kinds, machines, spellings, surroundings
from herocloud.stack.fields.kinds import Block, needed, optional

StackName = Annotated[
    str,
    kinds.matching(
        spellings.NAME, "bad-name", "{} cannot name a stack.", "use lower-case letters, digits and `-`, beginning with a letter"
    ),
]


class StackFile(Block):
    """A set of resources on one host, and the owner of everything in it."""

    stack: StackName = needed("The name of the stack: the owner of everything below.")
    description: str | None = optional("What the stack is, in a sentence.")
    variables: dict[str, Annotated[surroundings.Variable, kinds.Entry()]] | None = optional(
        "Values that differ from one use of the stack to the next."
    )
    defaults: machines.Defaults | None = optional("Values for every VM that does not say otherwise.")
    images: dict[str, Annotated[surroundings.Image, kinds.Entry()]] | None = optional("What VMs boot from, by name.")
    sizes: dict[str, Annotated[machines.Size, kinds.Entry()]] | None = optional("Presets of resources, by name.")
    networks: dict[str, Annotated[surroundings.Network, kinds.Entry()]] | None = optional("Private networks on the host, by name.")
    mycelium: surroundings.Mycelium | None = optional("The overlay network of this host.")
    volumes: dict[str, Annotated[surroundings.Volume, kinds.Entry()]] | None = optional("Disks that outlive VMs, by name.")
    vms: dict[str, Annotated[machines.Vm, kinds.Entry()]] | None = optional("The virtual machines, by name.")
    moved: list[surroundings.Moved] | None = optional("Renames that keep what was made.")
    outputs: dict[str, Any] | None = optional("Values to show after an apply, by name.")
