"""What a scenario may say about getting around: levers (service, fares, roads), what is not known, and the record of a line."""

from __future__ import annotations

from alatau_sim.fields import Section, lognormal_spread, param, triangular_between, uniform_between

FARES = "https://www.zakon.kz/obshestvo/6487756-proezd-v-avtobusakh-podorozhaet-v-konaeve.html (Konaev, 20 August 2025; Almaty the same)"
CARS = "https://standard.kz/ru/post/2025_10_skolko-avtomobilei-prixoditsia-na-1000-celovek-v-raznyx-regionax-kazaxstana-212"
TCQSM = "Transit Capacity and Quality of Service Manual, 3rd edition (TCRP Report 165, 2013), passenger service times"
LEVINSON = "Levinson (1983), Transportation Research Record 915: dwell = 5.0 s + 2.75 s a passenger"
BPR = "Bureau of Public Roads (1964), Traffic Assignment Manual"
TAXIS = "asking prices of local taxis in the facts, 1.4 (800 to 1,000 within a settlement, 2,000 to 3,500 to Almaty; a weak source)"


class LineRecord(Section):
    """One line, there and back along its stops; a stop is a zone, of the city or outside."""

    line: str = param(..., meaning="short name of the line, unlike those of other lines")
    name: str = param("", meaning="what the line is called")
    stops: tuple[str, ...] = param(..., meaning="zones in order, at least two")
    headway_peak_min: float = param(15.0, within=(0.5, 1440), unit="min", meaning="time between departures, 7 to 10 and 17 to 20 o'clock")
    headway_min: float = param(30.0, within=(0.5, 1440), unit="min", meaning="time between departures in the other hours of a working day")
    headway_day_off_min: float = param(30.0, within=(0.5, 1440), unit="min", meaning="time between departures on weekends and holidays")
    first_time: str = param("06:00", meaning="first departure, HH:MM")
    last_time: str = param("22:00", meaning="last departure, HH:MM")
    vehicles: int = param(..., within=(1, 10_000), unit="vehicles", meaning="vehicles of the line's fleet")
    capacity: int = param(..., within=(1, 2000), unit="riders", meaning="riders that a vehicle holds, seated and standing")
    electric: bool = param(False, meaning="whether the vehicles are electric and charge at night in the line's first zone in the city")
    speed_kmh: float = param(30.0, within=(3, 200), unit="km/h", meaning="speed on the way, without the time at stops, off-peak")


class Policy(Section):
    """What the city can choose. Every change is a change of service: the day after it is simulated, and people think again."""

    frequency_factor: float = param(
        1.0, within=(0.05, 20), unit="1", meaning="departures of all lines, in multiples of the timetable's (2: twice as many)"
    )
    fleet_factor: float = param(1.0, within=(0, 20), unit="1", meaning="vehicles of all lines, in multiples of their fleets")
    extra_lines: tuple[str, ...] = param((), meaning="lines that get more service than the others: the names of lines")
    extra_factor: float = param(
        2.0, within=(0.05, 20), unit="1", meaning="departures and vehicles of the extra lines, on top of the factors for all"
    )
    fare_kzt: int = param(
        120, within=(0, 10_000), unit="KZT", evidence="sourced", source=FARES, meaning="fare for each boarding, at prices of 2025"
    )
    all_electric: bool = param(False, meaning="whether the vehicles of all lines are electric, whatever their records say")
    charge_hours: int = param(5, within=(1, 6), unit="h", meaning="hours from midnight in which electric vehicles charge (assumed)")
    feed_capacity: int = param(80, within=(1, 2000), unit="riders", meaning="riders that a vehicle of a GTFS timetable holds (assumed)")
    road_lanes_per_km: float = param(
        1.0, within=(0.05, 20), unit="lanes/km",
        meaning="lanes in each direction that cross a km of border between zones (assumed: a two-lane road each km)",
    )  # fmt: skip


