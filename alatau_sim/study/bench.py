"""Speed and memory, measured as ratios inside one run, because machines differ and are noisy.

The rule measured is an ordinary one (six inputs, one draw, an exponential); the same function runs compiled, as Mesa agents and in a
hand-written loop. City measurements run the shipped baseline at other sizes and over other maps.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from math import exp
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import mesa
import numba as nb
import numpy as np
import psutil
import simpy

from alatau_sim.engine.domain import Domain
from alatau_sim.engine.randomness import COMPILED_SOURCE
from alatau_sim.engine.rule import rule
from alatau_sim.engine.simulation import Simulation
from alatau_sim.errors import InputError
from alatau_sim.fields import Column, param
from alatau_sim.model import CityModel
from alatau_sim.study.inputs import load_scenario

REPEATS = 5
FIRST_DAYS = 6
"""Days before those that are measured: on the first ones people learn the waits for the bus, and vehicles run stop by stop."""
BASELINE = Path("scenarios/baseline.yaml")
FULL_SIZE = Path("scenarios/full_size.yaml")
PLACES = 64


# --- one rule, four ways ----------------------------------------------------------------------------------------------------


@rule(of="people", writes="state", every="1 day")
def adopt(state, age, skill, income_kzt, place_share, u, *, rate=param(0.01, within=(0, 1), meaning="daily hazard")):  # type: ignore[no-untyped-def]
    """Adopt by age, skill, income and what neighbours do: the rule that is measured."""
    if state != 0 or age < 18:
        return state
    push = 2.0 * skill + 0.000001 * income_kzt + 3.0 * place_share - 0.02 * age
    return 1 if u < rate / (1.0 + exp(-push)) else 0


def _fill(sim: Simulation, people: int) -> None:
    number = np.arange(people, dtype=np.int64)
    sim.tables["places"].insert(np.arange(PLACES, dtype=np.int64) + 1, {"share": np.linspace(0, 1, PLACES)})
    sim.tables["people"].insert(
        number + 10, {"age": number % 90, "skill": (number % 17) / 17, "income_kzt": number % 500_000, "place": number % PLACES}
    )


def _town(people: int, kernels: str) -> Simulation:
    columns = (
        Column("age", "int16"), Column("state", "int8", within=(0, 1)), Column("skill", "float32"), Column("income_kzt", "int64"),
        Column("place", "int32", index="places"),
    )  # fmt: skip
    town = Domain("town", columns={"people": columns, "places": (Column("share", "float64"),)}, rules=(adopt,), fill=(_fill,))
    day = dt.date(2026, 1, 1)
    sim = Simulation([town], start=day, end=day, policy={}, world={}, rule_params={}, kernels=kernels)
    sim.start(people)
    return sim


def _hand_written() -> Callable[..., None]:
    """The loop a programmer would write in numba for this one rule."""
    names: dict[str, Any] = {}
    exec("import math\nfrom numba import njit, int64, float64, uint64\n" + COMPILED_SOURCE, names)
    draw = names["keyed_uniform"]

    @nb.njit(nogil=True)
    def loop(key: Any, ids: Any, age: Any, state: Any, skill: Any, income: Any, place: Any, share: Any, rate: float) -> None:
        for i in range(len(ids)):
            if state[i] == 0 and age[i] >= 18:
                push = 2.0 * skill[i] + 0.000001 * income[i] + 3.0 * share[place[i]] - 0.02 * age[i]
                state[i] = 1 if draw(key, ids[i], 0) < rate / (1.0 + exp(-push)) else 0

    return loop


class _Lean(mesa.Agent):
    """The leanest agent that decides the same with Mesa's own stream."""

    def __init__(self, model: Any, age: int, skill: float, income_kzt: int, share: float) -> None:
        super().__init__(model)
        self.age, self.skill, self.income_kzt, self.share, self.state = age, skill, income_kzt, share, 0

    def decide(self, rate: float) -> None:
        """Adopt or not."""
        if self.state == 0 and self.age >= 18:
            push = 2.0 * self.skill + 0.000001 * self.income_kzt + 3.0 * self.share - 0.02 * self.age
            if self.random.random() < rate / (1.0 + exp(-push)):
                self.state = 1


