"""What changed in user data, without what may be secret in it.

User data is cloud-config that people put passwords, tokens and scripts with both into. The keys that changed are named; values are shown
only for keys that hold no secrets by their meaning.
"""

from collections.abc import Iterator

from herocloud.kits.jsons import Json
from herocloud.views import values

_OPEN = frozenset(
    {
        "growpart", "hostname", "fqdn", "keyboard", "locale", "manage_etc_hosts", "ntp", "package_reboot_if_required", "package_update",
        "package_upgrade", "packages", "preserve_hostname", "resize_rootfs", "ssh_deletekeys", "ssh_pwauth", "swap", "timezone",
    }
)  # fmt: skip
"""Keys of cloud-config whose values anybody may see."""


def describe(before: str, after: str) -> str | None:
    """Return what differs, or nothing where one of the texts is not cloud-config."""
    old, new = _read(before), _read(after)
    if old is None or new is None:
        return None
    return ", ".join(_differences(old, new)) or "comments or layout"


def _differences(old: dict[str, Json], new: dict[str, Json]) -> Iterator[str]:
    for key in [*old, *(key for key in new if key not in old)]:
        if old.get(key) == new.get(key):
            continue
        if key not in old or key not in new:
            yield f"{values.printable(key)} {'added' if key in new else 'removed'}"
        elif key in _OPEN:
            yield f"{key} {values.show(key, old[key])} → {values.show(key, new[key])}"
        else:
            yield f"{values.printable(key)} changed (hidden)"


def _read(text: str) -> dict[str, Json] | None:
    if not text.startswith("#cloud-config"):
        return None
    from herocloud.kits.yaml import reader
    from herocloud.kits.yaml.tree import Unreadable

    try:
        value = reader.read_tree(text).value
    except Unreadable:
        return None
    return value if isinstance(value, dict) else None
