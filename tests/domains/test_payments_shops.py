"""Shops: acceptance against El Salvador and under grants, tills, and payments that fail for want of a rail or of power, to the tenge."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from alatau_sim.domains.payments import DOMAIN
from alatau_sim.domains.payments.rules import accept_crypto
from alatau_sim.domains.payments.settle import close_payments_month, weigh_acceptance
from alatau_sim.domains.payments.tables import CARD, CASH, CRYPTO, USER, selling

sys.path.insert(0, str(Path(__file__).parent))
from payments_city import LOAD_WH, ZONES, simulation  # noqa: E402
from test_payments import CHIVO_BONUS, Checks, draws, run, same, wallets  # noqa: E402

SETUP, CARD_FEE, CRYPTO_FEE = 100_000, 0.015, 0.005
CALM = {"card_failures_per_year": 0.0, "crypto_failures_per_year": 0.0}


# --- acceptance -----------------------------------------------------------------------------------------------------------


def sizes(n):
    """Staff of shops: lognormal with median 3 and mean 6 (the study does not tell the sizes of its firms)."""
    return np.maximum(1, np.rint(3 * np.exp(1.2 * ndtri((np.arange(n) + 0.5) / n)))).astype(int)


def shops(n, users, *, grant=0, legal_tender=False, start=0.0, **params):
    """Whether each of n shops accepts, by month (months, n), where `users` of the shoppers use a wallet."""
    staff, accepts = sizes(n).tolist(), (draws("start", n) < start).tolist()
    before, months, history = list(accepts), [36 * a for a in accepts], []
    for month, share in enumerate(users):
        u = draws(f"shop-{month}", n).tolist()
        for i in range(n):
            accepts[i], before[i], months[i], _ = accept_crypto(
                True, staff[i], 0, 1, share, accepts[i], before[i], months[i], 1.0, grant, legal_tender, SETUP, CARD_FEE, CRYPTO_FEE, u[i],
                **params,
            )
        history.append(list(accepts))
    return np.array(history)


def test_el_salvadors_shops_are_reproduced():
    """A fifth of firms accepted in February 2022, mostly large ones, where users had had a bonus and bitcoin was legal tender."""
    states = wallets(3000, (0.28, 0.25, 0.20, 0.20, 0.0), bonus=CHIVO_BONUS, legal_tender=True)
    users = [0.0, *(states == USER).mean(axis=1)]
    n = 4000
    february, staff = shops(n, users, legal_tender=True)[5], sizes(n)
    assert february.mean() == pytest.approx(0.20, abs=0.02)
    assert february[staff >= 20].mean() > 2 * february[staff <= 4].mean()
    assert staff[february].mean() > 1.4 * staff.mean()


def test_without_legal_tender_users_and_grants_acceptance_stays_what_it_is():
    share = shops(2000, [0.08] * 96, start=0.02).mean(axis=1)
    assert 0.008 < share.min() < share.max() < 0.04


def test_users_legal_tender_size_and_cheap_payments_draw_shops():
    def chance(u, *, staff=5, users=0.2, legal=False, card=CARD_FEE, grant=0):
        return accept_crypto(True, staff, 0, 1, users, False, False, 0, 1.0, grant, legal, SETUP, card, CRYPTO_FEE, u)[0]

    grid = (np.arange(2000) + 0.5) / 2000
    base = sum(chance(u) for u in grid)
    for more in ({"staff": 50}, {"users": 0.4}, {"legal": True}, {"card": 0.03}, {"grant": 50_000}):
        assert sum(chance(u, **more) for u in grid) > 1.1 * base, more
    assert sum(chance(u, grant=SETUP) for u in grid) == sum(chance(u, grant=10 * SETUP) for u in grid)


def a_month_later(state, grant, u, *, staff=5, users=0.2, legal=False, setup=SETUP, **params):
    """(stage, months) of a shop after a month; the stages are never, once, and now."""
    stage, months = state
    now, before, since, paid = accept_crypto(
        True, staff, 0, 1, users, stage == 2, stage >= 1, months, 1.0, grant, legal, setup, CARD_FEE, CRYPTO_FEE, u, **params
    )
    assert 0 <= since <= 30_000
    assert paid == (grant if now and stage == 0 else 0)
    assert before == (stage >= 1 or now)
    return (2, since) if now else (int(before), 0)


STATES = st.tuples(st.integers(0, 2), st.integers(0, 600)).map(lambda state: state if state[0] == 2 else (state[0], 0))


@given(
    one=STATES, other=STATES, staff=st.integers(0, 5000), users=st.floats(0, 1), legal=st.booleans(), u=st.floats(0, 1, exclude_max=True),
    grants=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), setup=st.integers(1, 10**6), consider=st.floats(0, 1),
    drop=st.floats(0, 5),
)  # fmt: skip
def test_with_the_same_luck_more_grant_never_leaves_a_shop_behind(one, other, staff, users, legal, u, grants, setup, consider, drop):
    """The order never < once < now (< longer) is kept by a month with the same draw, if the grant is no smaller."""
    given = {"staff": staff, "users": users, "legal": legal, "setup": setup, "consider": consider, "drop": drop}
    low, high = sorted((one, other))
    assert a_month_later(low, min(grants), u, **given) <= a_month_later(high, max(grants), u, **given)


def test_nor_where_shops_begin_and_cease_at_once():
    hasty = {"staff": 5000, "legal": True, "consider": 0.9, "drop": 5.0}
    for u in (np.arange(500) + 0.5) / 500:
        assert a_month_later((0, 0), 0, u, **hasty) <= a_month_later((2, 0), 0, u, **hasty)


def test_who_has_a_terminal_needs_no_grant():
    for u in (np.arange(500) + 0.5) / 500:
        again = a_month_later((1, 0), 0, u)[0] == 2
        assert again == (a_month_later((0, 0), SETUP, u)[0] == 2)
        assert again >= (a_month_later((0, 0), 0, u)[0] == 2)


def accepting(sim):
    firms = sim.tables["firms"]
    return set(firms.id[firms["accepts_crypto"]].tolist())


def by_month(days, **more):
    """The shops that accept, as each month closes."""
    months = []

    class Watch(Checks):
        def month_closed(self, sim):
            months.append(accepting(sim))

    sim = simulation(days, **more)
    sim.observers.append(Watch())
    while not sim.finished:
        sim.step()
    return months


def test_a_larger_grant_leaves_a_superset_accepting():
    """Where shops look at what they get and not at their customers, month by month and through dropping out and coming back."""
    alone = {"accept_crypto": {"shoppers": 0.0, "drop_shoppers": 0.0}}
    runs = [by_month(420, merchant_grant_kzt=grant, rules=alone, people_a_zone=30) for grant in (0, 40_000, 90_000, 200_000)]
    for less, more in zip(runs, runs[1:], strict=False):
        assert all(few <= many for few, many in zip(less, more, strict=True))
    assert len(runs[0][-1]) < len(runs[2][-1])
    assert any(earlier - later for earlier, later in zip(runs[2], runs[2][1:], strict=False))  # some did drop out


def test_a_larger_grant_leaves_no_fewer_accepting_in_the_whole_city():
    none, large = (by_month(366, merchant_grant_kzt=grant) for grant in (0, 100_000))
    assert all(len(few) <= len(many) for few, many in zip(none, large, strict=True))


def test_a_grant_is_paid_once_to_each_shop_that_begins():
    grant = 70_000
    sim = simulation(330, merchant_grant_kzt=grant, people_a_zone=30)
    firms = sim.tables["firms"]
    started_with = firms["accepted_before"].copy()
    while not sim.finished:
        sim.step()
    began = firms["accepted_before"] & ~started_with
    assert began.any()
    assert firms["balance_kzt"].tolist() == (grant * began).tolist()
    assert sim.ledger.balance("tenge", "firms") == -sim.ledger.balance("tenge", "city_budget") == grant * began.sum()
    assert not (firms["accepts_crypto"] & ~selling(sim)).any()


def test_in_a_sample_a_large_firm_decides_like_the_whole_and_gets_its_part_of_the_grant():
    given = (0.2, False, False, 0)
    rest = (50_000, False, SETUP, CARD_FEE, CRYPTO_FEE)
    for u in (np.arange(500) + 0.5) / 500:
        assert accept_crypto(True, 300, 100, 1, *given, 1.0, *rest, u) == accept_crypto(True, 30, 10, 1, *given, 10.0, *rest, u)
        assert accept_crypto(True, 4, 0, 1, *given, 1.0, *rest, u) == accept_crypto(True, 4, 0, 10, *given, 10.0, *rest, u)
    sim = simulation(1, weight=10)
    firms = sim.tables["firms"]
    firms["stands_for"][:2] = 1, 10
    firms["grant_kzt"][:2] = 50_000
    close_payments_month.fn(sim)
    assert firms["balance_kzt"][:3].tolist() == [5_000, 50_000, 0]
    assert sim.ledger.balance("tenge", "firms") == 55_000


def test_a_lever_that_reaches_nobody_changes_nothing():
    still = {"accept_crypto": {"consider": 0.0}}
    one, two = (simulation(40, merchant_grant_kzt=grant, rules=still) for grant in (0, 500_000))
    for sim in (one, two):
        while not sim.finished:
            sim.step()
    same(one, two)


def test_acceptance_of_a_zone_is_weighted_by_staff():
    sim = simulation(1, world={"crypto_shops_share": 0.3})
    firms = sim.tables["firms"]
    firms["commuters"][:] = np.arange(firms.n) % 4
    firms["sector"][5] = firms["site"][6] = -1  # no shop, and nowhere
    weigh_acceptance.fn(sim)
    shop = firms["sector"] == 0
    for zone in range(ZONES):
        here = shop & (firms["site"] == zone)
        people = firms["staff"][here] + firms["commuters"][here]
        share = people[firms["accepts_crypto"][here]].sum() / people.sum() if here.any() else 0.0
        assert sim.tables["zones"]["crypto_acceptance_share"][zone] == pytest.approx(share, rel=1e-12)


def test_the_first_days_shops_are_the_declared_share_and_the_same_in_every_replicate():
    sim = simulation(1, world={"crypto_shops_share": 0.3})
    takes, shop = sim.tables["firms"]["accepts_crypto"], selling(sim)
    assert abs(takes[shop].mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / shop.sum())
    more = simulation(1, world={"crypto_shops_share": 0.4})
    assert accepting(sim) < accepting(more)


# --- tills ----------------------------------------------------------------------------------------------------------------


def test_tills_hold_what_was_paid_in_the_zones_shops():
    value = np.zeros((ZONES, 4), np.int64)

    class Watch(Checks):
        def day_closed(self, sim):
            value.__iadd__(sim.grids["payments_value_kzt"] // sim.weight)

    for weight in (1, 10):
        value[:] = 0
        sim = simulation(12, weight=weight, start=dt.date(2026, 1, 2), world={"crypto_shops_share": 0.6, "crypto_holders_share": 0.5})
        began = sim.tables["households"]["balance_kzt"].sum()
        sim.observers.append(Watch())
        while not sim.finished:
            sim.step()
        zones = sim.tables["zones"]
        assert zones["till_kzt"].tolist() == value.sum(axis=1).tolist()
        assert zones["till_crypto_kzt"].tolist() == value[:, CRYPTO].tolist()
        assert value[:, CRYPTO].sum() > 0
        assert sim.ledger.balance("tenge", "tills") == value.sum()
        income, left = sim.tables["households"]["income_kzt"].sum(), sim.ledger.balance("tenge", "rest_of_world")
        assert sim.tables["households"]["balance_kzt"].sum() == began - value.sum() - left - sim.ledger.balance("tenge", "firms")
        assert -left < income


# --- what fails -----------------------------------------------------------------------------------------------------------

MONDAY = {"start": dt.date(2026, 1, 5), "people_a_zone": 900}


def one_day(*, outage=None, unserved=None, weight=1, kernels="compiled", lost=0.4, **world):
    """The Monday on which residents have just chosen, with a rail out from 12 to 14 or with zones and hours without power."""
    world = {"crypto_shops_share": 0.6, "crypto_holders_share": 0.5, "lost_sale_share": lost, **CALM, **world}
    sim = simulation(1, world=world, weight=weight, kernels=kernels, **MONDAY)
    noon = sim.clock.first * 86_400 + 12 * 3600
    if outage is not None:
        sim.add_outage("payments", outage, noon, noon + 2 * 3600)
    if unserved is not None:
        sim.state["stub"]["unserved"] = unserved
    sim.step()
    return sim


def totals(sim, name):
    return sim.grids[name].sum(axis=0)


@pytest.mark.parametrize(("rail", "instrument", "others"), [(0, CRYPTO, [CARD]), (1, CARD, [CASH])])
@pytest.mark.parametrize("lost", [0.0, 0.4, 1.0])
def test_a_rail_outage_moves_payments_to_others_or_to_lost_sales_to_the_tenge(rail, instrument, others, lost):
    calm, out = one_day(), one_day(outage=rail, lost=lost)
    assert (calm.grids["payments_wanted"] == out.grids["payments_wanted"]).all()
    before, after = totals(calm, "payments_value_kzt"), totals(out, "payments_value_kzt")
    given_up = totals(out, "payments_lost_kzt")
    moved = before[instrument] - after[instrument] - given_up[instrument]
    assert before[instrument] > after[instrument]
    assert (after - before)[others].sum() == moved
    untouched = [i for i in range(4) if i not in (instrument, *others)]
    assert (after == before)[untouched].all()
    assert given_up.sum() == given_up[instrument] == before.sum() - after.sum()
    assert (given_up.sum() == 0) == (lost == 0.0)
    assert (moved == 0) == (lost == 1.0)
    for table, column, sign in (("zones", "till_kzt", -1), ("households", "balance_kzt", 1)):
        assert (out.tables[table][column].sum() - calm.tables[table][column].sum()) * sign == given_up.sum()
    by_zone = out.tables["zones"]["till_kzt"] + out.grids["payments_lost_kzt"].sum(axis=1)
    assert by_zone.tolist() == calm.tables["zones"]["till_kzt"].tolist()


def dark(share, zone=0, hours=range(17, 21)):
    unserved = np.zeros((ZONES, 24), np.int64)
    unserved[zone, list(hours)] = round(share * LOAD_WH)
    return unserved


def test_without_power_a_zones_shops_take_cash_or_sell_nothing():
    calm, out = one_day(), one_day(unserved=dark(1.0))
    wanted, served, made, lost = (out.grids[f"payments_{name}"] for name in ("wanted", "served", "made", "lost"))
    assert not served[0, CARD:, 17:21].any()
    assert wanted[0, CARD:, 17:21].sum() > 0
    assert (made[0, CASH] == wanted[0].sum(axis=0) - lost[0].sum(axis=0))[17:21].all()
    assert not made[0, CARD:, 17:21].any()
    for grid in ("made", "served", "lost"):
        grids = [sim.grids[f"payments_{grid}"].copy() for sim in (calm, out)]
        for found in grids:
            found[0, :, 17:21] = 0
        assert (grids[0] == grids[1]).all(), grid  # other zones and hours feel nothing
    failed = wanted[0, CARD:, 17:21].sum()
    assert out.tables["rails"]["wanted_today"].sum() == calm.tables["rails"]["wanted_today"].sum() - failed
    lost_kzt = out.grids["payments_lost_kzt"].sum()
    assert lost_kzt == calm.grids["payments_value_kzt"].sum() - out.grids["payments_value_kzt"].sum() > 0


@pytest.mark.parametrize("weight", [1, 10])
@pytest.mark.parametrize("share", [0.1, 0.37, 0.8])
def test_a_part_of_the_power_fails_that_part_of_the_payments(share, weight):
    out = one_day(unserved=dark(share, hours=range(24)), weight=weight)
    wanted = out.grids["payments_wanted"][0, CARD:] // weight
    failed = wanted - out.grids["payments_served"][0, CARD:] // weight
    assert (np.abs(failed - share * wanted) < 1).all()  # whole payments of each cell
    cells = int((wanted > 0).sum())
    assert abs((failed - share * wanted).sum()) < 4 * np.sqrt(cells / 4)
    assert not (out.grids["payments_served"] % weight).any()
    assert (out.grids["payments_made"][0, CARD] == out.grids["payments_served"][0, CARD]).all()  # what fails is not paid by card
    other = out.grids["payments_wanted"][1:, CARD:] == out.grids["payments_served"][1:, CARD:]
    assert other.all()


def test_without_power_nobody_goes_from_crypto_to_cards():
    """Where every shop takes crypto and nobody likes cards, so that no card fails that would tell."""
    out = one_day(unserved=dark(0.5), crypto_shops_share=1.0, card_convenience=-10.0)
    assert out.grids["payments_fallback"][0, CRYPTO].sum() > 0
    assert out.grids["payments_wanted"][:, CARD].sum() == out.grids["payments_made"][:, CARD].sum() == 0


def test_a_longer_power_cut_fails_a_superset_of_payments():
    runs = [one_day(unserved=dark(share)) for share in (0.0, 0.3, 0.6, 1.0)]
    for less, more in zip(runs, runs[1:], strict=False):
        assert (less.grids["payments_served"] >= more.grids["payments_served"]).all()
        assert (less.tables["residents"]["spend_today_kzt"] >= more.tables["residents"]["spend_today_kzt"]).all()


@pytest.mark.parametrize("kernels", ["plain", "objects"])
def test_power_cuts_give_the_same_bytes_in_every_mode(kernels):
    one, two = (one_day(unserved=dark(0.5), outage=0, kernels=mode) for mode in ("compiled", kernels))
    same(one, two)
    two.close()


def test_every_months_tables_and_indicators_hold_what_shops_did():
    _, checks = run(31, merchant_grant_kzt=100_000, world={"crypto_shops_share": 0.3})
    values = checks.values[-1]
    assert 0.2 < values["crypto_shop_share"] < 0.4
    assert 0.1 < values["crypto_acceptance"] < 0.5
    assert values["merchant_grant_cost"] % 100_000 == 0
    assert {kpi.table for kpi in DOMAIN.kpis} <= {table.name for table in DOMAIN.tables}
