"""The built-in data: every row has a unit, a confidence and a source; shares and balances are what SOURCES.md says."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
from pathlib import Path
from types import ModuleType

import pytest
from shapely import Point, Polygon

FOLDER = Path(__file__).resolve().parents[1] / "scenarios" / "alatau"
TABLES = ("margins.csv", "vital_rates.csv", "climate.csv", "substations.csv", "kazakhstan.csv")
Row = dict[str, str]


def rows(name: str) -> list[Row]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def values(margin: str) -> dict[tuple[str, str], float]:
    return {(row["category"], row["subcategory"]): float(row["value"]) for row in rows("margins.csv") if row["margin"] == margin}


def rates(measure: str) -> dict[tuple[str, str], float]:
    return {(row["age"], row["sex"]): float(row["value"]) for row in rows("vital_rates.csv") if row["measure"] == measure}


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("alatau_make_data", FOLDER / "make_data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", TABLES)
def test_every_row_has_a_unit_a_confidence_and_a_source(name: str) -> None:
    table = rows(name)
    assert table
    for row in table:
        assert row["unit"], row
        assert row["confidence"], row
        assert row["source"], row
        assert None not in row, row
        if row["source"].startswith("not found"):
            assert row["confidence"].startswith("assumed"), row


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


def test_substations_stand_in_their_district_and_carry_the_assumed_peak() -> None:
    table = rows("substations.csv")
    assert len({row["substation"] for row in table}) == len(table) == 8
    features = json.loads((FOLDER / "zones.geojson").read_text(encoding="utf-8"))["features"]
    zones = [(f["properties"]["district"], Polygon(f["geometry"]["coordinates"][0])) for f in features]
    for row in table:
        place = Point(float(row["lon"]), float(row["lat"]))
        assert [district for district, shape in zones if shape.contains(place)] == [row["district"]]
    peak_mw = 54_747 / 3.4 * 1.0e-3  # a kilowatt a household
    assert sum(float(row["capacity_mw"]) for row in table) == pytest.approx(1.5 * peak_mw, rel=0.02)


def test_zhetygen_is_the_tight_substation() -> None:
    # Each zone is served by the nearest substation, as in the energy domain.
    table = rows("substations.csv")
    places = [(float(row["lon"]) * math.cos(math.radians(43.6)), float(row["lat"])) for row in table]
    people = [0] * len(table)
    for feature in json.loads((FOLDER / "zones.geojson").read_text(encoding="utf-8"))["features"]:
        middle = Polygon(feature["geometry"]["coordinates"][0]).centroid
        at = (middle.x * math.cos(math.radians(43.6)), middle.y)
        people[min(range(len(table)), key=lambda k: math.dist(places[k], at))] += feature["properties"]["residents_existing"]
    load = {row["substation"]: n / 3.4 * 1.0e-3 / float(row["capacity_mw"]) for row, n in zip(table, people, strict=True)}
    assert 0.95 < load.pop("zhetygen-substation") < 1
    assert max(load.values()) < 0.75
