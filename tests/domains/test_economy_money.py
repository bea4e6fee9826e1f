"""Money: wages against a published example, taxes by budget, tills to the tenge, kernels alike, the same bytes, tables and indicators."""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alatau_sim.domains.economy import DOMAIN
from alatau_sim.domains.economy.indicators import KPIS, RECEIVES, TABLES, build_taxes
from alatau_sim.domains.economy.money.settle import employee_pays, employer_pays, split
from alatau_sim.domains.economy.rules import earn
from alatau_sim.domains.economy.tables import BUDGETS, CITY, EMPLOYED, REGION, REPUBLIC, RETIRED, TAXES, UNEMPLOYED
from alatau_sim.engine.tables import Table
from alatau_sim.fields import Column
from alatau_sim.results.schemas import Columns

sys.path.insert(0, str(Path(__file__).parent))
from economy_city import SECTORS, run, simulation  # noqa: E402

POLICY = DOMAIN.policy()
RATES = ("pension_rate", "pension_cap_wages", "health_rate", "health_cap_wages", "income_rate", "income_rate_high", "income_high_from_mci",
         "deduction_mci", "mci_kzt", "minimum_wage_kzt")  # fmt: skip


def paid(status, wage, employer=5, level=1.0, outside=False, ratio=1.2):
    return earn(status, wage, employer, level, outside, ratio, 130_000, *(getattr(POLICY, name) for name in RATES))


class Entries:
    """The entries of a run's ledger in tenge, summed by (payer, payee), from now on until they are cleared."""

    def __init__(self, sim):
        self.sums, book = Counter(), sim.ledger.book

        def note(commodity, source, target, amount):
            book(commodity, source, target, amount)
            if commodity == "tenge":
                self.sums[source, target] += int(amount)

        sim.ledger.book = note


# --- wages ----------------------------------------------------------------------------------------------------------------------


def test_a_wage_of_half_a_million_leaves_what_the_published_example_says():
    """https://steppenews.kz/?p=55093 (2026): of 500,000 tenge 91,025 are withheld and 408,975 are paid out."""
    assert paid(EMPLOYED, 500_000) == (500_000, 408_975)


def test_who_earns_what():
    assert paid(EMPLOYED, 400_000, level=1.5)[0] == 600_000
    assert paid(EMPLOYED, 400_000, employer=-1, outside=True)[0] == 480_000
    assert paid(EMPLOYED, 400_000, employer=-1) == (0, 0)  # no place of work yet
    assert paid(UNEMPLOYED, 400_000, employer=-1) == (0, 0)
    assert paid(RETIRED, 400_000, employer=-1) == (0, 130_000)
    high = 10_000_000  # above all caps: pension of 50 and health of 20 minimum wages, 15 % above 8,500 / 12 indices
    pension, health = 425_000, 34_000
    taxed, low = high - pension - health - 30 * 4_325, 8_500 * 4_325 / 12
    assert paid(EMPLOYED, high)[1] == high - pension - health - round(0.1 * low + 0.15 * (taxed - low))


@given(st.lists(st.integers(0, 20_000_000), min_size=1, max_size=20))
def test_wages_as_arrays_are_those_of_the_rule(wages):
    gross = np.array(wages, np.int64)
    withheld = employee_pays(gross, POLICY)
    assert (gross - sum(withheld.values())).tolist() == [paid(EMPLOYED, wage)[1] for wage in wages]
    added = employer_pays(gross, withheld, POLICY)
    assert all((amount >= 0).all() for amount in (*withheld.values(), *added.values()))


def test_higher_wages_never_leave_less():
    net = [paid(EMPLOYED, wage)[1] for wage in range(0, 6_000_000, 9_973)]
    assert net == sorted(net)


# --- the month ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def month(tmp_path):
    """A city at the end of February, with the month's entries."""
    sim = simulation(tmp_path, 59, scale=4)
    for _ in range(31):
        sim.step()
    sim.tables["firms"]["accepts_crypto"][:] = sim.uniform("takes", sim.tables["firms"].id, day=-1) < 0.5
    entries = Entries(sim)
    return run(sim), entries.sums


def test_the_books_balance_and_every_tax_reaches_its_budget(month):
    sim, flows = month
    taxes = sim.state["economy"]["month"]["taxes"]
    sim.ledger.check()
    for budget, account in enumerate(BUDGETS):
        assert flows["firms", account] == taxes[:, budget].sum()
    assert (taxes[~RECEIVES] == 0).all()
    assert (taxes >= 0).all()
    for tax in TAXES:
        assert taxes[TAXES.index(tax)].sum() > 0
    both = taxes[[TAXES.index("personal_income"), TAXES.index("social")]]
    assert np.abs(both[:, REGION] - both[:, CITY]).max() <= 2  # of residents and of people from outside, each halved in whole tenge


