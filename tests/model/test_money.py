"""The money of the whole city, item by item and month by month: who pays whom what, and that nothing is lost, owed twice or made."""

from __future__ import annotations

import sys
from calendar import monthrange
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from alatau_sim.domains.economy.tables import BUDGETS
from alatau_sim.domains.people.tables import RETIRED

sys.path.insert(0, str(Path(__file__).parent))
from cities import simulate  # noqa: E402

WATCHED = {"households": ("households", "balance_kzt"), "firms": ("firms", "balance_kzt"), "tills": ("zones", "till_kzt")}
TENGE = "tenge"
RICH = ("policy.payments.merchant_grant_kzt=90000", "policy.payments.signup_bonus_kzt=20000", "policy.payments.campaign_reach_share=0.4")
RESTLESS = ("world.economy.exit_rate=2", "world.economy.entry_factor=3", "world.economy.demand_spread=0.9")
CITIES = {
    "from mid-month to mid-month": ("run.start=2026-01-12", "run.end=2026-04-09", *RICH, *RESTLESS),
    "a sample of one in four": ("city.residents=2400", "run.sample=0.25", "run.end=2026-03-16", *RICH, *RESTLESS),
    "without levers": ("run.end=2026-05-31", *RESTLESS),
}  # fmt: skip


class Cashier:
    """Looks at every plan item of a run: what it books, and what becomes of the columns that accounts stand for.

    `flows` holds the month's tenge by (item, payer, payee); `months` calls the checks of this module as each month closes.
    """

    def __init__(self, model):
        self.sim, self.flows, self.item, self.purchases = model.sim, Counter(), "", 0
        self.closed, self.dissolved, self.exits = 0, 0, 0
        self._book, self.sim.ledger.book = self.sim.ledger.book, self.book
        self.sim.around_item = self.around
        model.observe(self)

    def book(self, commodity, source, target, amount):
        self._book(commodity, source, target, amount)
        if commodity == TENGE:
            self.flows[self.item, source, target] += int(amount)

    def around(self, item, run):
        """Each item changes each account and its column alike, not only all of them together as the day closes."""
        before = {account: self.held(account) for account in WATCHED}
        households = self.sim.tables["households"].n
        self.item = item.name
        run()
        self.item = ""
        for account, (column, booked) in before.items():
            held, now = self.held(account)
            assert held - column == now - booked, f"{item.name} on {self.sim.clock.date}: {account}"
        self.dissolved += households > self.sim.tables["households"].n

    def held(self, account):
        table, column = WATCHED[account]
        return self.sim.tables[table].total(column), self.sim.ledger.balance(TENGE, account)

    def paid(self, item, source, target):
        return self.flows[item, source, target]

    def day_closed(self, sim):
        self.purchases += int(sim.grids["payments_value_kzt"].sum()) // sim.weight
        for commodity in sim.ledger._balances:
            assert sum(sim.ledger.balances(commodity).values()) == 0, commodity
        assert (sim.tables["households"]["balance_kzt"] >= 0).all(), sim.clock.date
        assert (sim.tables["zones"]["till_crypto_kzt"] <= sim.tables["zones"]["till_kzt"]).all()
        positions_and_space(sim)

    def month_closed(self, sim):
        households_month(self, sim)
        firms_month(self, sim)
        self.flows.clear()
        self.closed, self.purchases = self.closed + 1, 0
        self.exits += sim.state["economy"]["month"]["exits"]

    def year_closed(self, sim):
        pass


def positions_and_space(sim):
    """Positions, those who fill them, and floor space are where they are said to be, zone by zone."""
    firms, zones, residents, w = sim.tables["firms"], sim.tables["zones"], sim.tables["residents"], sim.weight
    filled = firms["staff"].astype(np.int64) + firms["commuters"]
    booked = sim.ledger.balances("jobs")
    assert booked["positions"] == firms["jobs"].sum()
    assert booked["residents_at_work"] + booked["commuters_at_work"] == filled.sum()
    assert (residents["employer"] >= 0).sum() == firms["staff"].sum()
    local = residents["employer"] >= 0
    assert (residents["work"][local] == firms["site"][residents["employer"][local]]).all()
    at_firms = np.bincount(firms["site"], weights=filled, minlength=zones.n) * w
    inside = ~zones["outside"]
    assert (zones["jobs"][inside] == at_firms[inside]).all()
    assert (zones["workspace_free_m2"] >= 0).all()
    occupied = np.bincount(firms["site"], weights=firms["floor_m2"], minlength=zones.n) * w + sim.state["economy"]["beyond_m2"]
    assert (occupied + zones["workspace_free_m2"] == zones["workspace_m2"]).all()