def _best(run: Callable[[], Any], repeats: int = REPEATS) -> float:
    """The shortest of several times [s]."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def measure_rule(people: int, agents: int) -> list[tuple[str, str, str]]:
    """(what, value, target): nanoseconds a person of the compiled rule, and how much longer the other ways take."""
    sim = _town(people, "compiled")
    item = next(item for item in sim.plan if item.name == "adopt")
    table, rate = sim.tables["people"], sim.rule_params["adopt"]["rate"]

    def reset() -> None:
        table["state"][:] = 0

    def engine() -> None:
        reset()
        item.run(sim)

    loop, key = _hand_written(), np.uint64(5)
    given = [table[name] for name in ("age", "state", "skill", "income_kzt", "place")]

    def by_hand() -> None:
        reset()
        loop(key, table.id, *given, sim.tables["places"]["share"], rate)

    engine()
    by_hand()
    ours, hand = [], []
    for _ in range(3 * REPEATS):  # in turns, so that a busy moment of the machine strikes both
        ours.append(_best(engine, 1))
        hand.append(_best(by_hand, 1))
    compiled = min(ours) / people
    objects = _town(agents, "objects")
    objects_item = next(item for item in objects.plan if item.name == "adopt")
    as_objects = _best(lambda: objects._run_item(objects_item), 3) / agents
    objects.close()
    model = mesa.Model(rng=1)
    _Lean.create_agents(model, agents, 40, 0.5, 100_000, 0.5)
    lean = _best(lambda: model.agents.do("decide", rate), 3) / agents
    model.remove_all_agents()
    mesa.Agent._ids.pop(model, None)
    return [
        (f"one rule over {people:,} residents, compiled, one thread", f"{1e9 * compiled:.1f} ns each", ""),
        (f"the same as Mesa agents under shuffle_do ({agents:,})", f"{as_objects / compiled:,.0f} times", "at least 200"),
        (f"the leanest hand-written Mesa loop, do ({agents:,})", f"{lean / compiled:,.0f} times", ""),
        ("the engine's loop against the loop by hand in numba", f"{min(ours) / min(hand):.2f} times", "at most 1.15"),
    ]


# --- the city at other sizes ------------------------------------------------------------------------------------------------


def infrastructure(times: float, folder: Path) -> list[str]:
    """What sets the shipped substations and payment rails to so many times their capacity, so that a larger city is served as today's."""
    baseline = load_scenario(BASELINE)
    with baseline.city.substations.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    path = folder / f"substations_{times:g}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "capacity_mw": float(row["capacity_mw"]) * times} for row in rows)
    payments = baseline.policy.payments
    capacities = ("crypto_rail_capacity_per_s", "card_rail_capacity_per_s")
    rails = [f"policy.payments.{name}={getattr(payments, name) * times}" for name in capacities]
    return [f"city.substations={path.as_posix()}", *rails]


def _days(sets: list[str], days: int) -> tuple[float, float, int, CityModel]:
    """(seconds to build, median seconds of a day, residents, the model, still open)."""
    scenario = load_scenario(BASELINE, sets=sets)
    began = time.perf_counter()
    model = CityModel(scenario)
    built = time.perf_counter() - began
    for _ in range(FIRST_DAYS):
        model.step()
    times = []
    for _ in range(days):
        began = time.perf_counter()
        model.step()
        times.append(time.perf_counter() - began)
    return built, statistics.median(times), model.sim.tables["residents"].n, model