def test_public_bodies_are_paid_what_they_cost_and_pensions_by_the_republic(month):
    sim, flows = month
    residents, firms = sim.tables["residents"], sim.tables["firms"]
    public = sim.tables["sectors"]["public"][firms["sector"]]
    assert (firms["balance_kzt"][public] == 0).all()
    total = sum(flows[account, "firms"] for account in BUDGETS)
    assert flows["republic_budget", "firms"] == round(0.3 * total)
    assert flows["region_budget", "firms"] == round(0.5 * total)
    assert flows["republic_budget", "households"] == 130_000 * (residents["status"] == RETIRED).sum()


def test_wages_come_from_firms_and_from_outside(month):
    sim, flows = month
    residents = sim.tables["residents"]
    local = residents["employer"] >= 0
    assert flows["firms", "households"] == residents["income_kzt"][local].sum()
    away = (residents["work"] >= 0) & ~local
    assert flows["rest_of_world", "households"] == residents["income_kzt"][away].sum()
    assert (residents["income_kzt"][local] > 0).all()


def test_tills_are_paid_out_to_the_tenge(month):
    sim, flows = month
    assert sim.tables["zones"]["till_kzt"].sum() == sim.tables["zones"]["till_crypto_kzt"].sum() == 0
    assert flows["tills", "firms"] + flows["tills", "rest_of_world"] == flows["households", "tills"] > 0
    assert flows["rest_of_world", "firms"] >= sim.state["economy"]["month"]["outside_sales_kzt"]
    assert sim.state["economy"]["month"]["revenue_kzt"] == sim.state["economy"]["month"]["outside_sales_kzt"] + flows["tills", "firms"]


def test_sectors_begin_in_balance(tmp_path):
    """In the first month each private sector sells what it can and keeps the declared margin before tax, but for shocks and thresholds."""
    sim = run(simulation(tmp_path, 31, scale=20, world={"demand_spread": 0.0, "margin": 0.12}, value_added_from_mci=0))
    firms, sectors, world = sim.tables["firms"], sim.tables["sectors"], sim.world.economy
    sales, able = (np.bincount(firms["sector"], weights=firms[name]) for name in ("revenue_kzt", "capacity_kzt"))
    assert sales[:3] == pytest.approx(able[:3], rel=0.03)
    space = firms["floor_m2"] * (world.workspace_rent_kzt_m2 + 0.015 * world.building_value_kzt_m2 / 12)
    inputs, vat = firms["revenue_kzt"] * sectors["inputs_share"][firms["sector"]], 0.16 / 1.16
    wages = np.bincount(sim.tables["residents"]["employer"][sim.tables["residents"]["employer"] >= 0], minlength=firms.n,
                        weights=sim.tables["residents"]["gross_kzt"][sim.tables["residents"]["employer"] >= 0])  # fmt: skip
    wages += firms["commuters"] * np.rint(world.mean_wage_kzt * firms["wage_level"].astype(float))
    profit = (firms["revenue_kzt"] - inputs) * (1 - vat) - space - wages * 1.148
    private = firms["sector"] < 3
    assert profit[private].sum() / firms["revenue_kzt"][private].sum() == pytest.approx(0.12, abs=0.025)


def test_relief_leaves_firms_more_and_the_budgets_less(tmp_path):
    taxes = [run(simulation(tmp_path, 31, scale=4, tax_relief_share=r)).state["economy"]["month"]["taxes"] for r in (0.0, 0.5, 1.0)]
    profit, estate = TAXES.index("corporate_income"), TAXES.index("property")
    for tax in (profit, estate):
        assert taxes[0][tax].sum() > taxes[1][tax].sum() > taxes[2][tax].sum() == 0
    others = [k for k in range(len(TAXES)) if k not in (profit, estate)]
    np.testing.assert_array_equal(taxes[0][others], taxes[2][others])


