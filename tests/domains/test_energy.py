"""Electricity on the running engine, with a small stand-in for people and map."""

import datetime as dt
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alatau_sim.domains.energy import DOMAIN, Policy
from alatau_sim.domains.energy.bills.settle import block_bill_kzt
from alatau_sim.domains.energy.process import split
from alatau_sim.domains.energy.rules import RULES, appliance_load, cooking_load, cooling_load, heating_load, hot_water_load, lighting_load
from alatau_sim.domains.energy.settle import furnish_homes, home_shares, home_weights, lose, split_groups, totals
from alatau_sim.domains.energy.tables import LOADS, USERS, USES, nearest, read_climate, read_substations
from alatau_sim.errors import InputError, RunError
from alatau_sim.results.schemas import Columns

sys.path.insert(0, str(Path(__file__).parent))
from energy_city import CLIMATE, load, simulate  # noqa: E402

# --- single hours of single homes -------------------------------------------------------------------------------------------


@given(hour=st.integers(0, 23), mask=st.integers(0, 2**24 - 1), size=st.integers(0, 15), u=st.floats(0, 1, exclude_max=True),
       c=st.floats(-60, 60), light=st.floats(0, 1), has=st.booleans(), w=st.floats(0, 2000))  # fmt: skip
def test_a_homes_hour_is_a_whole_number_of_wh_in_range(hour, mask, size, u, c, light, has, w):
    values = [
        cooking_load(hour, mask, has, size, u), lighting_load(hour, mask, w, light), appliance_load(hour, mask, w, size, 1.1),
        heating_load(hour, has, w, c, 20.0, 3.0), cooling_load(hour, mask, has, c), hot_water_load(hour, has, size, u),
    ]  # fmt: skip
    for value in values:
        assert isinstance(value, int)
        assert 0 <= value < 20_000


@given(hour=st.integers(0, 23), a=st.floats(-50, 50), b=st.floats(-50, 50), loss=st.floats(0, 1000))
def test_the_colder_the_more_heating_and_the_less_cooling(hour, a, b, loss):
    cold, warm = min(a, b), max(a, b)
    assert heating_load(hour, True, loss, cold, 20.0, 3.0) >= heating_load(hour, True, loss, warm, 20.0, 3.0)
    assert cooling_load(hour, 1 << hour, True, cold) <= cooling_load(hour, 1 << hour, True, warm)


def test_who_is_away_leaves_only_what_runs_by_itself():
    assert cooking_load(12, 0, True, 4, 0.5) == lighting_load(12, 0, 100.0, 0.0) == cooling_load(12, 0, True, 40.0) == 0
    assert appliance_load(12, 0, 500.0, 4, 1.0) == 55
    assert hot_water_load(12, True, 4, 0.5) > 0
    assert lighting_load(20, 1 << 20, 100.0, 1.0) == 0


def test_the_days_cooking_is_the_meals_whatever_the_hours():
    day = sum(cooking_load(hour, (1 << 24) - 1, True, 3, 0.5) for hour in range(24))
    assert day == pytest.approx(600 + 3 * 350, abs=12)