def part_of(sim):
    """The part of the month that the run has had."""
    return int(sim.month_days.sum()) / monthrange(sim.clock.date.year, sim.clock.date.month)[1]


def households_month(cashier, sim):
    """Households' balance changes by income − purchases − outlay − rent − fares − bills, each worked out from other columns."""
    residents, households, part, paid = sim.tables["residents"], sim.tables["households"], part_of(sim), cashier.paid
    income = np.rint(residents["income_kzt"] * part).astype(np.int64)
    local, retired = residents["employer"] >= 0, residents["status"] == RETIRED
    assert paid("close_month", "firms", "households") == income[local].sum()
    assert paid("close_month", "rest_of_world", "households") == income[~local & ~retired].sum()
    assert paid("close_month", "republic_budget", "households") == income[retired].sum()
    assert (income[~local & (residents["work"] < 0) & ~retired] == 0).all()
    assert paid("pay_shops", "households", "tills") == cashier.purchases > 0
    outlay = np.rint(households["income_kzt"] * (part * sim.world.payments.fixed_outlay_share)).sum()
    assert 0.5 * outlay < paid("close_payments_month", "households", "rest_of_world") <= outlay
    assert paid("close_payments_month", "city_budget", "households") == sim.tables["residents"]["wallet_bonus_kzt"].sum()
    rents = np.rint(households["rent_kzt"] * part).sum()
    assert 0.5 * rents <= paid("pay_rent", "households", "landlords") <= rents
    bills = households["energy_bill_kzt"].sum()
    assert 0.5 * bills < paid("bill_homes", "households", "utility")
    fares = sum(paid("pay_fares", payer, "transit_operator") for payer in ("households", "rest_of_world"))
    assert fares * sim.weight == sim.state["mobility"]["month"]["fares_kzt"]
    known = {"close_month", "pay_shops", "close_payments_month", "pay_rent", "bill_homes", "pay_fares", "arrive", "bury", "depart"}
    assert {item for item, *accounts in cashier.flows if "households" in accounts} <= known


def firms_month(cashier, sim):
    """Tills are empty, taxes are in their budgets, public bodies have nothing, and nobody owes more than last month's electricity."""
    firms, paid, month = sim.tables["firms"], cashier.paid, sim.state["economy"]["month"]
    assert (sim.tables["zones"]["till_kzt"] == 0).all()
    assert sum(paid("close_month", "tills", to) for to in ("firms", "rest_of_world")) == cashier.purchases
    for number, budget in enumerate(BUDGETS):
        assert paid("close_month", "firms", budget) == month["taxes"][:, number].sum()
    public = sim.tables["sectors"]["public"][firms["sector"]]
    assert (firms["balance_kzt"][public] == -firms["energy_bill_kzt"][public]).all()
    assert (firms["balance_kzt"] >= -firms["energy_bill_kzt"]).all()
    assert paid("bill_firms", "firms", "utility") == firms["energy_bill_kzt"].sum()
    assert paid("close_payments_month", "city_budget", "firms") == sim.state["payments"]["grants_kzt"]
    staff = np.bincount(firms["sector"], weights=firms["staff"] + firms["commuters"], minlength=sim.tables["sectors"].n)
    wages = paid("close_month", "firms", "households") + paid("close_month", "firms", "rest_of_world")
    assert wages > 0 or staff.sum() == 0
    known = {"close_month", "close_firms", "open_firms", "advance_projects", "bill_firms", "close_payments_month"}
    assert {item for item, *accounts in cashier.flows if "firms" in accounts} <= known


