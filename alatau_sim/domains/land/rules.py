"""Rents that follow vacancies, developers who start building, and where households would like to live.

Rents move as in Rosen and Smith (1983, American Economic Review 73(4)): faster the further the vacancy rate is from a natural one. Starts
close a share of the gap between the stock that the zone's demand asks for, with natural vacancy, and the stock with what is being built
(stock adjustment), more where rent is well above what covers the cost. Homes are chosen by a logit with a size term (McFadden, 1978).
Not modelled yet: buying and selling, dwellings of different sizes and prices, young people who found households.
"""

from __future__ import annotations

import math

from alatau_sim.engine.rule import choice, rule
from alatau_sim.fields import param

MOST_STARTS = 3.0
"""Starts never exceed this multiple of those at a rent that just covers the cost."""


def missing(stock: int, free_share: float, natural_share: float, in_works: int) -> float:
    """What must be added so that the natural share of it is free: demand / (1 − natural share) − stock − what is being built."""
    return max(0.0, stock * (1.0 - free_share) / (1.0 - natural_share) - stock - in_works)


def home_utility(
    vacant: int, vacancy_share: float, attraction: float, rent_kzt: float, job_access: float, outage_share: float,
    vacancy_weight: float, rent_weight: float, access_weight: float, outage_weight: float,
) -> float:  # fmt: skip
    """The utility of a zone's homes: the log of how many are vacant (size term), rent, jobs within reach, outages, what else draws."""
    if vacant < 1:
        return -math.inf
    return (
        math.log(float(vacant)) + vacancy_weight * vacancy_share + attraction - rent_weight * math.log(max(rent_kzt, 1.0))
        + access_weight * math.log(max(job_access, 0.01)) - outage_weight * outage_share
    )  # fmt: skip


@rule(of="zones", writes="home_rent_kzt", every="1 month", phase="life")
def adjust_rent(
    home_rent_kzt: float, vacancy_share: float, dwellings_existing: int, dwellings_built: int, policy_m2_per_dwelling: float,
    world_rent_kzt_m2: float, world_rent_adjustment: float, world_natural_vacancy_share: float,
    *, lowest: float = param(0.4, within=(0, 1), unit="1", meaning="lowest rent, in starting rents (assumed)"),
    highest: float = param(3.0, within=(1, 100), unit="1", meaning="highest rent, in starting rents (assumed)"),
) -> float:  # fmt: skip
    """Let the zone's asking rent rise where fewer homes are vacant than usual, and fall where more are; it stays where there are none."""
    if dwellings_existing + dwellings_built == 0:
        return home_rent_kzt
    start = world_rent_kzt_m2 * policy_m2_per_dwelling
    change = world_rent_adjustment / 12.0 * (world_natural_vacancy_share - vacancy_share)
    return min(max(home_rent_kzt * (1.0 + max(change, -0.5)), lowest * start), highest * start)


