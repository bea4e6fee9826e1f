"""The built-in data: every row has a confidence and a source; shares, balances, places and sizes are what SOURCES.md says."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import sys
from pathlib import Path
from types import ModuleType

import pytest
from shapely import Point, Polygon

from alatau_sim.city.words import LAND_USES
from alatau_sim.city.zones import ZoneTable, load_zones

FOLDER = Path(__file__).resolve().parents[1] / "scenarios" / "alatau"
MEASURED = (
    "margins.csv", "vital_rates.csv", "climate.csv", "substations.csv", "kazakhstan.csv", "reference.csv", "full_size_substations.csv",
)  # fmt: skip
LISTED = ("sectors.csv", "programme.csv", "projects.csv", "lines.csv", "full_size_sectors.csv", "full_size_lines.csv")
TABLES = MEASURED + LISTED
Row = dict[str, str]


def rows(name: str) -> list[Row]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def values(margin: str) -> dict[tuple[str, str], float]:
    return {(row["category"], row["subcategory"]): float(row["value"]) for row in rows("margins.csv") if row["margin"] == margin}


def rates(measure: str) -> dict[tuple[str, str], float]:
    return {(row["age"], row["sex"]): float(row["value"]) for row in rows("vital_rates.csv") if row["measure"] == measure}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"alatau_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    return script("make_data")


@pytest.fixture(scope="module")
def zones() -> ZoneTable:
    return load_zones(FOLDER / "zones.geojson")


@pytest.mark.parametrize("name", TABLES)
def test_every_row_has_a_confidence_and_a_source(name: str) -> None:
    table = rows(name)
    assert table
    for row in table:
        assert row["unit"] if name in MEASURED else "unit" not in row, row
        assert row["confidence"], row
        assert row["source"], row
        assert None not in row, row
        if row["source"].startswith("not found"):
            assert row["confidence"].startswith("assumed"), row


@pytest.mark.parametrize("name", LISTED)
def test_a_figure_is_cited_or_said_to_be_assumed(name: str) -> None:
    for row in rows(name):
        cited = [part for part in row["source"].split(" ; ") if part.startswith(("https://", "http://"))]
        assert cited or "assumed" in row["confidence"], row
        assert " " not in "".join(cited), row


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_its_section_in_the_sources(name: str) -> None:
    text = (FOLDER / "SOURCES.md").read_text(encoding="utf-8")
    assert f"## {name}" in text or f"`{name}`" in text


def test_making_the_data_again_gives_the_same_bytes(maker: ModuleType, tmp_path: Path) -> None:
    maker.main(tmp_path)
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (FOLDER / file.name).read_bytes(), file.name
    assert {file.name for file in tmp_path.iterdir()} == {"margins.csv", "vital_rates.csv", "climate.csv"}


def test_ages_have_every_band_and_the_citys_own_groups() -> None:
    shares = values("age_sex")
    bands = [f"{low}-{low + 4}" for low in range(0, 100, 5)] + ["100+"]
    assert set(shares) == {(band, sex) for band in bands for sex in ("male", "female")}
    assert sum(shares.values()) == pytest.approx(1, abs=1e-9)
    # The bands below 15, and the two years 15 … 17 of the next (as if ages were even in it), hold the city's share of children.
    listed = 15972 + 11908 + 17143 + 6918
    children = sum(v for (band, _), v in shares.items() if band in ("0-4", "5-9", "10-14"))
    assert children < 15972 / listed < children + sum(v for (band, _), v in shares.items() if band == "15-19")
    old = sum(v for (band, _), v in shares.items() if int(band.rstrip("+").split("-")[0]) >= 65)
    assert old < 6918 / listed < old + sum(v for (band, _), v in shares.items() if band == "60-64")


def test_age_groups_are_met_exactly(maker: ModuleType) -> None:
    people = maker.read_national()["people"]
    listed = sum(count for *_, count in maker.AGE_GROUPS)
    shares = maker.age_sex_shares(people)
    assert sum(shares.values()) == pytest.approx(1, abs=1e-12)
    # Each group's people, put back together from the national bands, are in proportion to the city's count.
    for first, last, count in maker.AGE_GROUPS:
        alone = {key: n * maker.overlap_share(key[0], first, last) for key, n in people.items()}
        whole = [key for key in people if maker.overlap_share(key[0], first, last) == 1]
        assert sum(shares[k] for k in whole) == pytest.approx(count / listed * sum(alone[k] for k in whole) / sum(alone.values()), rel=1e-9)


def test_households_have_the_published_mean_and_large_share() -> None:
    shares = {int(size): share for (size, _), share in values("household_size").items()}
    assert list(shares) == list(range(1, 9))
    assert sum(shares.values()) == pytest.approx(1, abs=1e-9)
    mean = sum(size * share for size, share in shares.items())
    assert mean == pytest.approx(3.4, abs=1e-6)
    assert sum(size * share for size, share in shares.items() if size >= 5) / mean == pytest.approx(0.26, abs=1e-6)


def test_schooling_sums_to_one_in_each_age_group() -> None:
    shares = values("education")
    for group in ("0-17", "18-35", "36-60", "61+"):
        four = [shares[group, level] for level in ("none", "secondary", "higher", "postgraduate")]
        assert sum(four) == pytest.approx(1, abs=1e-12)
    assert len(shares) == 16


def test_employment_reaches_the_national_rate() -> None:
    shares = values("employment")
    people = {(row["age"], row["sex"]): float(row["value"]) for row in rows("kazakhstan.csv") if row["measure"] == "people"}
    groups = {"15-24": (15, 25), "25-54": (25, 55), "55-64": (55, 65), "65+": (65, 200)}
    adults = employed = 0.0
    for (group, sex), share in shares.items():
        low, high = groups[group]
        count = sum(n for (band, s), n in people.items() if s == sex and low <= int(band.rstrip("+").split("-")[0]) < high)
        adults += count
        employed += count * share
    assert employed / adults == pytest.approx(0.646, abs=5e-5)
    assert all(0 < share < 1 for share in shares.values())


def test_wages_rise_with_schooling_and_spread_as_the_survey() -> None:
    wages = {level: value for (level, _), value in values("wage").items()}
    assert wages["secondary"] < wages["higher"] < wages["postgraduate"]
    assert 317_512 * math.exp(wages["dispersion"] ** 2 / 2) == pytest.approx(410_965, rel=1e-3)


def test_death_rates_cover_all_ages_and_rise() -> None:
    deaths = rates("mortality")
    starts = ["0", "1", *map(str, range(5, 101, 5))]
    assert set(deaths) == {(start, sex) for start in starts for sex in ("male", "female")}
    for sex in ("male", "female"):
        adult = [deaths[str(start), sex] for start in range(10, 101, 5)]
        assert adult == sorted(adult)
        assert deaths["0", sex] > deaths["5", sex]
    assert all(deaths[start, "male"] > deaths[start, "female"] for start in starts)


def test_births_sum_to_the_total_fertility() -> None:
    births = rates("fertility")
    assert sum(births.values()) * 5 == pytest.approx(2.5, abs=1e-4)
    assert {sex for _, sex in births} == {"female"}


def test_moves_close_the_balance_of_growth() -> None:
    # Counted anew from the files: what the rates give in a year at today's population grows as the two counts of the city did.
    shares = values("age_sex")
    deaths_of, births_of = rates("mortality"), rates("fertility")
    births = sum(54_747 * shares[band, "female"] * rate for (band, _), rate in births_of.items())
    deaths = 0.0
    for (band, sex), share in shares.items():
        start = band.rstrip("+").split("-")[0]
        rate = deaths_of[start, sex] if start != "0" else 0.2 * deaths_of["0", sex] + 0.8 * deaths_of["1", sex]
        deaths += 54_747 * share * rate
    moved = rates("arrivals")["", ""] - 54_747 * rates("departures")["", ""] / 1000
    growth = (births - deaths + moved) / 54_747
    assert (1 + growth) ** (23 / 12) * 52_086 == pytest.approx(54_747, abs=5)


def test_climate_has_twelve_months_and_a_year_of_about_ten_degrees() -> None:
    table = rows("climate.csv")
    assert [int(row["month"]) for row in table] == list(range(1, 13))
    means = [float(row["mean_temp_c"]) for row in table]
    assert sum(means) / 12 == pytest.approx(10, abs=1)
    assert means.index(min(means)) == 0
    assert means.index(max(means)) == 6
    assert all(float(row["sd_daily_c"]) > 0 and float(row["diurnal_range_c"]) > 0 for row in table)


# --- sectors ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sectors.csv", "full_size_sectors.csv"])
def test_shares_of_sectors_add_up_and_sales_cover_labour(name: str) -> None:
    table = rows(name)
    assert len({row["sector"] for row in table}) == len(table) >= 14
    for column in ("jobs_share", "purchase_share"):
        assert math.fsum(float(row[column]) for row in table) == pytest.approx(1, abs=1e-9)
    for row in table:
        assert 0 <= int(row["opens_h"]) < int(row["closes_h"]) <= 24
        assert 0 <= float(row["degree_share"]) <= 1
        assert 0 <= float(row["day_off_share"]) <= 1
        assert float(row["mean_size"]) >= 1
        assert set(row["land_uses"].split(";")) <= set(LAND_USES)
        assert row["public"] in ("0", "1")
        assert not (row["public"] == "1" and float(row["purchase_share"]))
        # The mean wage of the city, and what the employer pays on it.
        assert float(row["revenue_per_job_kzt"]) > 365_000 * float(row["wage_level"]) * 1.175


@pytest.mark.parametrize("name", ["sectors.csv", "full_size_sectors.csv"])
def test_shops_sell_what_residents_buy(name: str) -> None:
    selling = [row for row in rows(name) if float(row["purchase_share"])]
    sales = [float(row["jobs_share"]) * float(row["revenue_per_job_kzt"]) for row in selling]
    for row, part in zip(selling, sales, strict=True):
        assert part / sum(sales) == pytest.approx(float(row["purchase_share"]), rel=0.03)


def test_means_over_the_citys_jobs_are_those_of_the_sources() -> None:
    table = rows("sectors.csv")

    def mean(column: str) -> float:
        return math.fsum(float(row["jobs_share"]) * float(row[column]) for row in table)

    assert mean("wage_level") == pytest.approx(0.92, abs=0.005)
    assert mean("floor_m2_per_job") == pytest.approx(35, abs=0.5)
    assert mean("degree_share") == pytest.approx(0.32, abs=0.005)
    assert job_kw(table, 19) == pytest.approx(0.43, abs=0.005)


def test_jobs_of_the_plan_take_what_their_sectors_do_and_some_heating() -> None:
    table, maker = rows("full_size_sectors.csv"), script("make_full_size")
    plan = [zone for zone in maker.read_zones().values() if zone.district]
    heating_kw = 0.1 * 25 / 1000 * math.fsum(float(row["jobs_share"]) * float(row["floor_m2_per_job"]) for row in table)  # at -10 C
    for k, hour in enumerate((12, 19)):
        mean_kw = math.fsum(zone.jobs * maker.JOB_KW[zone.use][k] for zone in plan) / sum(zone.jobs for zone in plan)
        assert job_kw(table, hour) + heating_kw == pytest.approx(mean_kw, abs=0.02)


def job_kw(table: list[Row], hour: int) -> float:
    """The power of a mean job at an hour of a working day [kW]."""
    total = 0.0
    for row in table:
        now = 1.0 if int(row["opens_h"]) <= hour < int(row["closes_h"]) else float(row["standby_share"])
        total += float(row["jobs_share"]) * float(row["floor_m2_per_job"]) * float(row["power_w_m2"]) * now
    return total / 1000


# --- substations -----------------------------------------------------------------------------------------------------------------------


def nearest_load_mw(table: list[Row], homes: str, jobs: str, home_kw: float, each_job_kw: float) -> dict[str, float]:
    """What the zones nearest to each substation take on a cold January evening [MW]."""
    scale = math.cos(math.radians(43.6))
    places = {row["substation"]: (float(row["lon"]) * scale, float(row["lat"])) for row in table}
    load = dict.fromkeys(places, 0.0)
    for feature in json.loads((FOLDER / "zones.geojson").read_text(encoding="utf-8"))["features"]:
        columns = feature["properties"]
        if columns["outside"]:
            continue
        middle = Polygon(feature["geometry"]["coordinates"][0]).centroid
        near = min(places, key=lambda name: math.dist(places[name], (middle.x * scale, middle.y)))
        load[near] += (columns[homes] * home_kw + columns[jobs] * each_job_kw) / 1000
    return load


@pytest.mark.parametrize("name", ["substations.csv", "full_size_substations.csv"])
def test_substations_stand_in_their_district(name: str) -> None:
    table = rows(name)
    assert len({row["substation"] for row in table}) == len(table) >= 8
    features = json.loads((FOLDER / "zones.geojson").read_text(encoding="utf-8"))["features"]
    shapes = [(f["properties"]["district"], Polygon(f["geometry"]["coordinates"][0])) for f in features]
    for row in table:
        place = Point(float(row["lon"]), float(row["lat"]))
        assert [district for district, shape in shapes if shape.contains(place)] == [row["district"]]


def test_zhetygen_is_the_tight_substation() -> None:
    table = rows("substations.csv")
    # A kilowatt a household of 3.4, and a job at 19 h.
    load = nearest_load_mw(table, "residents_existing", "jobs_existing", 1 / 3.4, job_kw(rows("sectors.csv"), 19))
    assert sum(load.values()) == pytest.approx(22.0, abs=0.1)
    used = {row["substation"]: load[row["substation"]] / float(row["capacity_mw"]) for row in table}
    assert 0.95 < used.pop("zhetygen-substation") < 1
    assert max(used.values()) < 0.75


def test_full_size_substations_carry_the_plan_with_a_reserve() -> None:
    maker, table = script("make_full_size"), rows("full_size_substations.csv")
    zones = maker.read_zones().values()
    noon, evening = (
        sum(zone.homes * maker.HOME_KW[k] + zone.jobs * maker.JOB_KW[zone.use][k] for zone in zones if zone.district) / 1000 for k in (0, 1)
    )
    assert noon == pytest.approx(1_090, rel=0.02)
    assert evening == pytest.approx(1_180, rel=0.02)
    load = nearest_load_mw(table, "dwellings_planned", "jobs_planned", maker.HOME_KW[1], 0.6)
    for row in table:
        assert 1.1 < float(row["capacity_mw"]) / load[row["substation"]] < 3, row["substation"]


def test_making_the_full_size_files_again_gives_the_same_bytes(tmp_path: Path) -> None:
    script("make_full_size").main(tmp_path)
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"full_size_sectors.csv", "full_size_substations.csv", "full_size_lines.csv"}
    for name in names:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name


def test_every_busy_zone_of_the_plan_has_a_stop(zones: ZoneTable) -> None:
    module = script("make_full_size")
    served = {stop for row in rows("full_size_lines.csv") for stop in row["stops"].split(";")}
    alone = {zone.zone for zone in module.read_zones().values() if zone.weight >= module.BUSY} - served
    assert not alone