def measure_population(sizes: list[int], days: int) -> Iterator[tuple[str, str, str]]:
    """Rows of (residents, seconds to build and ms a day, bytes a resident), then the exponent of cost against population."""
    points = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            more = infrastructure(max(1.0, size / 50_000), Path(folder))
            built, median, residents, model = _days([f"city.residents={size}", *more], days)
        columns = sum(table.nbytes for table in model.sim.tables.values())
        model.close()
        points.append((residents, median))
        yield (f"{residents:,} residents: an ordinary day (median of {days})", f"{1000 * median:,.1f} ms", "")
        yield (f"{residents:,} residents: to build the city", f"{built:.1f} s", "")
        yield (f"{residents:,} residents: columns", f"{columns / residents:,.0f} bytes a resident", "")
    large = [(n, t) for n, t in points if n > 90_000]
    if len(large) > 1:
        slope = np.polyfit(np.log([n for n, _ in large]), np.log([t for _, t in large]), 1)[0]
        yield (f"cost against population, {large[0][0]:,} to {large[-1][0]:,}: exponent", f"{slope:.2f}", "at most 1.05")


def measure_zones(counts: list[int], days: int) -> Iterator[tuple[str, str, str]]:
    """Rows of (zones, ms a day) with the same people over square maps of more and more zones."""
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            path = Path(folder) / f"squares_{count}.geojson"
            path.write_text(json.dumps(square_map(count)), encoding="utf-8")
            more = infrastructure(10.0, Path(folder))
            no_lists = [f"{name}=[]" for name in ("programme", "projects", "lines")]  # those of the shipped map name its zones
            _, median, _, model = _days([f"map.file={path.as_posix()}", *no_lists, *more], days)
            zones = model.sim.tables["zones"].n
            model.close()
            yield (f"{zones:,} zones: an ordinary day (median of {days})", f"{1000 * median:,.1f} ms", "")


