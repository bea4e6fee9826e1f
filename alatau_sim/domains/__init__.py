"""The one list of domains that the model is composed of. Importing it loads declarations only: no mesa, no numba, no pandas."""

from __future__ import annotations

from alatau_sim.engine.domain import Domain


def domains() -> tuple[Domain, ...]:
    """The built-in domains, in the order in which their rules run within a phase (docs/decisions/011)."""
    from alatau_sim.domains.economy import DOMAIN as ECONOMY
    from alatau_sim.domains.energy import DOMAIN as ENERGY
    from alatau_sim.domains.land import DOMAIN as LAND
    from alatau_sim.domains.mobility import DOMAIN as MOBILITY
    from alatau_sim.domains.payments import DOMAIN as PAYMENTS
    from alatau_sim.domains.people import DOMAIN as PEOPLE

    return (LAND, PEOPLE, MOBILITY, PAYMENTS, ECONOMY, ENERGY)
