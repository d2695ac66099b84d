"""The settings of the host from before us, beside the chain that keeps them, which goes with `nft flush ruleset` or with its table.

Without them the host would go on forwarding for everybody, and nobody would put its switch back. They lie in the runtime folder under the
boot and the network namespace that they describe, so they can neither outlive a reboot nor be taken for those of another namespace.
"""

from pathlib import Path

from herocloud.kits import durable_files, interfaces

_FOLDER = Path("/run/herocloud/overlay-before")
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def read() -> list[str]:
    """Return the texts that were kept here; none where nothing was, or where this kernel (before 5.14) numbers no namespaces."""
    path = _path()
    try:
        return path.read_text().splitlines() if path is not None else []
    except FileNotFoundError:
        return []


def write(texts: list[str]) -> None:
    """Keep these texts."""
    path = _path()
    if path is not None and texts and read() != texts:
        _FOLDER.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _FOLDER.mkdir(mode=0o755, exist_ok=True)
        durable_files.write_durably(path, "".join(f"{text}\n" for text in texts).encode(), 0o644)


def forget() -> None:
    """Keep nothing any more."""
    path = _path()
    if path is not None:
        path.unlink(missing_ok=True)


def _path() -> Path | None:
    number = interfaces.namespace_number()
    return None if number is None else _FOLDER / f"{_BOOT.read_text().strip()}-{number}"
