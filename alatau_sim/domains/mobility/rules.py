"""Where a resident usually goes, how, and when today: small pure scalar functions.

One usual trip there and back a day, at the hours of the day's plan: people with work and school go there when they are out for as long
as that takes; out for less, they walk an errand in their own zone. Those below ten are taken along and not counted. Not modelled yet:
chains of several places, passengers of cars, driving licences, bicycles.
"""

from __future__ import annotations

import math

from alatau_sim.domains.mobility.tables import BUS, CAR, STUDENT, TAXI, WALK
from alatau_sim.engine.rule import choice, rule, tally_span
from alatau_sim.fields import lognormal_spread, param, triangular_between, uniform_between

YOUNGEST = 10
"""Age from which people make trips of their own."""
DRIVING_AGE = 18
USUAL_HOURS = 4
"""Out for so many hours, people with work or school were there; out for less, on an errand."""
ERRAND_MIN = 15.0


@rule(of="residents", writes="goes_to", every="1 day", phase="life")
def head_for(status: int, age: int, employed: bool, work: int, shop: int, home_school: int) -> int:
    """The usual destination: work for the employed, the school of the home zone for students, else the shop of the household."""
    if employed and work >= 0:
        return work
    if status == STUDENT and home_school >= 0:
        return home_school
    return shop if age >= YOUNGEST else -1


@rule(of="residents", writes="rechooses", every="1 day")
def think_again(
    trip_to: int, trip_from: int, trip_changed: bool, mode: int, bus_min: float, city_service_changed: float, city_review_day: float,
    u: float,
    *, review: float = param(
        0.25, within=(0, 1), unit="1/week", spread=uniform_between(0.1, 0.5),
        meaning="chance to think again in a week in which nothing has changed: habit (assumed)",
    ),
) -> bool:  # fmt: skip
    """Choose again how to go: when home, destination or the service have changed, or the bus is gone; else on some Mondays."""
    if trip_from < 0 or trip_to < 0:
        return False
    if trip_changed or city_service_changed != 0.0 or mode < 0 or (mode == BUS and bus_min < 0.0):
        return True
    return city_review_day != 0.0 and u < review


@choice(of="residents", over="modes", writes="mode", every="1 day", sample=30, when="rechooses")
def choose_mode(
    trip_m: float, car_min: float, bus_min: float, bus_rides: int, age: int, employed: bool, household_cars: int, household_workers: int,
    alternative_number: int, policy_fare_kzt: int, world_walk_speed_kmh: float, world_walk_weight: float, world_wait_weight: float,
    world_value_of_time_kzt_h: float, world_car_km_kzt: float, world_taxi_base_kzt: float, world_taxi_km_kzt: float,
    world_taxi_wait_min: float,
    *, minute: float = param(
        0.04, within=(0, 1), unit="1/min", spread=lognormal_spread(0.25), meaning="utility that a felt minute takes (assumed, as is usual)"
    ),
    bus_constant: float = param(
        -0.3, within=(-10, 10), unit="1", spread=uniform_between(-0.8, 0.2), meaning="liking of the bus besides time and cost (assumed)"
    ),
    car_constant: float = param(
        -0.5, within=(-10, 10), unit="1", spread=uniform_between(-1.0, 0.0), meaning="liking of the car besides time and cost (assumed)"
    ),
    driven_constant: float = param(
        -1.5, within=(-10, 10), unit="1", spread=uniform_between(-2.5, -0.5),
        meaning="the same for those under 18, who must be driven, on top (assumed)",
    ),
    taxi_constant: float = param(
        -2.0, within=(-10, 10), unit="1", spread=uniform_between(-2.5, -1.5), meaning="liking of taxis besides time and cost (assumed)"
    ),
    farthest_walk_m: float = param(
        5000.0, within=(0, 50_000), unit="m", spread=triangular_between(4000, 6000), meaning="nobody walks farther (assumed)"
    ),
) -> float:  # fmt: skip
    """The utility of one way to go: felt minutes, money in minutes at the value of time, and a constant (logit, lasting taste).

    Those of a household who work share its cars; others have one where the workers leave one.
    """
    if trip_m <= 0.0:
        return -math.inf
    per_kzt = minute * 60.0 / world_value_of_time_kzt_h
    if alternative_number == WALK:
        if trip_m > farthest_walk_m:
            return -math.inf
        return -minute * world_walk_weight * trip_m / (world_walk_speed_kmh / 0.06)
    if alternative_number == BUS:
        if bus_min < 0.0:
            return -math.inf
        return bus_constant - minute * bus_min - per_kzt * policy_fare_kzt * bus_rides / 2.0
    if alternative_number == CAR:
        if household_cars < 1:
            return -math.inf
        drivers = household_workers if employed else household_workers + 1
        shared = math.log(min(1.0, household_cars / max(drivers, 1)))
        liking = car_constant if age >= DRIVING_AGE else car_constant + driven_constant
        return liking + shared - minute * car_min - per_kzt * world_car_km_kzt * trip_m / 1000.0
    if alternative_number == TAXI:
        price = world_taxi_base_kzt + world_taxi_km_kzt * trip_m / 1000.0
        return taxi_constant - minute * (car_min + world_wait_weight * world_taxi_wait_min) - per_kzt * price
    return -math.inf


