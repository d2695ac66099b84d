"""The guest of a simulated VM: so little of one that callers can try their way through, and nothing that could be taken for a machine."""

from collections.abc import Sequence

from herocloud.providers.seam import Said

COMMANDS = ("echo", "cat", "true", "false")
NOT_FOUND = 127


def run(command: Sequence[str], stdin: bytes | None = None) -> Said:
    """Run one of the few programs that such a guest has."""
    name, *arguments = command
    if name == "echo":
        return Said(0, " ".join(arguments).encode("utf-8", "surrogatepass") + b"\n")
    if name == "cat" and not arguments:
        return Said(0, stdin or b"")
    if name in ("true", "false"):
        return Said(int(name == "false"))
    text = f"{name}: not found: the guest of a simulated VM has only {', '.join(COMMANDS)}\n"
    return Said(NOT_FOUND, b"", text.encode("utf-8", "surrogatepass"))