@pytest.mark.parametrize("higher", [{"value_added_rate": 0.3}, {"social_rate": 0.2}, {"property_rate": 0.05}])
def test_a_higher_tax_is_paid_out_of_profits(tmp_path, higher):
    """What firms sell and buy is set under today's taxes, so a tax that is higher from the first day on takes from profit, to the tenge."""
    today, dear = (run(simulation(tmp_path, 31, scale=4, **policy)) for policy in ({}, higher))
    for name in ("revenue_per_job_kzt", "inputs_share", "local_share", "job_wage_kzt"):
        np.testing.assert_array_equal(today.tables["sectors"][name], dear.tables["sectors"][name])
    np.testing.assert_array_equal(today.tables["firms"]["revenue_kzt"], dear.tables["firms"]["revenue_kzt"])
    profit = TAXES.index("corporate_income")
    taxes = [sim.state["economy"]["month"]["taxes"] for sim in (today, dear)]
    assert taxes[1].sum() > taxes[0].sum()
    assert taxes[1][profit].sum() < taxes[0][profit].sum()


def test_electricity_is_a_cost_of_firms_and_budgets_pay_that_of_public_bodies(tmp_path):
    each = 2_000
    sims, flows = [], []
    for kzt in (0, each):
        sim = simulation(tmp_path, 59, scale=4, world={"demand_spread": 0.0, "exit_rate": 0.0})
        sim.state["power"]["bill_kzt"] = kzt
        for _ in range(31):
            sim.step()
        entries = Entries(sim)
        flows.append(entries.sums)
        sims.append(run(sim))
    without, billed = flows
    firms = sims[1].tables["firms"]
    public = sims[1].tables["sectors"]["public"][firms["sector"]]
    bills = np.array([each * int(firms["jobs"][public].sum()), each * int(firms["jobs"][~public].sum())])
    budgets = [sum(entries[account, "firms"] for account in BUDGETS) for entries in flows]
    assert budgets[1] - budgets[0] == pytest.approx(bills[0], rel=0.02)  # the bill of January; some positions have come since
    profit = [sim.state["economy"]["month"]["taxes"][TAXES.index("corporate_income")].sum() for sim in sims]
    assert 0 < profit[0] - profit[1] <= 0.2 * bills[1] * 1.02
    assert (firms["balance_kzt"][public] == -each * firms["jobs"][public]).all()  # what came after the books were closed
    assert billed["rest_of_world", "firms"] - without["rest_of_world", "firms"] <= bills[1]


def test_nothing_is_sold_outside_without_electricity(tmp_path):
    """A zone that was dark for a part of the time sells that much less outside, and no other zone sells anything less."""
    lit, dark = (simulation(tmp_path, 31, scale=4) for _ in range(2))
    dark.tables["zones"]["outage_share"][2] = 0.25
    sales = [run(sim).tables["firms"]["revenue_kzt"] for sim in (lit, dark)]
    there, plants = (lit.tables["firms"][name] for name in ("site", "sector"))
    assert (sales[0] == sales[1])[there != 2].all()
    plants = (there == 2) & (plants == 0)  # which sell outside only
    assert sales[1][plants].sum() == pytest.approx(0.75 * sales[0][plants].sum(), rel=1e-6)


def test_public_bodies_that_sell_ask_the_budgets_for_the_rest(tmp_path):
    """A tenth of what residents buy goes to public bodies; then all of it, more than they cost, and the rest is the city's."""
    flows = []
    for shares in ((0.8, 0.2, 0.0), (0.7, 0.2, 0.1), (0.0, 0.0, 1.0)):
        rows = list(SECTORS)
        for row, share, old in zip((1, 2, 3), shares, (",4,0.8,", ",5,0.2,", ",20,0,"), strict=True):
            rows[row] = rows[row].replace(old, f"{old[: old.index(',', 1)]},{share},")
        sim = simulation(tmp_path, 31, scale=4, rows=tuple(rows))
        entries = Entries(sim)
        run(sim)
        sim.ledger.check()
        assert (sim.tables["firms"]["balance_kzt"][sim.tables["sectors"]["public"][sim.tables["firms"]["sector"]]] == 0).all()
        flows.append(sum(entries.sums[account, "firms"] for account in BUDGETS))
    assert flows[0] > flows[1] > flows[2] == 0


@pytest.mark.parametrize("world", [{"margin": 0.9}, {"margin": 0.9, "least_inputs_share": 0.9}, {"least_inputs_share": 0.9}])
def test_no_margin_makes_firms_buy_less_than_nothing(tmp_path, world):
    sim = run(simulation(tmp_path, 31, world=world))
    assert (sim.tables["sectors"]["inputs_share"] >= 0).all()


