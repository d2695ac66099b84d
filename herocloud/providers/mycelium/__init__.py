"""The Mycelium overlay: a stable IPv6 address for every VM, known before anything runs, and the daemon that carries it.

`planning` and `arithmetic` are pure and give plans their addresses; `driving` brings about the daemon, its peers and the host side of the
overlay; `observing` looks. `DECLARATION` is what the engine knows of it.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from herocloud.kits.jsons import Json
from herocloud.model.hosts import OverlayDaemon, OverlayKey
from herocloud.providers.seam import Declaration, OverlayPlanning, OverlayRole, ProviderContext, Standing

if TYPE_CHECKING:
    from herocloud.providers.mycelium.driving import MyceliumDriver
    from herocloud.providers.mycelium.observing import MyceliumObserver

NAME = "mycelium"


def _planning() -> OverlayPlanning:
    from herocloud.providers.mycelium import planning

    return planning


def _observer(context: ProviderContext) -> "MyceliumObserver":
    from herocloud.providers.mycelium.observing import MyceliumObserver

    return MyceliumObserver(context.folder)


def _driver(context: ProviderContext) -> "MyceliumDriver":
    from herocloud.providers.mycelium.driving import MyceliumDriver

    return MyceliumDriver(context.folder, context.environment)


def _survey(context: ProviderContext, *, thorough: bool) -> Standing:
    from herocloud.providers.mycelium import overview

    return overview.survey(context.folder, thorough=thorough)


def _keys(context: ProviderContext, wanted: Iterable[Json], environment: Mapping[str, str]) -> dict[str, OverlayKey]:
    from herocloud.providers.mycelium import keyring

    return keyring.look_up(context.folder, wanted, environment)


def _daemon(context: ProviderContext) -> OverlayDaemon | None:
    from herocloud.providers.mycelium import running_daemon

    return running_daemon.look_up(context.folder)


DECLARATION = Declaration(
    name=NAME,
    observer=_observer,
    driver=_driver,
    survey=_survey,
    overlay=OverlayRole(planning=_planning, keys=_keys, daemon=_daemon),
)