# --- exact sharing ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=30), st.data())
def test_split_adds_up_and_stays_within_the_weights(weights, data):
    total = data.draw(st.integers(0, sum(weights)))
    parts = split(total, np.array(weights, np.int64))
    assert parts.sum() == total
    assert (parts >= 0).all()
    assert (parts <= np.array(weights)).all()
    running = np.cumsum(np.array(weights, object))
    assert parts.tolist() == np.diff([0, *(total * int(r) // max(1, sum(weights)) for r in running)]).tolist()


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=30), st.data())
def test_homes_lose_exactly_what_is_missing_and_at_most_one_loses_a_part(wants, data):
    wants = np.array(wants, np.int64)
    missing = data.draw(st.integers(0, int(wants.sum())))
    rank = np.array(data.draw(st.lists(st.floats(0, 1), min_size=len(wants), max_size=len(wants))))
    one = np.zeros(len(wants), np.int64)
    lost = lose(np.array([missing]), wants, one, rank)
    assert lost.sum() == missing
    assert ((lost > 0) & (lost < wants)).sum() <= 1
    assert (lose(np.array([missing // 2]), wants, one, rank) <= lost).all()  # a smaller shortage hits a part of the same homes


@given(st.lists(st.tuples(st.integers(0, 10**12), st.lists(st.integers(1, 10**7), min_size=1, max_size=9)), min_size=1, max_size=6))
def test_totals_are_split_exactly_group_by_group(groups):
    totals_ = np.array([total for total, _ in groups])
    weights = np.array([w for _, mine in groups for w in mine])
    group = np.repeat(np.arange(len(groups)), [len(mine) for _, mine in groups])
    parts = split_groups(totals_, weights, group)
    assert (parts >= 0).all()
    assert np.array_equal([parts[group == g].sum() for g in range(len(groups))], totals_)
    for g, (total, mine) in enumerate(groups):  # alone or among others: the same
        assert split_groups(np.array([total]), np.array(mine), np.zeros(len(mine), np.int64)).tolist() == parts[group == g].tolist()
    if float(totals_.max()) * max(sum(mine) for _, mine in groups) < 2**60:
        exact = totals_[group] * (weights / np.bincount(group, weights=weights)[group])
        assert (np.abs(parts - exact) < 1 + 1e-9 * exact).all()


def test_home_weights_add_up_to_the_zones_load():
    keys, here = np.array([[1.0, 3.0], [0.0, 0.0], [2.0, 0.0]]), np.zeros(2, np.int64)
    shares = home_shares(keys, here, 1)
    assert shares.tolist() == [[0.25, 0.75], [0.0, 0.0], [1.0, 0.0]]
    assert home_weights(shares, np.array([[8], [0], [5]]), here).tolist() == [7.0, 6.0]


# --- the bill ---------------------------------------------------------------------------------------------------------------


def test_blocks_of_the_bill():
    policy = Policy()
    energy = np.array([0, 90_000, 162_000, 200_000, 115_000, 180_000])
    size, stove = np.array([1, 1, 1, 1, 1, 2]), np.array([False, False, False, False, True, False])
    first = 90 * 35.67
    second = first + 72 * 35.67 * 1.34
    expected = [0, first, second, second + 38 * 35.67 * 1.67, 115 * 35.67, 2 * first]
    assert block_bill_kzt(energy, size, stove, policy).tolist() == [round(value) for value in expected]


def test_a_part_of_a_month_is_billed_by_blocks_of_that_part():
    energy, size, stove = np.array([310_000, 50_000]), np.array([1, 2]), np.array([False, True])
    whole = block_bill_kzt(energy, size, stove, Policy())
    assert abs(block_bill_kzt(energy // 10, size, stove, Policy(), 0.1) * 10 - whole).max() <= 5


@given(st.integers(0, 3_000_000), st.integers(1, 10), st.booleans())
def test_more_energy_costs_no_less_and_more_people_no_more(wh, size, stove):
    def bill(energy, people):
        return int(block_bill_kzt(np.array([energy]), np.array([people]), np.array([stove]), Policy())[0])

    assert bill(wh + 1000, size) >= bill(wh, size) >= bill(wh, size + 1) >= 0


# --- files ------------------------------------------------------------------------------------------------------------------


def test_the_shipped_climate_is_read():
    climate = read_climate(CLIMATE)
    assert len(climate.mean_c) == len(climate.sd_c) == len(climate.range_c) == 12
    assert climate.mean_c[0] == -4.56


def test_a_bad_climate_is_told_with_its_lines(tmp_path):
    file = tmp_path / "climate.csv"
    file.write_text("month,mean_temp_c,sd_daily_c,diurnal_range_c\n1,warm,5,9\n2,3,-1,9\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"climate\.csv:2: mean_temp_c is 'warm'.*-60 … 50\n.*climate\.csv:3: sd_daily_c is '-1'"):
        read_climate(file)
    file.write_text("month,mean_temp_c,sd_daily_c,diurnal_range_c\n1,2,5,9\n", encoding="utf-8")
    with pytest.raises(InputError, match="no row for month 2, 3, 4"):
        read_climate(file)
    file.write_text("month,mean\n", encoding="utf-8")
    with pytest.raises(InputError, match="column 'sd_daily_c' is missing"):
        read_climate(file)


def test_bad_substations_are_told_with_their_lines(tmp_path):
    file = tmp_path / "substations.csv"
    file.write_text("substation,lon,lat,capacity_mw\na,77,43,10\na,777,43,x\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"csv:3: substation 'a' is there twice\n.*lon is '777'.*\n.*capacity_mw is 'x'"):
        read_substations(file)
    file.write_text("substation,lon,lat,capacity_mw\na,77,1,43,10\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"csv:2: it has more values than the header has columns"):
        read_substations(file)
    with pytest.raises(InputError, match="no such file"):
        read_substations(tmp_path / "none.csv")


def test_zones_belong_to_the_nearest_substation():
    at = np.array([0.0, 10.0])
    assert nearest(np.array([1.0, 6.0, 5.0]), np.zeros(3), at, np.zeros(2)).tolist() == [0, 1, 0]


# --- the running city -------------------------------------------------------------------------------------------------------


def test_every_wh_is_served_or_not_and_reaches_a_home(tmp_path):
    """Shortage by capacity and by failures, homes alone: zones, substations, homes and the ledger agree exactly, every day."""
    seen = []

    def check(sim):
        wanted, unserved = load(sim), sim.grids["load_unserved"]
        assert sim.grids["substation_wanted"].sum() == wanted.sum()
        assert sim.grids["substation_served"].sum() == wanted.sum() - unserved.sum()
        seen.append((int(wanted.sum()), int(unserved.sum()), int(sim.tables["households"]["unserved_month_wh"].sum())))

    sim = simulate(tmp_path, 5, capacity_mw=(0.05, 0.05), substation_failures_per_year=300.0, check=check)
    wanted, unserved, felt = (np.array(values) for values in zip(*seen, strict=True))
    assert unserved.sum() > 0
    assert np.cumsum(unserved).tolist() == felt.tolist()
    assert sim.ledger.balance("Wh", "homes") == wanted.sum() - unserved.sum() == -sim.ledger.balance("Wh", "grid")
    assert (sim.tables["households"]["outage_hours"] <= 24).all()


def test_the_months_bills_hold_all_energy_served(tmp_path):
    sim = simulate(tmp_path, 31, homes=60, capacity_mw=(0.02, 0.02))
    homes = sim.tables["households"]
    assert homes["energy_month_wh"].sum() == sim.ledger.balance("Wh", "homes")
    bill = homes["energy_bill_kzt"]
    assert bill.sum() > 0
    assert (homes["arrears_kzt"] == bill).all()
    assert sim.ledger.balance("tenge", "utility") == homes["balance_kzt"].sum() == 0


def test_bills_are_paid_as_far_as_the_money_goes(tmp_path):
    def give(sim):
        if sim.clock.date == dt.date(2026, 1, 1):
            homes = sim.tables["households"]
            homes["balance_kzt"][:] = np.arange(homes.n) * 2000
            sim.ledger.book("tenge", "rest_of_world", "households", int(homes["balance_kzt"].sum()))

    sim = simulate(tmp_path, 59, homes=60, check=give)
    homes, ledger = sim.tables["households"], sim.ledger
    assert (homes["balance_kzt"] >= 0).all()
    assert (homes["arrears_kzt"] >= 0).all()
    assert not ((homes["balance_kzt"] > 0) & (homes["arrears_kzt"] > 0)).any()
    assert (homes["balance_kzt"] > 0).any()
    assert (homes["arrears_kzt"] > 0).any()
    assert homes["arrears_kzt"].sum() == ledger.balance("tenge owed", "homes") == -ledger.balance("tenge owed", "utility")
    assert ledger.balance("tenge", "utility") + homes["balance_kzt"].sum() == sum(range(0, 60 * 2000, 2000))


def test_what_homes_owed_that_are_gone_is_written_off(tmp_path):
    def leave(sim):
        if sim.clock.day % 7 == 0:
            sim.tables["households"].remove(np.array([0]))

    sim = simulate(tmp_path, 45, homes=60, check=leave)
    written_off = sim.ledger.balance("tenge owed", "written_off")
    assert written_off > 0
    assert sim.ledger.balance("tenge owed", "homes") == sim.tables["households"]["arrears_kzt"].sum()


def test_arrears_that_are_wiped_or_raised_stop_the_run(tmp_path):
    for wrong in (0, 5000):
        def spoil(sim, wrong=wrong):
            if sim.clock.date == dt.date(2026, 2, 3):
                assert sim.tables["households"].total("arrears_kzt") > 0
                sim.tables["households"]["arrears_kzt"][:] = wrong

        with pytest.raises(RunError, match="account 'homes' has .* tenge owed"):
            simulate(tmp_path, 35, homes=20, check=spoil)


def test_a_part_of_a_month_is_as_dear_and_as_much_a_month_as_the_whole(tmp_path):
    """By the month: what ten days are billed and use a resident, scaled, is near the whole month's."""
    found = []
    for days in (10, 31):
        sim = simulate(tmp_path, days, electric_heating_share=0.0)
        sim.tables["residents"].insert(np.arange(9), {"age": 30})
        kpis = {kpi.name: kpi.compute(sim) for kpi in DOMAIN.kpis if kpi.name in ("electricity_bill", "electricity_per_resident")}
        found.append((kpis["electricity_bill"] * 31 / days, kpis["electricity_per_resident"]))
    assert found[0] == pytest.approx(found[1], rel=0.05)


def test_sample_weights_scale_the_load_and_keep_the_sums(tmp_path):
    sim = simulate(tmp_path, 3, weight=10, capacity_mw=(0.5, 0.5))
    felt = sim.tables["households"]["unserved_month_wh"].sum() * 10
    assert felt == totals(sim)["month_unserved"].sum() > 0
    one = simulate(tmp_path, 3, weight=1)
    assert totals(sim)["month_wanted"].sum() == 10 * totals(one)["month_wanted"].sum()


def test_capacity_is_never_passed_and_more_of_it_sheds_less(tmp_path):
    peaks, unserved = [], []
    for reserve in (0.0, 0.5):
        served = []
        sim = simulate(tmp_path, 3, capacity_mw=(0.06, 0.06), policy=Policy(substation_reserve_share=reserve),
                       check=lambda sim, served=served: served.append(sim.grids["substation_served"].max()))  # fmt: skip
        assert max(served) <= 60_000 * (1 + reserve)
        peaks.append(totals(sim)["month_peak_wh"])
        unserved.append(totals(sim)["month_unserved"].sum())
    assert peaks[0] == peaks[1]
    assert unserved[0] > unserved[1]


def test_a_dated_outage_leaves_its_zones_dark_and_others_untouched(tmp_path):
    start = dt.datetime(2026, 1, 2, 18)
    at = int((start - dt.datetime(1970, 1, 1)).total_seconds())
    seen = {}

    def check(sim):
        seen[sim.clock.date.day] = (load(sim), sim.grids["load_unserved"].copy(), sim.tables["households"]["outage_hours"].copy())

    sim = simulate(tmp_path, 3, outage=(0, at, at + 3 * 3600 + 1800), check=check, substation_failures_per_year=0.0)
    dark = sim.tables["zones"]["substation"] == 0
    wanted, unserved, hours = seen[2]
    assert dark.sum() == 2
    assert (unserved[dark, 18:21] == wanted[dark, 18:21]).all()
    assert unserved[dark, 21].sum() == pytest.approx(wanted[dark, 21].sum() / 2, abs=1)
    assert unserved.sum() == unserved[dark, 18:22].sum()
    assert hours[np.isin(sim.tables["households"]["home"], np.flatnonzero(dark))].mean() == pytest.approx(3.5, abs=0.1)
    assert hours[~np.isin(sim.tables["households"]["home"], np.flatnonzero(dark))].max() == 0
    assert seen[1][1].sum() == seen[3][1].sum() == seen[3][2].max() == 0


def test_a_warmer_world_heats_less_with_the_same_luck(tmp_path):
    runs = [simulate(tmp_path, 4, temperature_shift_c=shift, electric_heating_share=0.5) for shift in (0, 3)]
    cool, warm = (totals(sim)["month_wanted"][USES.index("heating")].sum() for sim in runs)
    assert cool > warm > 0


def test_a_dearer_tariff_lowers_the_use_of_appliances_only(tmp_path):
    cheap = totals(simulate(tmp_path, 2))["month_wanted"].sum(axis=1)
    dear = totals(simulate(tmp_path, 2, policy=Policy(tariff_kzt_per_kwh=70.0)))["month_wanted"].sum(axis=1)
    row = USES.index("appliances")
    assert dear[row] < cheap[row]
    assert np.delete(dear, row).tolist() == np.delete(cheap, row).tolist()


def test_weather_and_equipment_do_not_depend_on_when_the_run_starts(tmp_path):
    late = simulate(tmp_path, 1, start=dt.date(2026, 2, 5), homes=40)
    early = simulate(tmp_path, 5, start=dt.date(2026, 2, 1), homes=40)
    assert late.city["temperature_c"].tolist() == early.city["temperature_c"].tolist()
    assert load(late).tolist() == load(early).tolist()


def test_a_replicate_redraws_the_weather_and_keeps_the_equipment(tmp_path):
    one, two = (simulate(tmp_path, 1, replicate=replicate) for replicate in (0, 1))
    assert one.city["temperature_mean_c"] != two.city["temperature_mean_c"]
    for column in ("stove_electric", "appliance_w", "heat_loss_w_per_k"):
        assert one.tables["households"][column].tolist() == two.tables["households"][column].tolist()


def test_one_more_home_changes_no_other_homes_equipment_and_no_far_zones_load(tmp_path):
    base, more = simulate(tmp_path, 1, homes=200), simulate(tmp_path, 1, homes=201)
    assert more.tables["households"].n == base.tables["households"].n + 1
    assert load(more)[1:].tolist() == load(base)[1:].tolist()
    assert load(more)[0].sum() > load(base)[0].sum()


def test_one_more_zone_changes_no_daylight(tmp_path):
    base, more = simulate(tmp_path, 1, zones=5), simulate(tmp_path, 1, zones=4)
    assert base.city["daylight"].tolist() == more.city["daylight"].tolist()


def test_zones_outside_have_no_substation_and_a_city_without_any_is_refused(tmp_path):
    sim = simulate(tmp_path, 1)
    assert sim.tables["zones"]["substation"].tolist() == [0, 0, 1, 1, -1]
    with pytest.raises(InputError, match="lists no substation"):
        simulate(tmp_path, 1, capacity_mw=())


def test_a_lost_wh_stops_the_run(tmp_path):
    sim = simulate(tmp_path, 1)
    sim.grids["load_unserved"][0, 5] += 7
    check = next(item for item in DOMAIN.settlements if item.name == "check_energy")
    with pytest.raises(RunError, match="7 Wh"):
        check.fn(sim)


def test_compiled_and_plain_tallies_agree(tmp_path):
    plain, compiled = (simulate(tmp_path, 2, homes=40, kernels=kernels) for kernels in ("plain", "compiled"))
    for use in USES:
        assert compiled.grids[f"load_{use}"].tolist() == plain.grids[f"load_{use}"].tolist(), use


def test_magnitudes_lie_where_the_facts_let_them_be(tmp_path):
    """A resident's month is near the supplier's first block of 90 kWh, and far below the whole economy's 5,950 kWh a year."""
    months = {}
    for month in (1, 4, 7):
        sim = simulate(tmp_path, 4, homes=300, start=dt.date(2026, month, 10))
        months[month] = totals(sim)["month_wanted"].sum() / sim.tables["households"]["size"].sum() / 4 * 30.4 / 1000
    assert 40 < np.mean(list(months.values())) < 130
    assert months[1] > months[4]


def test_tables_fit_their_schemas_and_kpis_are_numbers(tmp_path):
    sim = simulate(tmp_path, 31, homes=30, firms=12, transit_wh=500)
    sim.month_days[:] = (20, 11)
    labels = {"zone": tuple("abcde"), "substation": sim.names["substations"]}
    for table in DOMAIN.tables:
        batch = Columns(table, labels).batch(sim.clock.date, table.build(sim))
        assert batch.num_rows > 0
    for kpi in DOMAIN.kpis:
        assert isinstance(float(kpi.compute(sim)), float)
        assert kpi.table in {table.name for table in DOMAIN.tables}


def test_the_zones_month_checks_the_indicators_that_name_it(tmp_path):
    sim = simulate(tmp_path, 31, homes=60, firms=20, transit_wh=3000, weight=10, capacity_mw=(0.05, 0.05))
    sim.tables["residents"].insert(np.arange(9), {"age": 30, "household": np.arange(9)})
    rows = next(table for table in DOMAIN.tables if table.name == "zones_energy_month").build(sim)
    sums = {name: values.sum() for name, values in rows.items()}
    expected = {
        "outage_hours_per_home": sums["outage_h"] / sums["households"],
        "electricity_per_resident": (sums["homes_wanted_wh"] - sums["homes_unserved_wh"]) / 1000 / sums["residents"],
        "electricity_bill": sums["bills_kzt"] / sums["households"],
        "electricity_arrears": sums["arrears_kzt"],
        "firm_electricity_bills": sums["firm_bills_kzt"],
        **{f"electricity_unserved_{user}": sums[f"{user}_unserved_wh"] / 1e6 for user in USERS},
    }
    assert sums["residents"] == 90
    assert sums["outage_h"] > 0
    assert min(sums[f"{user}_unserved_wh"] for user in USERS) > 0
    for kind in ("wanted", "unserved"):
        assert sum(sums[f"{user}_{kind}_wh"] for user in USERS) == sums[f"{kind}_wh"]
    for kpi in DOMAIN.kpis:
        assert (kpi.table == "zones_energy_month") == (kpi.name in expected)
        if kpi.name in expected:
            assert kpi.compute(sim) == pytest.approx(expected[kpi.name], rel=1e-12), kpi.name


def test_the_months_profile_holds_every_wh(tmp_path):
    def closed(sim):
        table = next(table for table in DOMAIN.tables if table.name == "load_profile_month")
        rows = table.build(sim)
        days = sim.month_days[rows["kind_of_day"]]
        assert (rows["wanted_w"] * days).sum() == pytest.approx(totals(sim)["month_wanted"].sum(), rel=1e-12)
        assert (rows["unserved_w"] * days).sum() == pytest.approx(totals(sim)["month_unserved"].sum(), rel=1e-12)
        seen.append(len(days))

    seen = []
    simulate(tmp_path, 31, homes=20, firms=8, transit_wh=700, capacity_mw=(0.005, 0.005), month=closed)
    assert seen == [2 * 4 * 24]


def test_months_and_years_start_from_nothing(tmp_path):
    sim = simulate(tmp_path, 8, homes=20, start=dt.date(2026, 12, 28), capacity_mw=(0.005, 0.005))
    sums = totals(sim)
    assert sums["month_days"] == 4
    assert sums["month_wanted"].sum() == sums["year_wanted"].sum() > 0
    assert sums["month_unserved"].sum() == sums["year_unserved"].sum() == sim.tables["households"]["unserved_month_wh"].sum() > 0


def test_equipment_meets_the_shares_and_follows_income(tmp_path):
    sim = simulate(tmp_path, 1, homes=4000, electric_heating_share=0.1, reference_income_kzt=350_000)
    homes = sim.tables["households"]
    for column, share in (("stove_electric", 0.35), ("heating_electric", 0.1), ("boiler_electric", 0.35)):
        assert abs(homes[column].mean() - share) < 4 * np.sqrt(share * (1 - share) / homes.n), column
    rich = homes["income_kzt"] > 350_000
    assert homes["air_conditioner"][rich].mean() > homes["air_conditioner"][~rich].mean()
    assert homes["appliance_w"][rich].mean() > homes["appliance_w"][~rich].mean()


def test_a_household_that_is_new_gets_equipment_and_the_others_keep_theirs(tmp_path):
    sim = simulate(tmp_path, 1, homes=30)
    homes = sim.tables["households"]
    before = homes["appliance_w"].tolist()
    homes.insert(np.array([9_999]), {"home": 0, "size": 2, "income_kzt": 300_000})
    furnish_homes.fn(sim)
    assert homes["appliance_w"][:-1].tolist() == before
    assert homes["appliance_w"][-1] > 0
    assert homes["furnished"].all()


def test_every_tally_reads_the_hour():
    assert [rule.into for rule in RULES] == [f"load_{use}" for use in LOADS if use != "transit"]
    assert all(rule.inputs[0] == "hour" for rule in RULES)