def test_large_firms_pay_profit_tax_to_the_republic(tmp_path):
    tax = TAXES.index("corporate_income")
    small = run(simulation(tmp_path, 31, large_firm_jobs=10**6)).state["economy"]["month"]["taxes"][tax]
    large = run(simulation(tmp_path, 31, large_firm_jobs=1)).state["economy"]["month"]["taxes"][tax]
    assert small[REPUBLIC] == 0 < small[REGION]
    assert large[REPUBLIC] > 0.5 * large.sum()
    assert small.sum() == large.sum()


def test_of_a_part_of_a_month_that_part_is_paid(tmp_path):
    whole, part = (run(simulation(tmp_path, days, start=start, scale=3)) for days, start in (
        (31, dt.date(2026, 1, 1)), (10, dt.date(2026, 1, 1))))  # fmt: skip
    full, some = (sim.state["economy"]["month"]["taxes"] for sim in (whole, part))
    assert some[TAXES.index("pension")].sum() == pytest.approx(full[TAXES.index("pension")].sum() * 10 / 31, rel=1e-4)
    for sim in (whole, part):
        firms = sim.tables["firms"]
        assert firms["revenue_kzt"].sum() == pytest.approx(sim.state["economy"]["month"]["revenue_kzt"] / (1 if sim is whole else 10 / 31),
                                                           rel=1e-4)  # fmt: skip


def test_a_zone_without_shops_pays_its_till_to_the_world(tmp_path):
    sim = simulation(tmp_path, 31)
    for _ in range(30):
        sim.step()
    zone = int(sim.tables["zones"]["till_kzt"].argmax())
    till = int(sim.tables["zones"]["till_kzt"][zone])
    firms = sim.tables["firms"]
    firms["sector"][(firms["site"] == zone) & (firms["sector"] != 3)] = 0
    entries = Entries(sim)
    run(sim)
    assert entries.sums["tills", "rest_of_world"] >= till > 0


# --- splitting ------------------------------------------------------------------------------------------------------------------

SHOPS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**12)), min_size=1, max_size=30)


@given(SHOPS, st.lists(st.integers(0, 10**14), min_size=4, max_size=4), st.randoms(use_true_random=False))
def test_parts_add_up_whatever_the_row_order(shops, totals, shuffled):
    def firms_of(rows):
        firms = Table("firms", {"site": Column("site", "int32")})
        firms.insert(np.array([11 * row + 3 for row in rows]), {"site": np.array([shops[row][0] for row in rows])})
        return firms, np.array([shops[row][1] for row in rows], np.int64)

    rows = list(range(len(shops)))
    firms, weight = firms_of(rows)
    total = np.array(totals, np.int64)
    parts = split(firms, total, weight)
    assert (parts >= 0).all()
    for zone in range(4):
        there = (firms["site"] == zone) & (weight > 0)
        assert parts[there].sum() == (total[zone] if there.any() else 0)
        exact = float(total[zone]) * (weight[there] / max(weight[there].sum(), 1))
        assert np.abs(parts[there] - exact).max(initial=0) <= 1 + total[zone] * 1e-12
    assert (parts[weight == 0] == 0).all()
    shuffled.shuffle(rows)
    again, weight = firms_of(rows)
    assert split(again, total, weight).tolist() == parts[rows].tolist()


def test_crypto_goes_only_to_shops_that_take_it(tmp_path):
    """Two cities, alike but for the shops that take crypto: who does gets more by exactly what it took, others less."""
    sales = []
    for takes in (False, True):
        sim = simulation(tmp_path, 31)
        for _ in range(30):
            sim.step()
        firms = sim.tables["firms"]
        shops = np.flatnonzero((firms["site"] == 1) & (firms["sector"] == 1) & (firms["staff"] > 0))
        firms["accepts_crypto"][shops[0]] = takes
        run(sim)
        sales.append((shops, firms["revenue_kzt"].copy(), firms["site"].copy()))
    (shops, none, site), (_, one, _) = sales
    assert one[shops[0]] > none[shops[0]]
    others = (site == 1) & (np.arange(len(site)) != shops[0])
    assert (one[others] <= none[others] + 1).all()
    assert (one[site != 1] == none[site != 1]).all()
    assert one.sum() == none.sum()


# --- the same in every way ------------------------------------------------------------------------------------------------------


def state(sim):
    return {(name, column): table[column].copy() for name, table in sim.tables.items() for column in table.columns}


def same(a, b):
    for key, values in state(a).items():
        np.testing.assert_array_equal(values, state(b)[key], err_msg=str(key))
    assert a.ledger.balances("tenge") == b.ledger.balances("tenge")


