"""The month's money: sales, wages, taxes by the budget that receives them, costs and profits, as entries that balance to the tenge.

A firm's people can sell in proportion to what they earn, so that better paid people make more and no firm loses money by luck alone. Of a
month that the run has in part, all get and pay that part. A zone's outages lower what it sells outside by its smoothed share, so they are
felt for some weeks. Left out: credit, depreciation, losses carried forward, investment out of what firms keep, simplified tax regimes of
small firms, and that some goods and services are free of value-added tax.
"""

from __future__ import annotations

from calendar import monthrange
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alatau_sim.domains.economy.params import Policy
from alatau_sim.domains.economy.tables import BUDGETS, CITY, EMPLOYED, PENSION_FUND, REGION, REPUBLIC, RETIRED, SOCIAL_FUNDS, TAXES
from alatau_sim.engine.rule import settlement

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
MONEY = "tenge"


def whole(values: NDArray[Any] | float) -> Ints:
    """Amounts in whole tenge, each rounded once (half to even)."""
    return np.asarray(np.rint(values)).astype(np.int64)


# --- wages and what is withheld -------------------------------------------------------------------------------------------------


def employee_pays(gross: NDArray[Any], policy: Any) -> dict[str, Ints]:
    """What is withheld of monthly wages, by tax: `rules.earn` for arrays."""
    least = policy.minimum_wage_kzt
    pension = whole(policy.pension_rate * np.minimum(gross, policy.pension_cap_wages * least))
    health = whole(policy.health_rate * np.minimum(gross, policy.health_cap_wages * least))
    taxed = np.maximum(gross - pension - health - policy.deduction_mci * policy.mci_kzt, 0.0)
    high_from = policy.income_high_from_mci * policy.mci_kzt / 12.0
    tax = whole(policy.income_rate * np.minimum(taxed, high_from) + policy.income_rate_high * np.maximum(taxed - high_from, 0.0))
    return {"pension": pension, "health": health, "personal_income": tax}


def employer_pays(gross: NDArray[Any], withheld: dict[str, Ints], policy: Any) -> dict[str, Ints]:
    """What employers pay beyond monthly wages, by tax; social tax is on the wage less the employee's two contributions."""
    least, after_pension = policy.minimum_wage_kzt, gross - withheld["pension"]
    return {
        "social": whole(policy.social_rate * (after_pension - withheld["health"])),
        "pension": whole(policy.employer_pension_rate * np.minimum(gross, policy.pension_cap_wages * least)),
        "health": whole(policy.employer_health_rate * np.minimum(gross, policy.employer_health_cap_wages * least)),
        "social_insurance": whole(policy.social_insurance_rate * np.minimum(after_pension, policy.social_insurance_cap_wages * least)),
    }


def wages(sim: Any) -> Ints:
    """Gross monthly wages of residents: what their skills are worth, at the wage level of their employer or of places outside."""
    residents, levels = sim.tables["residents"], sim.tables["firms"]["wage_level"].astype(np.float64)
    employer = residents["employer"]
    level = np.where(employer >= 0, np.append(levels, 0.0)[employer], sim.world.economy.outside_wage_ratio)
    works = (residents["status"] == EMPLOYED) & (residents["work"] >= 0)
    return np.where(works, whole(residents["wage_kzt"] * level), 0)


def commuter_wages(sim: Any) -> Ints:
    """Gross monthly wage of one person from outside at each firm."""
    return whole(sim.world.economy.mean_wage_kzt * sim.tables["firms"]["wage_level"].astype(np.float64))


# --- the start ------------------------------------------------------------------------------------------------------------------


def begin_wages(sim: Any) -> None:
    """Give residents the wages and incomes that they begin with."""
    residents = sim.tables["residents"]
    residents["gross_kzt"][:] = wages(sim)
    residents["income_kzt"][:] = incomes(sim, sim.policy.economy)