@pytest.mark.parametrize("city", CITIES)
def test_every_tenge_has_two_sides_and_every_month_adds_up(city):
    cashiers = []
    model = simulate(*CITIES[city], start=lambda model: cashiers.append(Cashier(model)))
    assert cashiers[0].closed == model.date.month
    assert cashiers[0].dissolved > 0
    assert cashiers[0].exits > 0
    assert model.sim.ledger.balance("tenge owed", "homes") == model.sim.tables["households"]["arrears_kzt"].sum()


# --- from a shortage to firms and people ----------------------------------------------------------------------------------------

CALM = (
    "city.residents=5000", "run.end=2026-04-30", "world.payments.card_failures_per_year=0", "world.energy.substation_failures_per_year=0",
    "world.payments.crypto_shops_share=0.02", "policy.payments.crypto_rail_capacity_per_s=5", "policy.energy.substation_reserve_share=2",
)  # fmt: skip


class Months:
    """What each month brought: indicators, and sales by zone."""

    def __init__(self, model, *outage):
        self.model, self.kpis, self.sales, self.left = model, [], [], []
        model.observe(self)
        if outage:
            system, rows, first, last = outage
            for row in rows:
                model.sim.add_outage(system, row, (model.sim.clock.first + first) * 86_400, (model.sim.clock.first + last) * 86_400)

    def day_closed(self, sim):
        pass

    def month_closed(self, sim):
        firms = sim.tables["firms"]
        self.kpis.append({kpi.name: kpi.compute(sim) for kpi in self.model.kpis})
        self.sales.append(np.bincount(firms["site"], weights=firms["revenue_kzt"], minlength=sim.tables["zones"].n))
        self.left.append(sim.tables["households"].id.copy())

    def year_closed(self, sim):
        pass


def months(*outage):
    found = []
    simulate(*CALM, start=lambda model: found.append(Months(model, *outage)))
    return found[0]


def test_a_rail_that_fails_costs_shops_their_sales_and_then_people_their_jobs():
    """Cards fail all January: what is lost is what firms do not sell, to the tenge; two months later there are fewer positions."""
    calm, out = months(), months("payments", [1], 0, 31)
    lost = out.kpis[0]["lost_sales_value"]
    assert lost > 0.1 * calm.kpis[0]["payments_value"]
    assert calm.kpis[0]["payments_value"] - out.kpis[0]["payments_value"] == pytest.approx(lost, rel=0.05)  # who has little spends less
    sold = calm.kpis[0]["revenue"] - out.kpis[0]["revenue"]
    assert sold == calm.kpis[0]["payments_value"] - out.kpis[0]["payments_value"]
    assert out.kpis[0]["outside_sales"] == calm.kpis[0]["outside_sales"]
    assert out.kpis[0]["jobs"] == calm.kpis[0]["jobs"]
    jobs = [[month["jobs"] + month["vacancies"] for month in run.kpis] for run in (calm, out)]
    assert jobs[1][2] < 0.995 * jobs[0][2]
    assert out.kpis[3]["unemployment"] > calm.kpis[3]["unemployment"]


def test_a_power_cut_costs_payments_production_and_people():
    """A substation is out for ten days: its zones' payments and production fall, other zones sell no less, and more people leave."""
    found = []
    simulate(*CALM, days=1, start=lambda model: found.append(model))
    zones = found[0].sim.tables["zones"]
    busiest = int(np.bincount(zones["substation"][zones["substation"] >= 0], weights=zones["jobs"][zones["substation"] >= 0]).argmax())
    dark = zones["substation"] == busiest
    calm, out = months(), months("power", [busiest], 15, 25)
    assert out.kpis[0]["electricity_unserved_firms"] > 0
    assert out.kpis[0]["lost_sales"] > calm.kpis[0]["lost_sales"]
    assert out.kpis[0]["outside_sales"] < calm.kpis[0]["outside_sales"]
    sold = calm.sales[0], out.sales[0]
    assert sold[1][dark].sum() < 0.95 * sold[0][dark].sum()
    assert out.kpis[2]["jobs"] < calm.kpis[2]["jobs"]
    assert set(out.left[1].tolist()) < set(calm.left[1].tolist())  # who left the calm city left this one, and some more
