"""Writes the city's data files from the figures named in SOURCES.md: margins, vital rates and climate.

Run by hand (`python make_data.py [folder]`); the files beside it are its output, byte for byte. The inputs are `kazakhstan.csv` (the
national pyramid, death rates and ages of mothers) and the constants below. It knows no distribution of household size, schooling or
work of Alatau itself: those rows are computed from assumptions stated here, and are marked so.
"""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

POPULATION = 54747  # on 2025-12-01
POPULATION_2024 = 52086  # on 2024-01-01, 23 months before
AKIMAT = "https://www.inform.kz/ru/alatau-spustya-dva-goda-chto-izmenilos-v-novom-gorode-3b163a"
UN = "UN WPP 2024, https://github.com/PPgp/wpp2024"
# Alatau's own age groups: first age, last age (both included), people. 2,806 people are in no group and are shared out in proportion.
AGE_GROUPS = ((0, 17, 15972), (18, 35, 11908), (36, 60, 17143), (61, 999, 6918))

HOUSEHOLD_MEAN = 3.4
PEOPLE_IN_5_PLUS_SHARE = 0.26
CENSUS = "https://liter.kz/kazakhstantsy-stali-chashche-vstupat-v-brak-1700455595"
HOUSEHOLDS_2020 = "https://mgorod.kz/news/bolee-chetverti-kazaxstancev-zhivut-v-domoxozyajstvax-po-pyat-i-bolee-chelovek"

# Share of each age group by the highest schooling finished; assumed. Those under 18 count as still at school.
EDUCATION = {
    "0-17": (1.0, 0.0, 0.0, 0.0),
    "18-35": (0.02, 0.6, 0.36, 0.02),
    "36-60": (0.01, 0.67, 0.31, 0.01),
    "61+": (0.03, 0.745, 0.22, 0.005),
}
SCHOOLING = ("none", "secondary", "higher", "postgraduate")

EMPLOYMENT_RATE = 0.646  # of people of 15 and more, Q4 2025
EMPLOYMENT = "https://mgorod.kz/news/v-kazaxstane-vyroslo-cislo-rabotaiushhix"
# The shape by age and sex (male, female) is assumed; one factor brings its mean over the nation to the employment rate.
WORK_SHAPE = {"15-24": (0.42, 0.34), "25-54": (0.92, 0.84), "55-64": (0.75, 0.58), "65+": (0.12, 0.07)}
WORK_AGES = {"15-24": (15, 24), "25-54": (25, 54), "55-64": (55, 64), "65+": (65, 999)}

WAGES_KZT = {"secondary": 289673, "higher": 497563, "postgraduate": 672493}
WAGE_MEDIAN_KZT, WAGE_MEAN_KZT = 317512, 410965
WAGE = "https://kaz.zakon.kz/kogam-tynysy/6069430-ebek-naryynday-zhaa-krsetksh-azastandytar-ansha-tabady.html"

TOTAL_FERTILITY = 2.5
BIRTHS = "https://biznescentr.kz/govnews/bjuro-nacionalnoj-statistiki-aspr-rk/147056-rozhdaemost-v-kazahstane-2025-statistika-i-demografija.html"
BOYS_PER_GIRL = 1.05
DEPARTURES_PER_1000 = 15.0

ALACLIM = "daily means 1991-2020 in https://github.com/YevKad/alaclim (NOAA, RP5)"
JULY = "https://365info.kz/2017/07/zhara-v-almaty-priblizhaetsya-k-istoricheskomu-maksimumu"
STATION, ROUNDED = "computed from station data", "approximate: rounded climatological normal"
# Month's mean temperature of Almaty; standard deviation of a day's mean and the range within a day are assumed.
CLIMATE = (
    (-4.56, 5.0, 9.0, STATION, ALACLIM),
    (-2.37, 5.0, 9.5, STATION, ALACLIM),
    (4.6, 4.8, 10.5, STATION, ALACLIM),
    (12.12, 4.5, 12.0, STATION, ALACLIM),
    (16.6, 4.0, 12.5, ROUNDED, "general climatology of Almaty"),
    (21.6, 3.5, 13.0, ROUNDED, "general climatology of Almaty"),
    (23.8, 3.0, 13.5, "press (climate norm)", JULY),
    (22.9, 3.0, 13.5, ROUNDED, "general climatology of Almaty"),
    (17.5, 3.8, 13.0, ROUNDED, "general climatology of Almaty"),
    (9.9, 4.5, 12.0, ROUNDED, "general climatology of Almaty"),
    (2.83, 5.0, 9.5, STATION, ALACLIM),
    (-2.74, 5.0, 8.5, STATION, ALACLIM),
)