def balance_sectors(sim: Any) -> None:
    """Set sales, inputs and the share sold to residents of each sector so that a month under today's taxes leaves the margin as profit.

    Sales per job are those of the file, raised where they would not cover costs, or where residents buy more than the shops could sell.
    Taxes are the declared ones and not the scenario's, so that other taxes change what firms keep and not what they sell and buy.
    """
    residents, firms, sectors = sim.tables["residents"], sim.tables["firms"], sim.tables["sectors"]
    policy, world, n = Policy(), sim.world.economy, sim.tables["sectors"].n
    gross = residents["gross_kzt"]
    income = int(incomes(sim, policy).sum())
    local, sector = residents["employer"] >= 0, firms["sector"]
    paid = np.bincount(sector[residents["employer"][local]], weights=gross[local], minlength=n)
    paid += np.bincount(sector, weights=firms["commuters"] * commuter_wages(sim), minlength=n)
    filled = np.bincount(sector, weights=firms["staff"] + firms["commuters"], minlength=n)
    wage = np.where(filled > 0, paid / np.maximum(filled, 1), world.mean_wage_kzt * sectors["wage_level"])
    labour = wage + sum(employer_pays(wage, employee_pays(wage, policy), policy).values())
    space = sectors["floor_m2_per_job"] * (world.workspace_rent_kzt_m2 + _property_tax(policy, world))
    vat = 1.0 + policy.value_added_rate
    keeps = max((1.0 - world.least_inputs_share) / vat - world.margin, 0.01)
    needs = (labour + space) / keeps
    bought = sectors["purchase_share"] * _spending_share(sim) * income
    sales = np.maximum(np.maximum(sectors["revenue_per_job_kzt"], needs), np.where(filled > 0, bought / np.maximum(filled, 1), 0.0))
    sectors["job_wage_kzt"][:], sectors["revenue_per_job_kzt"][:] = wage, sales
    sectors["local_share"][:] = np.where(filled > 0, np.minimum(bought / np.maximum(sales * filled, 1.0), 1.0), sectors["sells_to_people"])
    sectors["inputs_share"][:] = np.maximum(1.0 - (world.margin + (labour + space) / sales) * vat, 0.0)
    sectors["jobs_per_resident"][:] = np.bincount(sector, weights=firms["jobs"], minlength=n) / max(residents.n, 1)


def incomes(sim: Any, policy: Any) -> Ints:
    """Monthly incomes of residents after what is withheld of their wages: `rules.earn` for arrays."""
    gross, status = sim.tables["residents"]["gross_kzt"], sim.tables["residents"]["status"]
    return np.where(status == RETIRED, sim.world.people.pension_kzt, gross - sum(employee_pays(gross, policy).values()))


def _spending_share(sim: Any) -> float:
    """The share of income that residents spend in shops: the payments domain's world, where there is one."""
    return float(getattr(getattr(sim.world, "payments", None), "spend_share", 0.0))


def _property_tax(policy: Any, world: Any) -> float:
    """Property tax on a m2 of floor space in a month [KZT], without relief."""
    return float(policy.property_rate * world.building_value_kzt_m2 / 12)


def start_books(sim: Any) -> None:
    """Give firms the money and the last month's sales that they begin with."""
    firms, sectors, world = sim.tables["firms"], sim.tables["sectors"], sim.world.economy
    sector = firms["sector"]
    paid = _paid_by(sim, sim.tables["residents"]["gross_kzt"])
    private = ~sectors["public"][sector]
    firms["balance_kzt"][:] = np.where(private, whole(world.cash_months * paid), 0)
    firms["capacity_kzt"][:] = _capacity(sim, paid)
    outside = 1.0 - sectors["local_share"][sector]
    firms["revenue_kzt"][:] = whole(firms["capacity_kzt"] * np.where(private, 1.0 + outside * (firms["demand"] - 1.0), 1.0))


def _paid_by(sim: Any, gross: Ints) -> Ints:
    """Gross wages of a month that each firm pays, to residents and to people from outside."""
    firms, employer = sim.tables["firms"], sim.tables["residents"]["employer"]
    local = employer >= 0
    paid = np.bincount(employer[local], weights=gross[local], minlength=firms.n).astype(np.int64)
    return np.asarray(paid + firms["commuters"] * commuter_wages(sim))


def _capacity(sim: Any, paid: Ints) -> Ints:
    """What the people of each firm can sell in a month, by what they are paid."""
    sectors, sector = sim.tables["sectors"], sim.tables["firms"]["sector"]
    return whole(paid * (sectors["revenue_per_job_kzt"] / sectors["job_wage_kzt"])[sector])


