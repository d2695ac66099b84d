"""Opening the drivers of providers by name."""

from herocloud.providers import registry
from herocloud.providers.seam import Driver, ProviderContext


def open_driver(name: str, role: str, context: ProviderContext) -> Driver:
    """Open the driver of a provider for one role; the caller closes it."""
    declaration = registry.find(name)
    if role not in declaration.roles:
        raise registry.role_refused(name, role)
    return declaration.driver(context)


class Drivers:
    """The drivers of one apply: each is opened when a step first needs it, and all are closed together.

    A provider that plays several roles with one driver is opened once, so that its connections are shared.
    """

    def __init__(self, context: ProviderContext) -> None:
        """Open nothing yet."""
        self._context = context
        self._open: dict[str, Driver] = {}

    def __call__(self, name: str, role: str) -> Driver:
        """Return the driver of a provider for a role. Called from one thread; the drivers themselves serve many."""
        if role == "guest":
            return self._waiting(name)
        if name not in self._open:
            self._open[name] = open_driver(name, role, self._context)
        return self._open[name]

    def _waiting(self, name: str) -> Driver:
        """Return what waits for guests of a hypervisor; one whose VMs have no inside tells by their power."""
        role = registry.hypervisor(name)
        if role.guest is None:
            return self(name, "hypervisor")
        from herocloud.providers.guests.readiness import ReadinessDriver

        return ReadinessDriver(role, self._context)

    def close(self) -> None:
        """Close every driver that was opened."""
        while self._open:
            self._open.popitem()[1].close()
