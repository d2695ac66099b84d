"""What providers can do on this host: for plans that have to choose, and for people who ask."""

from herocloud.model.hosts import Abilities
from herocloud.providers import registry
from herocloud.providers.seam import ProviderContext, Standing


def standings(context: ProviderContext) -> dict[str, Standing]:
    """Say for every provider, and for every hypervisor that a stack may name, whether it can be used here, and why (not)."""
    coming = {
        name: Standing(False, "not supported by this version yet") for name, role in registry.UPCOMING.items() if role == "hypervisor"
    }
    return dict(sorted({**coming, **{one.name: one.survey(context, thorough=True) for one in registry.declarations()}}.items()))


def abilities(context: ProviderContext) -> Abilities:
    """Look up what can run VMs and carry networks on this host. This may boot something for an instant."""
    real = [one for one in registry.declarations() if one.simulation is None]
    hypervisors = {one.name: one.survey(context, thorough=False) for one in real if one.hypervisor is not None}
    networks, why = _choose_networks({one.name: one.survey(context, thorough=False) for one in real if one.network is not None})
    return Abilities(
        tuple((name, standing.usable, standing.why) for name, standing in hypervisors.items()),
        networks,
        why,
        accelerated=tuple(name for name, standing in hypervisors.items() if standing.usable and standing.accelerated),
        lacking=tuple(
            (name, field, reason) for name, standing in hypervisors.items() if standing.usable for field, reason in standing.lacking
        ),
    )


def _choose_networks(standings: dict[str, Standing]) -> tuple[str, str]:
    """Choose the first that can be used, and give the reason when it is not the first of all."""
    first = next(iter(standings))
    chosen = next((name for name, standing in standings.items() if standing.usable), first)
    return chosen, "" if chosen == first else standings[first].why