# --- the month ------------------------------------------------------------------------------------------------------------------


class Books:
    """One month's entries while they are made: the part of the month, taxes by budget, and each firm's costs of labour."""

    def __init__(self, sim: Any) -> None:
        days, date = int(sim.month_days.sum()) + 1, sim.clock.date  # those closed before, and today
        self.sim, self.part = sim, days / monthrange(date.year, date.month)[1]
        self.taxes = np.zeros((len(TAXES), len(BUDGETS)), np.int64)
        self.labour = np.zeros(sim.tables["firms"].n, np.int64)

    def pay(self, source: str, target: str, amount: int) -> None:
        """Book tenge."""
        self.sim.ledger.book(MONEY, source, target, amount)

    def tax(self, tax: str, budget: int, amount: int) -> None:
        """Let firms pay a tax into a budget."""
        self.taxes[TAXES.index(tax), budget] += amount
        self.pay("firms", BUDGETS[budget], amount)

    def local_tax(self, tax: str, amount: int) -> None:
        """Let firms pay a tax that region and city share."""
        region = round(amount * self.sim.policy.economy.region_share)
        self.tax(tax, REGION, region)
        self.tax(tax, CITY, amount - region)


@settlement(
    phase="account", every="1 month",
    reads=(
        "residents.gross_kzt", "residents.income_kzt", "residents.employer", "residents.household", "residents.status", "firms.staff",
        "firms.commuters", "firms.floor_m2", "firms.demand", "firms.anchor", "firms.wage_level", "firms.accepts_crypto", "firms.sector",
        "firms.site", "firms.energy_bill_kzt", "zones.outage_share", "sectors.revenue_per_job_kzt", "sectors.local_share",
        "sectors.inputs_share", "sectors.public",
    ),
    writes=(
        "+zones.till_kzt", "+zones.till_crypto_kzt", "+households.balance_kzt", "+firms.balance_kzt", "firms.revenue_kzt",
        "firms.capacity_kzt", "firms.loss_months", "account:firms", "account:households", "account:tills", "account:landlords",
        "account:rest_of_world", *(f"account:{budget}" for budget in BUDGETS),
    ),
)  # fmt: skip
def close_month(sim: Any) -> None:
    """Share the tills, book the sales outside, pay wages, pensions, taxes and costs, and what owners take out or must bring in.

    The bill for electricity comes after the books are closed: it was paid a month ago, and is a cost now.
    """
    books = Books(sim)
    firms, sectors = sim.tables["firms"], sim.tables["sectors"]
    firms["capacity_kzt"][:] = _capacity(sim, _paid_by(sim, sim.tables["residents"]["gross_kzt"]))
    public = sectors["public"][firms["sector"]]
    sales = share_tills(books)
    outside_sales = sell_outside(books, sales, ~public)
    sales += outside_sales
    firms["revenue_kzt"][:] = whole(sales / books.part)
    pay_residents(books)
    pay_commuters(books)
    pay_pensions(books)
    pay_public(books, sales, public)
    firms["balance_kzt"][:] += settle_private(books, sales, ~public) + firms["energy_bill_kzt"]
    short = np.maximum(-firms["balance_kzt"], 0)
    books.pay("rest_of_world", "firms", int(short.sum()))
    firms["balance_kzt"][:] += short
    month = sim.state["economy"]["month"]
    month.update(taxes=books.taxes, revenue_kzt=int(sales.sum()), outside_sales_kzt=int(outside_sales.sum()))


def share_tills(books: Books) -> Ints:
    """What each firm gets of its zone's tills: by what its people can sell, crypto among those that take it; then the tills are empty.

    A zone without shops pays its till to the rest of the world; crypto goes to all its shops where none takes it any more.
    """
    sim = books.sim
    firms, zones, sectors = sim.tables["firms"], sim.tables["zones"], sim.tables["sectors"]
    able = sectors["sells_to_people"][firms["sector"]] & (firms["capacity_kzt"] > 0)
    weight = np.where(able, whole(firms["capacity_kzt"] * sectors["local_share"][firms["sector"]]) + 1, 0)
    crypto, takes = zones["till_crypto_kzt"].copy(), np.where(firms["accepts_crypto"], weight, 0)
    accepted = np.bincount(firms["site"], weights=takes, minlength=zones.n) > 0
    crypto[~accepted] = 0
    other = zones["till_kzt"] - crypto
    sold = np.bincount(firms["site"], weights=weight, minlength=zones.n) > 0
    got = split(firms, np.where(sold, other, 0), weight) + split(firms, crypto, takes)
    books.pay("tills", "firms", int(got.sum()))
    books.pay("tills", "rest_of_world", int(other[~sold].sum()))
    zones["till_kzt"][:] -= other + crypto
    zones["till_crypto_kzt"][:] = 0
    return got


