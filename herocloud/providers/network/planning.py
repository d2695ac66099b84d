"""What bridged networks mean for plans: no limits. Pure."""

from herocloud.kits.jsons import Spec
from herocloud.providers.seam import Unsupported

REACH = ""
"""Nothing has to be said of networks that do what the stack file says."""


def unsupported(spec: Spec) -> list[Unsupported]:  # noqa: ARG001  (the names of the seam)
    """Name the fields of a VM that cannot be honored; bridges honor all of them."""
    return []


def fixed_forwards(before: Spec, after: Spec) -> list[str]:  # noqa: ARG001  (the names of the seam)
    """Name the VMs whose published ports cannot change while they run; here the host forwards, and all of them can."""
    return []
