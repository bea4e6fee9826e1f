"""Firms and vehicles on the network: what they want, how a shortage is shared to the Wh, bills to the tenge; and spells of weather."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alatau_sim.domains.energy import DOMAIN, Policy
from alatau_sim.domains.energy.rules import firm_load, open_share
from alatau_sim.domains.energy.settle import HEATING_BASE_C, totals
from alatau_sim.domains.energy.tables import FIRMS, HOMES, LOADS, TRANSIT, USERS, USES
from alatau_sim.errors import RunError

sys.path.insert(0, str(Path(__file__).parent))
from energy_city import SECTORS, load, simulate  # noqa: E402

SHORT = {"capacity_mw": (0.03, 0.03), "firms": 40, "transit_wh": 2345}
EPOCH = dt.datetime(1970, 1, 1)


def seconds(*when):
    return int((dt.datetime(*when) - EPOCH).total_seconds())


# --- what a firm wants ------------------------------------------------------------------------------------------------------


@given(
    hour=st.integers(0, 23), floor=st.integers(0, 10**6), process=st.integers(0, 10**9), power=st.floats(0, 500), standby=st.floats(0, 1),
    opens=st.integers(0, 24), closes=st.integers(0, 24), share=st.floats(0, 1), off=st.sampled_from([0.0, 1.0]), c=st.floats(-60, 60),
)  # fmt: skip
def test_a_firms_hour_lies_between_standby_and_full_use(hour, floor, process, power, standby, opens, closes, share, off, c):
    wh = firm_load(hour, floor, process, power, standby, opens, closes, share, off, c)
    assert isinstance(wh, int)
    mild = firm_load(hour, floor, process, power, standby, opens, closes, share, off, 18.0)
    assert wh >= mild
    assert process + floor * power * standby - 1 <= mild <= process + floor * power + 1
    if off == 0.0:
        inside = opens <= hour < closes if opens <= closes else not closes <= hour < opens
        assert mild == pytest.approx(process + floor * power * (1.0 if inside else standby), abs=1)


def test_hours_may_pass_midnight_and_days_off_are_quieter():
    assert [hour for hour in range(24) if open_share(hour, 20, 4, 0.0, 0.0)] == [0, 1, 2, 3, 20, 21, 22, 23]
    assert [hour for hour in range(24) if open_share(hour, 9, 18, 0.0, 0.0)] == list(range(9, 18))
    assert sum(open_share(hour, 0, 24, 0.0, 0.3) for hour in range(24)) == 24
    assert {open_share(hour, 9, 18, 1.0, 0.3) for hour in range(9, 18)} == {0.3}


@given(a=st.floats(-50, 50), b=st.floats(-50, 50), hour=st.integers(0, 23))
def test_cold_and_heat_both_cost(a, b, hour):
    cold, mild, hot = min(a, b, 15.0), 18.0, max(a, b, 22.0)

    def at(c):
        return firm_load(hour, 1000, 0, 10.0, 0.2, 8, 20, 0.5, 0.0, c)

    assert at(cold) >= at(mild)
    assert at(hot) >= at(mild)
    if hot > 23.0 and 8 <= hour < 20:
        assert at(hot) > at(mild)


def exactly(sim, row, day_off, temperature):
    """What one firm wants in each hour of a day, by the scalar rule."""
    firms = sim.tables["firms"]
    sector = [SECTORS[name][firms["sector"][row]] for name in ("energy_w_m2", "standby_share", "opens", "closes", "day_off_share")]
    floor, process = int(firms["floor_m2"][row]), int(firms["process_w"][row])
    return [firm_load(hour, floor, process, *sector, day_off, temperature[hour]) for hour in range(24)]


@pytest.mark.parametrize(("start", "day_off"), [(dt.date(2026, 7, 6), 0.0), (dt.date(2026, 7, 5), 1.0)])
def test_the_zones_firms_add_up(tmp_path, start, day_off):
    sim = simulate(tmp_path, 1, homes=10, firms=30, start=start)
    expected = np.zeros((5, 24), np.int64)
    for row, site in enumerate(sim.tables["firms"]["site"]):
        expected[site] += exactly(sim, row, day_off, sim.city["temperature_c"].tolist())
    assert sim.grids["load_firms"].tolist() == expected.tolist()
    assert sim.grids["load_wanted"].tolist() == load(sim).tolist()


def test_one_more_firm_changes_its_zones_firms_only(tmp_path):
    base, more = (simulate(tmp_path, 1, firms=firms) for firms in (40, 41))
    changed = {name for name, grid in base.grids.items() if (grid != more.grids[name]).any()}
    assert changed == {"load_firms", "load_wanted", "wanted_by", "substation_wanted", "substation_served"}
    zones = np.flatnonzero((base.grids["load_firms"] != more.grids["load_firms"]).any(axis=1))
    assert zones.tolist() == [0]


def test_charging_outside_the_city_is_not_the_citys_load(tmp_path):
    sim = simulate(tmp_path, 1, transit_wh=1000)
    assert sim.grids["load_transit"].sum(axis=1).tolist() == [5000, 5000, 5000, 5000, 0]
    assert sim.grids["load_wanted"][4].sum() == 0
    assert sim.grids["substation_wanted"].sum() == sim.grids["load_wanted"].sum()


# --- a shortage -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [1, 7])
def test_what_is_missing_is_shared_in_proportion_to_the_wh(tmp_path, weight):
    """Capacity, failures and a dated outage: every user's part is whole, no more than it wants, and within one unit of proportion."""
    felt = []

    def check(sim):
        wanted, missing, zones = (sim.grids[name] for name in ("wanted_by", "unserved_by", "load_unserved"))
        assert (missing.sum(axis=1) == zones).all()
        assert ((missing >= 0) & (missing <= wanted)).all()
        assert not (missing % weight).any()
        assert not (wanted % weight).any()
        whole = wanted.sum(axis=1)
        exact = zones[:, None] * (wanted / np.maximum(whole, 1)[:, None])
        assert (np.abs(missing - exact) <= 2 * weight).all()
        felt.append(missing.sum(axis=(0, 2)))

    outage = (0, seconds(2026, 1, 3, 2, 30), seconds(2026, 1, 3, 6))
    given = {**SHORT, "capacity_mw": (0.03 * weight, 0.03 * weight)}
    sim = simulate(tmp_path, 6, weight=weight, check=check, substation_failures_per_year=200.0, outage=outage, **given)
    total = np.sum(felt, axis=0)
    assert (total > 0).all()
    homes = sim.tables["households"]
    assert homes["unserved_month_wh"].sum() * weight == total[HOMES] == totals(sim)["month_unserved"][HOMES].sum()
    sums = totals(sim)
    wanted = {"homes": sums["month_wanted"][: len(USES)], "firms": sums["month_wanted"][6], "transit": sums["month_wanted"][7]}
    for user, name in enumerate(USERS):
        assert sim.ledger.balance("Wh", name) == wanted[name].sum() - total[user]
    assert sum(sim.ledger.balances("Wh").values()) == 0
    assert (homes["outage_hours_month"] <= 24 * 6).all()