def sell_outside(books: Books, local: Ints, private: NDArray[np.bool_]) -> Ints:
    """What private firms sell outside the city: the sector's part of what their people can sell, times demand; paid from outside.

    An anchor is made for customers from outside, and has them as far as residents do not fill it. Nothing is made without electricity
    (assumed).
    """
    sim = books.sim
    firms, share = sim.tables["firms"], 1.0 - sim.tables["sectors"]["local_share"][sim.tables["firms"]["sector"]]
    lit = 1.0 - sim.tables["zones"]["outage_share"][firms["site"]]
    able = firms["capacity_kzt"] * firms["demand"] * lit * books.part
    sales = np.where(private, whole(np.where(firms["anchor"], np.maximum(able - local, 0.0), able * share)), 0)
    books.pay("rest_of_world", "firms", int(sales.sum()))
    return sales


def split(firms: Any, total: Ints, weight: Ints) -> Ints:
    """Whole totals of zones in whole parts for their firms, in proportion to whole weights; parts add up exactly, whatever the row order.

    Parts are differences of rounded running shares, in the order of ids.
    """
    parts = np.zeros(firms.n, np.int64)
    rows = np.flatnonzero((weight > 0) & (total[firms["site"]] != 0))
    rows = rows[np.lexsort((firms.id[rows], firms["site"][rows]))]
    if not len(rows):
        return parts
    zone, running = firms["site"][rows], np.cumsum(weight[rows])
    first = np.flatnonzero(np.diff(zone, prepend=-1))
    of = np.searchsorted(first, np.arange(len(rows)), side="right") - 1
    last = np.append(first[1:], len(rows)) - 1
    before = running[first] - weight[rows[first]]
    share = (running - before[of]) / (running[last] - before)[of]
    reached = np.rint(total[zone] * share).astype(np.int64)
    given = np.diff(reached, prepend=0)
    given[first] = reached[first]
    parts[rows] = given
    return parts


def pay_residents(books: Books) -> None:
    """Pay the wages of residents, of firms in the city and outside, and what is withheld and added for those of the city."""
    sim, policy = books.sim, books.sim.policy.economy
    residents, households = sim.tables["residents"], sim.tables["households"]
    rows = np.flatnonzero(residents["gross_kzt"] > 0)
    gross, employer = residents["gross_kzt"][rows], residents["employer"][rows]
    withheld = employee_pays(gross, policy)
    net = whole((gross - sum(withheld.values())) * books.part)
    local = employer >= 0
    _credit(households, residents["household"][rows], net)
    books.pay("firms", "households", int(net[local].sum()))
    books.pay("rest_of_world", "households", int(net[~local].sum()))
    gross, employer = gross[local], employer[local]
    withheld = {tax: amount[local] for tax, amount in withheld.items()}
    cost = net[local].copy()
    for paid in (withheld, employer_pays(gross, withheld, policy)):
        for tax, amount in paid.items():
            due = whole(amount * books.part)
            cost += due
            _collect(books, tax, int(due.sum()))
    books.labour += np.bincount(employer, weights=cost, minlength=len(books.labour)).astype(np.int64)


def pay_commuters(books: Books) -> None:
    """Pay the wages of people from outside, who take them home, and the taxes on them."""
    sim, policy = books.sim, books.sim.policy.economy
    count, gross = sim.tables["firms"]["commuters"], commuter_wages(sim)
    withheld = employee_pays(gross, policy)
    net = whole((gross - sum(withheld.values())) * count * books.part)
    books.pay("firms", "rest_of_world", int(net.sum()))
    books.labour += net
    for paid in (withheld, employer_pays(gross, withheld, policy)):
        for tax, amount in paid.items():
            due = whole(amount * count * books.part)
            books.labour += due
            _collect(books, tax, int(due.sum()))