@rule(of="residents", writes=("mode_today", "back_hour"), every="1 day")
def go_today(status: int, employed: bool, mode: int, goes_to: int, trip_min: float, out_from: int, out_to: int) -> tuple[int, int]:
    """How the resident goes today (as usual, on foot for an errand in the own zone, or not at all), and the hour in which he turns back.

    He is home at the end of the time out of home if the way takes as long as it did, and does not turn back before he has left.
    """
    hours = out_to - out_from
    if hours <= 0 or mode < 0 or goes_to < 0:
        return -1, 0
    errand = (employed or status == STUDENT) and hours < USUAL_HOURS
    minutes = ERRAND_MIN if errand else trip_min
    return WALK if errand else mode, min(max(int((60.0 * out_to - minutes) / 60.0), out_from), 23)


def later(hour: int, minutes: float) -> int:
    """The hour that it is `minutes` after some moment of an hour, on average."""
    return min(hour + int((30.0 + minutes) / 60.0), 23)


@tally_span(of="residents", into="trips", cell=("home", "mode_today"))
def leave_home(out_from: int) -> tuple[int, int, int]:
    """One trip from home, in the hour in which the resident leaves."""
    return min(out_from, 23), min(out_from, 23) + 1, 1


@tally_span(of="residents", into="trips", cell=("home", "mode_today"))
def come_home(back_hour: int) -> tuple[int, int, int]:
    """One trip home, so early that the resident is back in time."""
    return back_hour, back_hour + 1, 1


@tally_span(of="residents", into="riders_wanted", cell=("ride",))
def ride_there(mode_today: int, out_from: int) -> tuple[int, int, int]:
    """The first ride there."""
    return min(out_from, 23), min(out_from, 23) + 1, int(mode_today == BUS)


@tally_span(of="residents", into="riders_wanted", cell=("ride2",))
def ride_on_there(mode_today: int, out_from: int, ride_minutes: float) -> tuple[int, int, int]:
    """The second ride there, after the first."""
    hour = later(out_from, ride_minutes)
    return hour, hour + 1, int(mode_today == BUS)


@tally_span(of="residents", into="riders_wanted", cell=("ride_back",))
def ride_home(mode_today: int, back_hour: int) -> tuple[int, int, int]:
    """The first ride back."""
    return back_hour, back_hour + 1, int(mode_today == BUS)


@tally_span(of="residents", into="riders_wanted", cell=("ride_back2",))
def ride_on_home(mode_today: int, back_hour: int, ride_back_minutes: float) -> tuple[int, int, int]:
    """The second ride back."""
    hour = later(back_hour, ride_back_minutes)
    return hour, hour + 1, int(mode_today == BUS)


RULES = (
    head_for, think_again, choose_mode, go_today, leave_home, come_home, ride_there, ride_on_there, ride_home, ride_on_home,
)  # fmt: skip