def test_compiled_plain_and_objects_are_alike(tmp_path):
    compiled, plain, objects = (run(simulation(tmp_path, 34, kernels=kernels)) for kernels in ("compiled", "both", "objects"))
    same(compiled, plain)
    same(compiled, objects)


def test_the_same_scenario_is_the_same_to_the_byte(tmp_path):
    same(*(run(simulation(tmp_path, 70, scale=3, threads=threads)) for threads in (1, 2)))


def test_luck_of_replicates_differs_and_the_start_does_not(tmp_path):
    one, two = simulation(tmp_path, 40, replicate=1), simulation(tmp_path, 40, replicate=2)
    np.testing.assert_array_equal(one.tables["firms"]["jobs"], two.tables["firms"]["jobs"])
    np.testing.assert_array_equal(one.tables["residents"]["work"], two.tables["residents"]["work"])
    assert run(one).ledger.balances("tenge") != run(two).ledger.balances("tenge")


@pytest.mark.parametrize("weight", [3, 10])
def test_a_sample_runs_with_books_that_balance(tmp_path, weight):
    whole, part = run(simulation(tmp_path, 62, scale=40)), run(simulation(tmp_path, 62, scale=40, weight=weight))
    for name in ("jobs", "tax_revenue", "mean_wage", "revenue"):
        kpi = next(kpi for kpi in KPIS if kpi.name == name)
        assert kpi.compute(part) == pytest.approx(kpi.compute(whole), rel=0.08)


# --- what is recorded -----------------------------------------------------------------------------------------------------------


def test_tables_and_indicators_agree(tmp_path):
    sim = run(simulation(tmp_path, 59, scale=4, weight=2))
    labels = {"zone": tuple(f"zone-{k}" for k in range(7)), "sector": sim.names["sectors"]}
    built = {table.name: table.build(sim) for table in TABLES}
    for table in TABLES:
        Columns(table, labels).batch(dt.date(2026, 2, 1), built[table.name])
    value = {kpi.name: kpi.compute(sim) for kpi in KPIS}
    jobs, firms = built["jobs_month"], built["firms_month"]
    assert value["jobs"] == jobs["filled"].sum() == firms["filled"].sum()
    assert value["firms"] == jobs["firms"].sum() == built["firm_sizes_year"]["firms"].sum()
    assert value["vacancies"] == jobs["vacancies"].sum() == (jobs["jobs"] - jobs["filled"]).sum()
    assert value["commuters_in"] == jobs["commuters"].sum()
    assert value["commuters_out"] == jobs["residents_out"].sum()
    assert value["tax_revenue"] == build_taxes(sim)["amount_kzt"].sum() > 0
    assert value["tax_revenue"] == sum(value[f"taxes_to_{budget}"] for budget in BUDGETS) == sum(value[f"tax_{tax}"] for tax in TAXES)
    zones = sim.tables["zones"]
    assert (jobs["workspace_free_m2"] == zones["workspace_free_m2"][:5]).all()
    assert all(np.isfinite(number) for number in value.values())


def test_every_table_of_the_indicators_is_recorded():
    known = {table.name for table in TABLES} | {"kpi_month"}
    assert {kpi.table for kpi in KPIS} <= known
    assert len({kpi.name for kpi in KPIS}) == len(KPIS)


def test_the_plan_says_who_writes_what(tmp_path):
    """Every item of the economy writes what it declares and nothing else, in a month with all kinds of events."""
    sim = simulation(tmp_path, 62, scale=4)
    undeclared = set()

    def snapshot():
        found = {f"{name}.{column}": table[column].copy() for name, table in sim.tables.items() for column in table.columns}
        found |= {name: table.id.copy() for name, table in sim.tables.items()}
        accounts = {account for commodity in sim.ledger._balances.values() for account in commodity}
        return found | {f"account:{a}": np.array([sim.ledger.balance(c, a) for c in ("tenge", "jobs")]) for a in accounts}

    def around(item, go):
        before = snapshot()
        go()
        if item.domain != "economy":
            return
        declared = {name.removeprefix("+") for name in item.writes}
        for name, value in snapshot().items():
            old = before.get(name, np.zeros_like(value))
            table, _, column = name.partition(".")
            # Rows that come or go change every column, and the index columns that point to them.
            moved = table in declared or (column and sim.tables[table].columns[column].index in declared)
            if name not in declared and not moved and not np.array_equal(old, value):
                undeclared.add(f"{item.name} writes {name}")

    sim.around_item = around
    run(sim)
    assert not undeclared