def _collect(books: Books, tax: str, amount: int) -> None:
    """Let firms pay a tax or contribution on wages to where it goes."""
    if tax in ("pension", "health", "social_insurance"):
        books.tax(tax, PENSION_FUND if tax == "pension" else SOCIAL_FUNDS, amount)
    else:
        books.local_tax(tax, amount)


def _credit(households: Any, household: NDArray[Any], amount: Ints) -> None:
    """Add amounts to the money of households."""
    households["balance_kzt"][:] += np.bincount(household, weights=amount, minlength=households.n).astype(np.int64)


def pay_pensions(books: Books) -> None:
    """Pay the retired their pensions from the republic's budget."""
    sim = books.sim
    residents = sim.tables["residents"]
    rows = np.flatnonzero(residents["status"] == RETIRED)
    pension = whole(residents["income_kzt"][rows] * books.part)
    _credit(sim.tables["households"], residents["household"][rows], pension)
    books.pay("republic_budget", "households", int(pension.sum()))


def pay_public(books: Books, sales: Ints, public: NDArray[np.bool_]) -> None:
    """Let budgets pay the costs of public bodies that their own sales do not cover: staff, what they buy, electricity; nothing is left.

    Where sales exceed the costs of all, the rest goes to the city.
    """
    world, firms = books.sim.world.economy, books.sim.tables["firms"]
    inputs = np.where(public, whole(books.labour * world.public_inputs_ratio), 0)
    needs = int((books.labour + inputs + firms["energy_bill_kzt"] - sales)[public].sum())
    total = max(needs, 0)
    books.pay("firms", "city_budget", total - needs)
    republic = round(total * world.republic_pays_share)
    region = min(round(total * world.region_pays_share), total - republic)
    for budget, amount in ((REPUBLIC, republic), (REGION, region), (CITY, total - republic - region)):
        books.pay(BUDGETS[budget], "firms", amount)
    books.pay("firms", "rest_of_world", int(inputs.sum()))


def settle_private(books: Books, sales: Ints, private: NDArray[np.bool_]) -> Ints:
    """Let private firms pay what they buy, rent and taxes; what is left of the month's sales after electricity and the owners' part."""
    sim, policy, world, part = books.sim, books.sim.policy.economy, books.sim.world.economy, books.part
    firms, sectors = sim.tables["firms"], sim.tables["sectors"]
    real = sim.weight / firms["stands_for"]  # in a sample a large firm's row has a part of its jobs
    inputs = np.where(private, whole(sales * sectors["inputs_share"][firms["sector"]]), 0)
    liable = private & (sales * real / part * 12 >= policy.value_added_from_mci * policy.mci_kzt)
    added = np.where(liable, whole(np.maximum(sales - inputs, 0) * (policy.value_added_rate / (1 + policy.value_added_rate))), 0)
    rent = np.where(private, whole(firms["floor_m2"] * world.workspace_rent_kzt_m2 * part), 0)
    pays = (1.0 - policy.tax_relief_share) * private
    estate = whole(firms["floor_m2"] * _property_tax(policy, world) * part * pays)
    profit = np.where(private, sales - inputs - added - rent - estate - books.labour - firms["energy_bill_kzt"], 0)
    tax = whole(np.maximum(profit, 0) * policy.corporate_rate * pays)
    taken = whole(np.maximum(profit - tax, 0) * world.payout_share)
    books.pay("firms", "rest_of_world", int(inputs.sum()) + int(taken.sum()))
    books.pay("firms", "landlords", int(rent.sum()))
    books.tax("value_added", REPUBLIC, int(added.sum()))
    books.tax("property", CITY, int(estate.sum()))
    large = firms["jobs"] * real > policy.large_firm_jobs
    books.tax("corporate_income", REPUBLIC, int(tax[large].sum()))
    books.local_tax("corporate_income", int(tax[~large].sum()))
    firms["loss_months"][:] = np.where(profit < 0, np.minimum(firms["loss_months"] + 1, 99), 0)
    return np.asarray(profit - tax - taken)