class World(Section):
    """What nobody chooses: speeds, traffic, what people weigh, how vehicles run."""

    walk_speed_kmh: float = param(4.8, within=(1, 10), unit="km/h", spread=triangular_between(4.2, 5.4), meaning="speed on foot (assumed)")
    car_speed_kmh: float = param(
        60.0, within=(5, 150), unit="km/h", spread=triangular_between(50, 70), meaning="speed of cars on the way without traffic (assumed)"
    )
    car_access_min: float = param(
        4.0, within=(0, 60), unit="min", spread=triangular_between(2, 6), meaning="time to get to the car, away and to park it (assumed)"
    )
    detour_factor: float = param(
        1.15, within=(1, 3), unit="1", spread=triangular_between(1.05, 1.3),
        meaning="length of a road over the straight line between neighbouring zones (assumed; with the corners of the way 1.23 on the "
        "shipped map, near the 1.2 of road networks that Ballou, Rahardja and Sakai, 2002, found)",
    )  # fmt: skip
    outside_peak_factor: float = param(
        1.6, within=(1, 5), unit="1", spread=triangular_between(1.3, 2.0),
        meaning="time on roads to places outside in the peaks over that without traffic: the traffic of Almaty, where a commute takes "
        "about 39.7 minutes on average (assumed factor)",
    )  # fmt: skip
    lane_capacity: float = param(
        900.0, within=(100, 3000), unit="vehicles/h", spread=triangular_between(700, 1100),
        meaning="cars that a lane in town passes (assumed)"
    )
    link_capacity: float = param(
        3600.0, within=(100, 50_000), unit="vehicles/h",
        meaning="cars that a road to a place outside passes: two lanes of a highway (assumed)"
    )
    traffic_alpha: float = param(
        0.15, within=(0, 5), unit="1", evidence="sourced", source=BPR, meaning="delay at capacity as a share of the free time"
    )
    traffic_beta: float = param(4.0, within=(0, 12), unit="1", evidence="sourced", source=BPR, meaning="power of flow over capacity")
    peak_hour_share: float = param(
        0.35, within=(0, 1), unit="share",
        meaning="part of the outbound trips that falls in the busiest hour (assumed; plans spread over three)"
    )
    riders_per_car: float = param(1.3, within=(1, 5), unit="people", meaning="people in a car or taxi, its driver within (assumed)")
    access_m: float = param(
        400.0, within=(0, 5000), unit="m", spread=triangular_between(300, 600),
        meaning="walk between home and stop within a served zone (assumed)"
    )
    access_most_m: float = param(
        2500.0, within=(0, 20_000), unit="m", meaning="longest walk to a stop of another zone, for zones without one (assumed)"
    )
    wait_weight: float = param(
        2.0, within=(0, 10), unit="1", spread=triangular_between(1.5, 2.5),
        meaning="felt minutes a minute of waiting (assumed, as is usual)"
    )
    walk_weight: float = param(
        2.0, within=(0, 10), unit="1", spread=triangular_between(1.5, 2.5), meaning="felt minutes a minute on foot (assumed, as is usual)"
    )
    change_min: float = param(
        6.0, within=(0, 60), unit="min", spread=triangular_between(4, 10),
        meaning="felt minutes that a change costs besides the wait (assumed)"
    )
    choosy_min: float = param(
        5.0, within=(0, 60), unit="min",
        meaning="people ask of a slower line that comes first to save up to so many felt minutes, or take it though it costs them (assumed)"
    )
    margin_min: float = param(1.0, within=(0, 60), unit="min", meaning="felt minutes by which a new way must be better (assumed)")
    smoothing_share: float = param(
        0.04, within=(0.001, 1), unit="share", spread=triangular_between(0.02, 0.08),
        meaning="weight of a working day in the times that people expect (assumed; with much more, full lines empty and fill in turns)"
    )
    value_of_time_kzt_h: float = param(
        1200.0, within=(1, 100_000), unit="KZT/h", spread=lognormal_spread(0.3),
        meaning="what an hour is worth: half a mean hour's wage (assumed)"
    )
    car_km_kzt: float = param(25.0, within=(0, 1000), unit="KZT/km", spread=lognormal_spread(0.2), meaning="fuel of a car (assumed)")
    taxi_base_kzt: float = param(
        600.0, within=(0, 10_000), unit="KZT", evidence="calibrated", source=TAXIS, meaning="price of a taxi ride without its length"
    )
    taxi_km_kzt: float = param(
        100.0, within=(0, 10_000), unit="KZT/km", evidence="calibrated", source=TAXIS, meaning="price of a km in a taxi"
    )
    taxi_wait_min: float = param(7.0, within=(0, 120), unit="min", meaning="wait for a taxi (assumed)")
    cars_per_1000: float = param(
        290.0, within=(0, 1000), unit="cars/1000 people", evidence="sourced", source=CARS, spread=uniform_between(241, 335),
        meaning="cars for each 1,000 people at the reference income: between Almaty's 241 and Almaty region's 335",
    )  # fmt: skip
    car_income_elasticity: float = param(
        0.5, within=(0, 3), unit="1", spread=triangular_between(0.3, 0.8), meaning="cars a head by income a head, elasticity (assumed)"
    )
    reference_income_kzt: float = param(
        160_000.0, within=(1, 10_000_000), unit="KZT/month", meaning="income a head at which cars_per_1000 holds (assumed: near the mean)"
    )
    commuter_car_share: float = param(
        0.6, within=(0, 1), unit="share", meaning="commuters from outside who could come by car (assumed)"
    )
    access_decay: float = param(
        0.05, within=(0, 1), unit="1/min", spread=triangular_between(0.03, 0.08),
        meaning="how a job's weight falls with the minutes to it (assumed)"
    )
    doors_s: float = param(5.0, within=(0, 60), unit="s", evidence="sourced", source=LEVINSON, meaning="time at a stop besides passengers'")
    boarding_s: float = param(2.75, within=(0, 60), unit="s", evidence="sourced", source=TCQSM, meaning="time a boarding, by smart card")
    alighting_s: float = param(
        1.75, within=(0, 60), unit="s", evidence="sourced", source=TCQSM, meaning="time an alighting, by the rear door"
    )
    layover_min: float = param(5.0, within=(0, 60), unit="min", meaning="rest of a vehicle at the end of a run, at least (assumed)")
    cancel_after_min: float = param(
        15.0, within=(0, 240), unit="min", meaning="a departure later than this is cancelled (assumed)"
    )
    bus_wh_per_km: float = param(
        1300.0, within=(0, 20_000), unit="Wh/km", spread=triangular_between(1000, 1900),
        meaning="electricity of an electric bus, heating and losses of charging within (assumed)",
    )  # fmt: skip