def square_map(count: int) -> dict[str, Any]:
    """A GeoJSON map of `count` square zones near Alatau with 60,000 residents and homes for all."""
    side = math.ceil(math.sqrt(count))
    step = 0.4 / side
    features = []
    for k in range(count):
        x, y = 77.0 + step * (k % side), 43.5 + step * (k // side)
        ring = [[x, y], [x + step, y], [x + step, y + step], [x, y + step], [x, y]]
        residents = 60_000 // count
        properties = {
            "zone": f"z{k:04d}", "land_use": "residential", "residents_existing": residents, "dwellings_existing": residents // 2,
            "dwellings_planned": residents,
        }  # fmt: skip
        features.append({"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}})
    return {"type": "FeatureCollection", "features": features}


def measure_full_size(days: int | None = None) -> list[tuple[str, str, str]]:
    """`_full_size` in a process of its own, whose memory nothing else has used."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_full_size, days).result()


def _full_size(days: int | None) -> list[tuple[str, str, str]]:
    """The shipped city of 1.87 million for a month: seconds a simulated year by domain, in event time, and peak memory.

    A first of the month is dearer than other days and is counted with its month; what a process does in event time (vehicles,
    substations, rails, sites) and the recording of grids is the rest of the day.
    """
    began = time.perf_counter()
    with CityModel(load_scenario(FULL_SIZE)) as model:
        built = time.perf_counter() - began
        spent: dict[str, float] = {}

        def around(item: Any, run: Callable[[], None]) -> None:
            start = time.perf_counter()
            run()
            spent[item.domain] = spent.get(item.domain, 0.0) + time.perf_counter() - start

        model.step()  # compiles, builds paths, learns; the first day of the run is not that of a year
        model.sim.around_item = around
        steps = min(days or model.days, model.days) - 1
        times = []
        for _ in range(steps):
            start = time.perf_counter()
            model.step()
            times.append(time.perf_counter() - start)
        people = model.sim.tables["residents"].n
        columns = sum(table.nbytes for table in model.sim.tables.values())
    year = 365.25 / steps
    by_domain = sorted(spent.items(), key=lambda pair: -pair[1])
    return [
        (f"{people:,} residents, all domains: a year at the pace of {steps} days of a month", f"{sum(times) * year:,.0f} s", "90 s"),
        *((f"of it {domain}", f"{seconds * year:,.0f} s", "") for domain, seconds in by_domain),
        ("of it in event time (vehicles, substations, rails, sites)", f"{(sum(times) - sum(spent.values())) * year:,.0f} s", ""),
        ("an ordinary day (median)", f"{1000 * statistics.median(times):,.0f} ms", ""),
        ("to build the city", f"{built:.1f} s", ""),
        ("columns", f"{columns / people:,.0f} bytes a resident", ""),
        ("peak memory", f"{_peak_bytes() / 2**30:.2f} GiB", "3 GiB"),
    ]  # fmt: skip


def _peak_bytes() -> int:
    """The largest memory that the process has had, or has now where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return int(psutil.Process().memory_info().rss)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak * (1 if platform.system() == "Darwin" else 1024))


# --- events and processes ---------------------------------------------------------------------------------------------------


def measure_events(count: int) -> tuple[str, str, str]:
    """SimPy events a second, one process that waits again and again."""
    env = simpy.Environment()

    def wait() -> Iterator[Any]:
        for _ in range(count):
            yield env.timeout(1)

    env.process(wait())  # type: ignore[arg-type]
    began = time.perf_counter()
    env.run()
    return (f"SimPy events ({count:,})", f"{count / (time.perf_counter() - began) / 1e6:.2f} million a second", "")


def _replicate(replicate: int, days: int) -> float:
    """The seconds that some days of one replicate take in a worker process, without building it."""
    with CityModel(load_scenario(BASELINE), replicate=replicate, threads=1) as model:
        model.step()
        began = time.perf_counter()
        for _ in range(days):
            model.step()
        return time.perf_counter() - began


def measure_replicates(days: int, rounds: int = 3) -> tuple[str, str, str]:
    """The throughput of two replicates in two processes against one in one, days only; the best of several, taken in turns."""
    alone, both = [], []
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for _ in range(rounds):
            alone.append(pool.submit(_replicate, 0, days).result())
            both.append(max(job.result() for job in [pool.submit(_replicate, r, days) for r in (0, 1)]))
    return ("two replicates on two cores: throughput", f"{2 * min(alone) / min(both):.2f} times one", "at least 1.8")


def machine() -> str:
    """The machine and the versions, in one line."""
    names = ("mesa", "simpy", "numba", "numpy", "pyarrow", "duckdb", "shapely")
    return (
        f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB, {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names)
    )


def run_bench(*, quick: bool = False, progress: Callable[[str], None] | None = None) -> str:
    """All measurements as a Markdown page; `quick` takes smaller sizes."""
    if not BASELINE.exists():
        raise InputError(f"{BASELINE} is not here; run the bench in the project's folder")
    tell = progress or (lambda _: None)
    rows: list[tuple[str, str, str]] = []

    def add(found: list[tuple[str, str, str]]) -> None:
        for row in found:
            tell(f"{row[0]}: {row[1]}")
            rows.append(row)

    add(measure_rule(200_000 if quick else 1_000_000, 5_000 if quick else 50_000))
    add([measure_events(200_000 if quick else 1_000_000)])
    for row in measure_population([10_000, 54_747] if quick else [10_000, 54_747, 100_000, 500_000, 2_000_000], 5):
        add([row])
    for row in measure_zones([80, 320] if quick else [80, 320, 1_000, 2_000], 5):
        add([row])
    add([measure_replicates(20 if quick else 120)])
    add(measure_full_size(3 if quick else None))
    table = ["| measured | value | target |", "|---|---|---|", *(f"| {what} | {value} | {target} |" for what, value, target in rows)]
    peak = psutil.Process().memory_info().rss / 1e6
    head = ["# Benchmarks", "", f"`alatau bench{' --quick' if quick else ''}` on {machine()}.", ""]
    return "\n".join([*head, *table, "", f"Memory of the process at the end: {peak:,.0f} MB.", ""])