def test_without_firms_and_transit_homes_miss_all(tmp_path):
    def check(sim):
        assert (sim.grids["unserved_by"][:, HOMES] == sim.grids["load_unserved"]).all()

    sim = simulate(tmp_path, 3, capacity_mw=(0.02, 0.02), check=check)
    assert totals(sim)["month_unserved"][HOMES].sum() > 0


def test_a_wh_lost_among_users_stops_the_run(tmp_path):
    check = next(item for item in DOMAIN.settlements if item.name == "check_energy")
    sim = simulate(tmp_path, 1, **SHORT)
    sim.grids["unserved_by"][1, FIRMS, 12] += 1
    with pytest.raises(RunError, match="zone row 1, hour 12: .* its users miss"):
        check.fn(sim)
    sim = simulate(tmp_path, 1, **SHORT)
    sim.grids["unserved_by"][2, TRANSIT, 3] = -5
    with pytest.raises(RunError, match="transit of zone row 2, hour 3: -5 Wh"):
        check.fn(sim)


def test_outages_are_remembered_and_forgotten_exponentially(tmp_path):
    out = (0, seconds(2026, 1, 3), seconds(2026, 1, 8))
    seen = []
    sim = simulate(tmp_path, 20, outage=out, outage_memory_days=10.0, substation_failures_per_year=0.0,
                   check=lambda sim: seen.append(sim.tables["zones"]["outage_share"].copy()))  # fmt: skip
    seen = np.array(seen)
    dark = sim.tables["zones"]["substation"] == 0
    assert not seen[:, ~dark].any()
    assert not seen[:2].any()
    top = 1 - 0.9**5
    expected = [*(1 - 0.9**n for n in range(1, 6)), *(top * 0.9**n for n in range(1, 14))]
    assert seen[2:, 0] == pytest.approx(expected, rel=1e-12)


