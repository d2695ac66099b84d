"""What providers can do on this host: for plans that have to choose, and for people who ask."""

from herocloud.model.hosts import Abilities
from herocloud.providers import registry
from herocloud.providers.seam import ProviderContext, Standing


def standings(context: ProviderContext) -> dict[str, Standing]:
    """Say for every provider, and for every hypervisor that a stack may name, whether it can be used here, and why (not)."""
    coming = {
        name: Standing(False, "not supported by this version yet") for name, role in registry.UPCOMING.items() if role == "hypervisor"
    }
    looked_at = {declaration.name: declaration.survey(context, thorough=True) for declaration in registry.declarations()}
    return dict(sorted({**coming, **with_kvm_proven(looked_at)}.items()))


def abilities(context: ProviderContext) -> Abilities:
    """Look up what can run VMs and carry networks on this host. This may boot something for an instant."""
    real = [declaration for declaration in registry.declarations() if declaration.simulation is None]
    hypervisors = with_kvm_proven(
        {declaration.name: declaration.survey(context, thorough=False) for declaration in real if declaration.hypervisor is not None}
    )
    networks, why = _choose_networks(
        {declaration.name: declaration.survey(context, thorough=False) for declaration in real if declaration.network is not None}
    )
    overlays = [declaration.survey(context, thorough=False) for declaration in real if declaration.overlay is not None]
    return Abilities(
        tuple((name, standing.usable, standing.why) for name, standing in hypervisors.items()),
        networks,
        why,
        overlay="; ".join(overlay.why for overlay in overlays if not overlay.usable),
        accelerated=tuple(name for name, standing in hypervisors.items() if standing.usable and standing.accelerated),
        lacking=tuple(
            (name, field, reason) for name, standing in hypervisors.items() if standing.usable for field, reason in standing.lacking
        ),
    )


def with_kvm_proven(standings: dict[str, Standing]) -> dict[str, Standing]:
    """Take over the proof of KVM for hypervisors that run guests on nothing else, from one that can compare KVM with emulation.

    Whether guests get through KVM is a property of the host, and a `/dev/kvm` that opens does not show it.
    """
    roles = {name: registry.hypervisor(name) for name in standings if name in registry.names("hypervisor")}
    proving = next((name for name, role in roles.items() if role.proves_kvm and standings[name].usable), None)
    prover = standings[proving] if proving is not None else None
    proven = dict(standings)
    for name, standing in standings.items():
        if name in roles and standing.usable and standing.accelerated and not roles[name].emulates and not registry.is_simulated(name):
            if prover is None:
                why = f"{standing.why}; whether guests get through KVM was not tried, which takes the program qemu-system-x86_64"
                proven[name] = standing._replace(accelerated=False, why=why)
            elif not prover.accelerated:
                proven[name] = standing._replace(accelerated=False, why=f"{standing.why}, but `{proving}` runs {prover.why}")
    return proven


def _choose_networks(standings: dict[str, Standing]) -> tuple[str, str]:
    """Choose the first that can be used, and give the reason when it is not the first of all."""
    first = next(iter(standings))
    chosen = next((name for name, standing in standings.items() if standing.usable), first)
    return chosen, "" if chosen == first else standings[first].why