@rule(of="zones", writes=("starts_dwellings", "starts_workspace_m2"), every="1 month")
def start_building(
    dwellings_existing: int, dwellings_built: int, vacancy_share: float, dwellings_in_works: int, room_dwellings: int,
    reserved_dwellings: int, home_rent_kzt: float, workspace_m2: int, workspace_free_m2: int, workspace_in_works_m2: int,
    room_workspace_m2: int, reserved_workspace_m2: int, policy_m2_per_dwelling: float, policy_market_starts_factor: float,
    world_building_cost_kzt_m2: float, world_required_return: float, world_supply_elasticity: float, world_adjustment_speed: float,
    world_natural_vacancy_share: float, world_natural_workspace_share: float, u: float, u2: float,
    *, workspace_step_m2: int = param(100, within=(1, 100_000), unit="m2", meaning="workspace is started in multiples of this (assumed)"),
) -> tuple[int, int]:  # fmt: skip
    """Dwellings and workspace that developers start this month, in whole ones by keyed rounding, where the programme leaves room."""
    speed = world_adjustment_speed / 12.0 * policy_market_starts_factor
    covers = home_rent_kzt * 12.0 / (world_building_cost_kzt_m2 * policy_m2_per_dwelling * world_required_return)
    eager = min(math.exp(world_supply_elasticity * math.log(max(covers, 1e-9))), MOST_STARTS)
    homes = speed * eager * missing(dwellings_existing + dwellings_built, vacancy_share, world_natural_vacancy_share, dwellings_in_works)
    free_share = min(max(workspace_free_m2 / max(workspace_m2, 1), 0.0), 1.0)
    space = speed * missing(workspace_m2, free_share, world_natural_workspace_share, workspace_in_works_m2)
    steps = int(math.floor(space / workspace_step_m2 + u2))
    return (
        max(0, min(int(math.floor(homes + u)), room_dwellings - reserved_dwellings)),
        max(0, min(steps, (room_workspace_m2 - reserved_workspace_m2) // workspace_step_m2)) * workspace_step_m2,
    )


@rule(of="households", writes="moves", every="1 month", phase="life")
def consider_moving(
    owner: bool, size: int, income_kzt: int, rent_kzt: int, home_outage_share: float, u: float,
    *, renter_rate: float = param(0.15, within=(0, 12), unit="1/year", meaning="renters who look for another home (assumed)"),
    owner_rate: float = param(
        0.01, within=(0, 12), unit="1/year",
        meaning="owners who look for another home (assumed; in eastern Europe less than a tenth of all households move in two years)"),
    burden_share: float = param(0.4, within=(0, 10), unit="1", meaning="rent over income that makes renters look around more (assumed)"),
    burden_factor: float = param(2.0, within=(1, 100), unit="1", meaning="how much more (assumed)"),
    crowded_size: int = param(6, within=(1, 100), unit="people", meaning="people from which a mean dwelling is crowded (assumed)"),
    crowded_factor: float = param(1.5, within=(1, 100), unit="1", meaning="how much more crowded households look around (assumed)"),
    outage_push: float = param(10.0, within=(0, 999), unit="1", meaning="rise of the rate by the share of electricity unserved (assumed)"),
) -> bool:  # fmt: skip
    """Look for another home in the city this month: renters far more than owners; rent, crowding and outages are reasons."""
    rate = owner_rate if owner else renter_rate
    if rent_kzt > burden_share * income_kzt:
        rate = rate * burden_factor
    if size >= crowded_size:
        rate = rate * crowded_factor
    return u < 1.0 - math.exp(-rate * (1.0 + outage_push * home_outage_share) / 12.0)


@choice(of="seekers", over="zones", writes="wanted", every="1 month", sample=400, phase="life")
def choose_home(
    alternative_vacant_dwellings: int, alternative_vacancy_share: float, alternative_attraction: float, alternative_home_rent_kzt: float,
    alternative_job_access: float, alternative_outage_share: float, world_vacancy_weight: float, world_rent_weight: float,
    world_access_weight: float, world_outage_weight: float,
) -> float:
    """Where a household on its way would like to live."""
    return home_utility(
        alternative_vacant_dwellings, alternative_vacancy_share, alternative_attraction, alternative_home_rent_kzt,
        alternative_job_access, alternative_outage_share, world_vacancy_weight, world_rent_weight, world_access_weight,
        world_outage_weight,
    )  # fmt: skip


@choice(of="households", over="zones", writes="wanted", every="1 month", sample=400, when="moves", phase="life")
def choose_next_home(
    home_centroid_x_m: float, home_centroid_y_m: float, alternative_centroid_x_m: float, alternative_centroid_y_m: float,
    alternative_vacant_dwellings: int, alternative_vacancy_share: float, alternative_attraction: float, alternative_home_rent_kzt: float,
    alternative_job_access: float, alternative_outage_share: float, world_vacancy_weight: float, world_rent_weight: float,
    world_access_weight: float, world_outage_weight: float,
    *, distance_per_km: float = param(0.15, within=(0, 10), unit="1/km", meaning="utility lost with each km from the old home (assumed)"),
) -> float:  # fmt: skip
    """Where a household of the city that looks for another home would like to live: as newcomers do, and rather nearby."""
    east, north = alternative_centroid_x_m - home_centroid_x_m, alternative_centroid_y_m - home_centroid_y_m
    return home_utility(
        alternative_vacant_dwellings, alternative_vacancy_share, alternative_attraction, alternative_home_rent_kzt,
        alternative_job_access, alternative_outage_share, world_vacancy_weight, world_rent_weight, world_access_weight,
        world_outage_weight,
    ) - distance_per_km * math.sqrt(east * east + north * north) / 1000.0  # fmt: skip


RULES = (adjust_rent, start_building, consider_moving, choose_home, choose_next_home)