# --- bills ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [1, 10])
def test_firms_bills_hold_all_energy_that_they_were_served(tmp_path, weight):
    sim = simulate(tmp_path, 31, homes=30, weight=weight, substation_failures_per_year=100.0, firms=40, transit_wh=2345)
    firms, ledger = sim.tables["firms"], sim.ledger
    assert firms["energy_month_wh"].sum() * weight == ledger.balance("Wh", "firms") > 0
    bill = np.rint(30.08 * firms["energy_month_wh"] / 1000)
    assert firms["energy_bill_kzt"].tolist() == bill.tolist()
    assert firms["balance_kzt"].tolist() == (-bill).tolist()  # they had nothing: it is credit
    transit = round(30.08 * ledger.balance("Wh", "transit") / weight / 1000)
    assert -ledger.balance("tenge", "transit_operator") == transit > 0
    assert ledger.balance("tenge", "utility") == bill.sum() + transit + sim.tables["households"]["energy_bill_kzt"].sum() - sim.tables[
        "households"]["arrears_kzt"].sum()
    assert sum(ledger.balances("tenge").values()) == 0


def test_each_firm_is_billed_what_it_used(tmp_path):
    used = np.zeros(30)

    def check(sim):
        hours = sim.city["temperature_c"].tolist()
        used.__iadd__([sum(exactly(sim, row, sim.city["day_off"], hours)) for row in range(30)])

    sim = simulate(tmp_path, 31, homes=10, firms=30, start=dt.date(2026, 8, 1), check=check, substation_failures_per_year=0.0)
    assert sim.tables["firms"]["energy_month_wh"] == pytest.approx(used, rel=2e-3)


def test_a_firm_that_opens_within_a_month_is_billed_its_days(tmp_path):
    """A plant that opens on the 21st of a month of 31 days is billed for eleven, and its neighbours for what they used."""
    def found(sim):
        if sim.clock.date.day == 20:
            sim.tables["firms"].insert(np.array([99]), {"sector": 1, "site": 1, "floor_m2": 100, "process_w": 50_000})

    alone, with_plant = (
        simulate(tmp_path, 31, homes=10, firms=20, check=check, substation_failures_per_year=0.0, capacity_mw=(50.0, 50.0))
        for check in (None, found)
    )
    old, firms = alone.tables["firms"], with_plant.tables["firms"]
    plant = firms.rows_of(np.array([99]))[0]
    assert firms["energy_month_wh"][plant] == pytest.approx(11 * 24 * (50_000 + 100 * 25.5), rel=0.03)
    assert firms["energy_month_wh"][firms.rows_of(old.id)] == pytest.approx(old["energy_month_wh"], rel=0.03)


def test_a_dearer_tariff_of_firms_raises_their_bills_alone(tmp_path):
    cheap, dear = (simulate(tmp_path, 31, homes=30, firms=20, policy=Policy(firm_tariff_kzt_per_kwh=t)) for t in (30.0, 60.0))
    assert dear.tables["firms"]["energy_month_wh"].tolist() == cheap.tables["firms"]["energy_month_wh"].tolist()
    assert dear.tables["firms"]["energy_bill_kzt"].sum() == pytest.approx(2 * cheap.tables["firms"]["energy_bill_kzt"].sum(), rel=1e-3)
    assert dear.tables["households"]["energy_bill_kzt"].tolist() == cheap.tables["households"]["energy_bill_kzt"].tolist()