Row = tuple[str | int | float, ...]
Pyramid = dict[tuple[str, str], float]


def main(folder: Path) -> None:
    """Write the three files into `folder`."""
    national = read_national()
    age_sex = age_sex_shares(national["people"])
    head = ("value", "unit", "confidence", "source")
    write(folder / "margins.csv", ("margin", "category", "subcategory", *head), margin_rows(national["people"], age_sex))
    write(folder / "vital_rates.csv", ("measure", "age", "sex", *head), vital_rows(national, age_sex))
    columns = ("month", "mean_temp_c", "sd_daily_c", "diurnal_range_c", "unit", "confidence", "source")
    note = "; deviation and daily range assumed"
    write(folder / "climate.csv", columns, [(m, *row[:3], "C", row[3] + note, row[4]) for m, row in enumerate(CLIMATE, 1)])


def read_national() -> dict[str, Pyramid]:
    """The national figures: measure -> (age, sex) -> value."""
    found: dict[str, Pyramid] = {}
    with (HERE / "kazakhstan.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["measure"], {})[row["age"], row["sex"]] = float(row["value"])
    return found


def overlap_share(band: str, first: int, last: int) -> float:
    """The part of a band's people ('15-19', '100+') whose age in whole years is in first … last, if ages are even within the band."""
    low, _, high = band.rstrip("+").partition("-")
    top = int(high) if high else int(low)
    years = max(0, min(top, last) - max(int(low), first) + 1)
    return years / (top - int(low) + 1)


def age_sex_shares(people: Pyramid) -> Pyramid:
    """Alatau's people by 5-year band and sex (sum 1): the nation's pyramid within each of the city's own age groups."""
    listed = sum(count for *_, count in AGE_GROUPS)
    shares = dict.fromkeys(people, 0.0)
    for first, last, count in AGE_GROUPS:
        inside = {key: number * overlap_share(key[0], first, last) for key, number in people.items()}
        whole = sum(inside.values())
        for key, number in inside.items():
            shares[key] += count / listed * number / whole
    return shares


def household_sizes() -> list[float]:
    """Shares of households of 1 … 8 people with the mean 3.4 and 26 % of people in households of five or more.

    Households of 5, 6, 7 and 8 are taken as 8 : 4 : 2 : 1 (each size half as common as the one before); those of 1 … 4 grow or fall
    by one ratio, found by bisection so that the mean is met.
    """
    large = [8 / 15, 4 / 15, 2 / 15, 1 / 15]
    large_mean = sum(size * share for size, share in zip(range(5, 9), large, strict=True))
    large_share = PEOPLE_IN_5_PLUS_SHARE * HOUSEHOLD_MEAN / large_mean
    small_mean = HOUSEHOLD_MEAN * (1 - PEOPLE_IN_5_PLUS_SHARE) / (1 - large_share)
    low, high = 0.1, 10.0
    for _ in range(200):
        ratio = (low + high) / 2
        weights = [ratio**size for size in range(1, 5)]
        mean = sum(size * w for size, w in enumerate(weights, 1)) / sum(weights)
        low, high = (ratio, high) if mean < small_mean else (low, ratio)
    return [w / sum(weights) * (1 - large_share) for w in weights] + [large_share * share for share in large]


def employed_shares(people: Pyramid) -> dict[tuple[str, str], float]:
    """Employed share by age group and sex: the assumed shape, scaled so that the nation's people of 15 and more reach 64.6 %."""
    adults = employed = 0.0
    for group, shape in WORK_SHAPE.items():
        for sex, share in zip(("male", "female"), shape, strict=True):
            number = sum(n * overlap_share(band, *WORK_AGES[group]) for (band, s), n in people.items() if s == sex)
            adults += number
            employed += number * share
    factor = EMPLOYMENT_RATE * adults / employed
    return {(g, s): factor * v for g, shape in WORK_SHAPE.items() for s, v in zip(("male", "female"), shape, strict=True)}


def margin_rows(people: Pyramid, age_sex: Pyramid) -> list[Row]:
    """The long table of margins; shares that must sum to one are rounded so that they do."""
    computed = "computed: city's age groups (official via press) x national pyramid (UN)"
    rows: list[Row] = []
    for (band, sex), value in zip(age_sex, rounded(list(age_sex.values()), 8), strict=True):
        rows.append(("age_sex", band, sex, value, "share of people", computed, f"{AKIMAT} ; {UN}"))
    for size, value in enumerate(rounded(household_sizes(), 8), 1):
        why = "assumed shape that meets mean 3.4 and 26 % of people in households of 5 and more"
        rows.append(("household_size", str(size), "", value, "share of households", why, f"{CENSUS} ; {HOUSEHOLDS_2020}"))
    for group, shares in EDUCATION.items():
        for level, value in zip(SCHOOLING, shares, strict=True):
            rows.append(("education", group, level, value, "share of the age group", "assumed", "not found; see SOURCES.md"))
    for (group, sex), value in employed_shares(people).items():
        why = "assumed shape scaled to the national employment rate 64.6 %"
        rows.append(("employment", group, sex, round(value, 4), "employed share", why, EMPLOYMENT))
    for level, wage in WAGES_KZT.items():
        rows.append(("wage", level, "", wage, "KZT/month", "official via press, nation 2025", WAGE))
    sigma = math.sqrt(2 * math.log(WAGE_MEAN_KZT / WAGE_MEDIAN_KZT))
    why = "computed: lognormal from median 317,512 and mean 410,965"
    rows.append(("wage", "dispersion", "", round(sigma, 4), "standard deviation of log wage", why, WAGE))
    return rows


def rounded(shares: list[float], digits: int) -> list[float]:
    """The shares rounded to `digits` so that they still sum to one: the largest one takes the remainder."""
    units = [round(share * 10**digits) for share in shares]
    units[units.index(max(units))] += 10**digits - sum(units)
    return [unit / 10**digits for unit in units]


def vital_rows(national: dict[str, Pyramid], age_sex: Pyramid) -> list[Row]:
    """Deaths, births and moves; arrivals close the balance so that the city grows as it did from 2024 to the end of 2025."""
    who = "UN estimate for the nation, mean of 2020-2025"
    rows: list[Row] = []
    rows += [("mortality", age, sex, rate, "deaths per person-year", who, UN) for (age, sex), rate in national["mortality"].items()]
    births = {age: TOTAL_FERTILITY * percent / 100 / 5 for (age, _), percent in national["fertility_pattern"].items()}
    why = "computed: total fertility 2.5 (UN 2.95 x births 335,000 / 395,000) x UN share of the band / 5"
    rows += [("fertility", age, "female", round(rate, 6), "births per woman-year", why, f"{BIRTHS} ; {UN}") for age, rate in births.items()]
    why = "assumed: the usual biological ratio"
    rows.append(("sex_ratio_at_birth", "", "", BOYS_PER_GIRL, "boys per girl", why, "standard demographic value"))
    arrivals = round(balance(national, age_sex)["arrivals"])
    why = "computed: growth 2.63 % a year less births plus deaths plus departures; see SOURCES.md"
    rows.append(("arrivals", "", "", arrivals, "people per year", why, AKIMAT))
    rows.append(("departures", "", "", DEPARTURES_PER_1000, "people per 1000 people and year", "assumed", "not found; see SOURCES.md"))
    return rows


def balance(national: dict[str, Pyramid], age_sex: Pyramid) -> dict[str, float]:
    """Births, deaths, departures, growth and the arrivals that close them, in people a year at today's population."""
    births = deaths = 0.0
    for (band, sex), share in age_sex.items():
        people = POPULATION * share
        percent = national["fertility_pattern"].get((band, sex), 0.0)
        births += people * TOTAL_FERTILITY * percent / 100 / 5
        start = band.rstrip("+").partition("-")[0]
        rate = national["mortality"][start, sex]
        # The band 0-4 has two rates: the first year of life, and the four after it.
        deaths += people * (0.2 * rate + 0.8 * national["mortality"]["1", sex] if start == "0" else rate)
    growth = POPULATION * ((POPULATION / POPULATION_2024) ** (12 / 23) - 1)
    departures = POPULATION * DEPARTURES_PER_1000 / 1000
    return {
        "births": births,
        "deaths": deaths,
        "growth": growth,
        "departures": departures,
        "arrivals": growth - births + deaths + departures,
    }


def write(path: Path, columns: tuple[str, ...], rows: list[Row]) -> None:
    """One CSV file with a header, in UTF-8 and with plain line ends."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