def test_energy_of_firms_that_have_closed_is_billed_to_nobody(tmp_path):
    def close(sim):
        if sim.clock.date.day == 20:
            firms = sim.tables["firms"]
            firms.remove(np.flatnonzero(firms["site"] == 1))

    sim = simulate(tmp_path, 31, homes=10, firms=20, check=close, substation_failures_per_year=0.0)
    served = totals(sim)["month_wanted"][LOADS.index("firms")]
    assert totals(sim)["unbilled_wh"] == served[1] > 0
    assert sim.tables["firms"]["energy_month_wh"].sum() == served.sum() - served[1]


# --- spells of weather ------------------------------------------------------------------------------------------------------


def weather(tmp_path, spells, days=4):
    seen = []
    simulate(tmp_path, days, homes=20, firms=6, spells=spells, electric_heating_share=0.5, substation_failures_per_year=0.0,
             check=lambda sim: seen.append({**sim.city, "load": load(sim)}))  # fmt: skip
    return seen


def test_a_spell_sets_its_hours_and_no_others(tmp_path):
    calm = weather(tmp_path, [])
    cold = weather(tmp_path, [(seconds(2026, 1, 2, 18), seconds(2026, 1, 4, 6), -37.7)])
    before, after = (np.concatenate([day["temperature_c"] for day in days]) for days in (calm, cold))
    assert (after[42:78] == -37.7).all()  # 36 hours from the second day's 18:00
    rest = np.delete(np.arange(96), np.arange(42, 78))
    assert after[rest].tolist() == before[rest].tolist()
    for day in cold[1:]:
        assert day["temperature_mean_c"] == pytest.approx(day["temperature_c"].mean(), rel=1e-12)
        assert day["heating_degree_hours"] == pytest.approx(np.maximum(0, HEATING_BASE_C - day["temperature_c"]).sum(), rel=1e-12)
    assert cold[2]["heating_degree_hours"] == pytest.approx(24 * (HEATING_BASE_C + 37.7), rel=1e-12)
    assert cold[2]["load"].sum() > calm[2]["load"].sum()
    for name in ("temperature_mean_c", "heating_degree_hours"):
        assert cold[0][name] == calm[0][name]


def test_a_spell_on_another_day_changes_no_byte(tmp_path):
    calm, later = weather(tmp_path, []), weather(tmp_path, [(seconds(2027, 1, 1), seconds(2027, 1, 2), 40.0)])
    for one, two in zip(calm, later, strict=True):
        for name, value in one.items():
            assert np.array_equal(value, two[name]), name


def test_of_two_spells_the_later_one_counts(tmp_path):
    first, second = (seconds(2026, 1, 1, 0), seconds(2026, 1, 1, 12), -30.0), (seconds(2026, 1, 1, 6), seconds(2026, 1, 1, 9), -10.0)
    day = weather(tmp_path, [first, second], days=1)[0]["temperature_c"]
    assert day[:12].tolist() == [-30.0] * 6 + [-10.0] * 3 + [-30.0] * 3


# --- modes ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", ["compiled", "objects"])
def test_every_mode_gives_the_same_bytes(tmp_path, kernels):
    one, two = (
        simulate(tmp_path, 3, homes=24, kernels=mode, start=dt.date(2026, 1, 30), substation_failures_per_year=200.0,
                 **{**SHORT, "capacity_mw": (0.01, 0.01)}) for mode in ("plain", kernels)
    )  # fmt: skip
    for name, grid in one.grids.items():
        assert np.array_equal(grid, two.grids[name]), name
    for table in ("households", "firms", "zones", "substations"):
        for name in one.tables[table].columns:
            assert np.array_equal(one.tables[table][name], two.tables[table][name]), f"{table}.{name}"
    assert one.ledger.balances("tenge") == two.ledger.balances("tenge")
    two.close()
