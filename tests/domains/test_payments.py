"""Payments: the wallet against El Salvador and the Bass curve, the rail against queueing theory, and the books of a small city."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from alatau_sim.domains.payments import DOMAIN
from alatau_sim.domains.payments.process import in_whole_rows, mean_wait_md1_s, serve_first_come, waits_if_patient
from alatau_sim.domains.payments.rules import HOUR_CUMULATED, NUMBER_AT, change_wallet, choose_instrument, pack_payments, want_first
from alatau_sim.domains.payments.tables import ADULT_SKILL, AWARE, CARD, CASH, CRYPTO, DROPPED, RAIL_INSTRUMENTS, TRYING, UNAWARE, USER
from alatau_sim.engine.randomness import stream_key, uniform_array

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "oracles")]
from bass import bass_share  # noqa: E402
from erlang import erlang_c_mean_wait_s, erlang_c_wait_share, md1_mean_wait_s  # noqa: E402
from payments_city import simulation  # noqa: E402

GDP_KZT = 7_500_000.0
START = (0.08, 0.3, 36)  # shares of holders and of those who know of the wallet at the start, months of holding
CHIVO_BONUS = round(30 / 4131 * GDP_KZT)


def draws(stream: str, n: int, k: int = 0) -> np.ndarray:
    return uniform_array(stream_key(11, 0, stream, -1), np.arange(n), k)


def wallets(n, reach, *, bonus=0, acceptance=0.2, legal_tender=False, skills=None, **params):
    """States by month (months, n) of independent adults who see the mean share of users as their friends' share."""
    skill = (draws("skill", n) if skills is None else skills).tolist()
    states, months = [UNAWARE] * n, [0] * n
    history = []
    for month, reached in enumerate(reach):
        share = sum(s == USER for s in states) / n
        u = [draws(f"month-{month}", n, k).tolist() for k in range(3)]
        for i in range(n):
            _, states[i], months[i], _ = change_wallet(
                True, True, states[i], months[i], skill[i], share, bonus, reached, acceptance, legal_tender, 0.5, GDP_KZT,
                *START, u[0][i], u[1][i], u[2][i], **params,
            )  # fmt: skip
        history.append(list(states))
    return np.array(history)


# --- the wallet -----------------------------------------------------------------------------------------------------------


def test_el_salvador_is_reproduced():
    """Survey of February 2022 (bands: what the press reports round to), and paid with it in 2022 and 2023 (±2.7 points each)."""
    n = 6000
    history = wallets(n, (0.28, 0.25, 0.20, 0.20, *[0.0] * 24), bonus=CHIVO_BONUS, legal_tender=True)
    february = history[5]
    opened = (history[:6] >= TRYING).any(axis=0).mean()
    aware = (february != UNAWARE).mean()
    assert aware == pytest.approx(0.68, abs=0.03)
    assert opened / aware == pytest.approx(0.78, abs=0.03)
    assert (history[0] >= TRYING).mean() / opened == pytest.approx(0.40, abs=0.04)
    assert (february == TRYING).mean() / opened == pytest.approx(0.20, abs=0.04)
    assert 0.58 < 1 - (february == USER).mean() / opened < 0.66
    assert (february == USER).mean() == pytest.approx(0.20, abs=0.02)
    fell = (history[16:28] == USER).mean() / (history[4:16] == USER).mean()
    assert fell == pytest.approx(12 / 24.4, abs=0.13)


def test_without_abandonment_el_salvador_cannot_be_reproduced():
    history = wallets(3000, (0.28, 0.25, 0.20, 0.20, *[0.0] * 24), bonus=CHIVO_BONUS, legal_tender=True, abandon=0.0, stay_base=20.0)
    assert (history[5] == USER).mean() > 0.3
    assert (history[16:28] == USER).mean() > (history[4:16] == USER).mean()


def test_a_quarter_comes_without_the_bonus():
    reach = (0.28, 0.25, 0.20, 0.20)
    with_bonus, without = (wallets(4000, reach, bonus=b, legal_tender=True)[-1] for b in (CHIVO_BONUS, 0))
    assert (without >= TRYING).mean() / (with_bonus >= TRYING).mean() == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("n", [400, 1600, 6400])
def test_media_and_word_of_mouth_alone_follow_the_bass_curve(n):
    """Everyone who hears opens, uses at once and stays: adoption is Bass's, in a band that shrinks as 1 / √n."""
    p, q, months = 0.006, 0.04, 100
    only = {"media": p, "word_of_mouth": q, "open_base": 20.0, "spend_bonus": 1.0, "stay_base": 20.0, "abandon": 0.0}
    adopted = np.mean(wallets(n, [0.0] * months, **only) != UNAWARE, axis=1)
    # A month's users are those told the month before the last, so the curve is met between a lag of none and of three months.
    early = np.array([bass_share(p, q, month + 1) for month in range(months)])
    late = np.array([bass_share(p, q, max(0, month - 2)) for month in range(months)])
    band = 2.5 / math.sqrt(n)
    assert (adopted < early + band).all()
    assert (adopted > late - band).all()


@given(
    state=st.integers(0, 4), months=st.integers(0, 30_000), skill=st.floats(0, 1), friends=st.floats(0, 1), bonus=st.integers(0, 10**6),
    reach=st.floats(0, 1), acceptance=st.floats(0, 1), legal=st.booleans(), u=st.floats(0, 0.999), u2=st.floats(0, 0.999),
    payer=st.booleans(), begun=st.booleans(),
)  # fmt: skip
def test_a_wallet_stays_within_its_states(state, months, skill, friends, bonus, reach, acceptance, legal, u, u2, payer, begun):
    given = (payer, begun, state, months, skill, friends, bonus, reach, acceptance, legal, 0.5, GDP_KZT, *START, u, u2, 0.5)
    now, new, since, paid = change_wallet(*given)
    assert now == (begun or payer)
    assert 0 <= new <= 4
    assert 0 <= since <= 30_000
    assert paid in (0, bonus)
    if paid:
        assert new == TRYING
        assert state < TRYING
    if state == DROPPED and begun:
        assert new in (DROPPED, USER)


def test_newcomers_begin_like_the_adults_of_the_first_day():
    n = 20_000
    u, u2 = draws("newcomer", n, 0), draws("newcomer", n, 1)
    seen = (True, False, UNAWARE, 0, ADULT_SKILL, 0.0, 0, 0.0, 0.0, False, 0.5, GDP_KZT, *START)
    states = np.array([change_wallet(*seen, a, b, 0.5)[1] for a, b in zip(u, u2, strict=True)])
    assert abs((states == USER).mean() - 0.08) < 4 * np.sqrt(0.08 * 0.92 / n)
    assert abs((states == AWARE).mean() - 0.92 * 0.3) < 4 * np.sqrt(0.276 * 0.724 / n)


# --- instruments ----------------------------------------------------------------------------------------------------------


def shares(state, acceptance, weight):
    """Logit shares of (cash, card, crypto) over skill, with the central values of the world."""
    world = DOMAIN.world()
    total = np.zeros(3)
    for skill in (np.arange(400) + 0.5) / 400:
        utility = np.exp([
            choose_instrument(state, skill, acceptance, True, False, 0.0, 0.0, 0.0, 1.0),
            choose_instrument(state, skill, acceptance, True, False, 0.0, world.card_convenience, 0.3, 1.0),
            choose_instrument(state, skill, acceptance, True, True, world.crypto_fee_share, world.crypto_convenience, 0.6, 1.0),
        ])  # fmt: skip
        total += weight(skill) * utility / utility.sum()
    return total / total.sum()


def adults(skill):
    """Density of digital skill among the adults of the built-in city, roughly: mean 0.67, standard deviation 0.18."""
    return math.exp(-0.5 * ((skill - 0.67) / 0.18) ** 2)


def test_cash_and_card_meet_the_national_banks_share():
    assert shares(UNAWARE, 0.2, adults)[1] == pytest.approx(0.868, abs=0.01)


def test_regular_users_pay_a_tenth_in_crypto_where_a_fifth_accepts():
    assert 0.2 * shares(USER, 0.2, lambda skill: skill * adults(skill))[2] == pytest.approx(0.10, abs=0.01)


def test_only_users_of_a_wallet_can_choose_crypto_and_only_where_shops_take_it():
    assert choose_instrument(TRYING, 0.9, 0.5, True, True, 0.0, 3.0, 0.6, 1.0) == -math.inf
    assert choose_instrument(USER, 0.9, 0.5, False, True, 0.0, 3.0, 0.6, 1.0) == -math.inf
    assert choose_instrument(USER, 0.9, 0.0, True, True, 0.0, 3.0, 0.6, 1.0) == -math.inf
    assert choose_instrument(USER, 0.9, 0.5, True, True, 0.0, 3.0, 0.6, 1.0) > -math.inf


@given(rate=st.floats(0, 35), phase=st.floats(0, 1, exclude_max=True))
def test_payments_of_the_hours_add_up_to_the_day(rate, phase):
    packed = pack_payments(rate, phase)
    hours = [want_first(packed, hour) for hour in range(24)]
    assert sum(hours) == packed >> NUMBER_AT == math.floor(rate + phase)
    # Systematic sampling: an hour has its share of the rate, rounded down or up.
    shares = rate * np.diff(HOUR_CUMULATED)
    assert (np.abs(hours - shares) < 1 + 1e-9).all()


def test_the_mean_of_an_hour_is_its_share_of_the_rate():
    n, rate = 4001, 2.53
    packed = [pack_payments(rate, (i + 0.5) / n) for i in range(n)]
    mean = np.mean([[want_first(day, hour) for hour in range(24)] for day in packed], axis=0)
    assert np.abs(mean - rate * np.diff(HOUR_CUMULATED)).max() < 4 / n


def test_the_profile_of_the_day_sums_to_one():
    assert HOUR_CUMULATED[0] == 0.0
    assert HOUR_CUMULATED[24] == 1.0
    assert (np.diff(HOUR_CUMULATED) > 0).all()


# --- the rail -------------------------------------------------------------------------------------------------------------


def poisson(n, arrivals_per_s, service_per_s):
    arrival = np.cumsum(-np.log1p(-draws("arrival", n)) / arrivals_per_s)
    return arrival, -np.log1p(-draws("service", n)) / service_per_s


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (2, 0.7), (4, 0.8)])
def test_waits_meet_erlang_c(servers, load):
    n, service = 200_000, 0.5
    arrivals = load * servers * service
    waits, _ = serve_first_come(*poisson(n, arrivals, service), [0.0] * servers)
    blocks = waits[2000:].reshape(99, -1).mean(axis=1)
    band = 4 * blocks.std(ddof=1) / math.sqrt(len(blocks))
    assert abs(blocks.mean() - erlang_c_mean_wait_s(arrivals, service, servers)) < band
    assert (waits > 0).mean() == pytest.approx(erlang_c_wait_share(arrivals, service, servers), abs=0.02)


def test_the_queue_is_simpys_queue():
    arrival, service = poisson(500, 1.7, 1.0)
    env, waits = simpy.Environment(), np.full(500, np.nan)
    desk = simpy.Resource(env, 2)

    def customer(i):
        yield env.timeout(float(arrival[i]))
        with desk.request() as turn:
            yield turn
            waits[i] = env.now - arrival[i]
            yield env.timeout(float(service[i]))

    for i in range(500):
        env.process(customer(i))
    env.run()
    np.testing.assert_allclose(serve_first_come(arrival, service, [0.0, 0.0])[0], waits, atol=1e-9)


def test_equal_services_meet_pollaczek_and_khinchine():
    arrival, _ = poisson(200_000, 0.8, 1.0)
    waits, _ = waits_if_patient(arrival, 1.0, 0.0)
    blocks = waits[2000:].reshape(99, -1).mean(axis=1)
    assert abs(blocks.mean() - md1_mean_wait_s(0.8, 1.0)) < 4 * blocks.std(ddof=1) / math.sqrt(len(blocks))
    assert mean_wait_md1_s(0.8, 1.0) == pytest.approx(md1_mean_wait_s(0.8, 1.0))


def test_the_quick_queue_equals_the_slow_one():
    arrival, _ = poisson(2000, 0.9, 1.0)
    quick, free = waits_if_patient(arrival, 1.0, 25.0)
    slow, servers = serve_first_come(arrival, np.full(2000, 1.0), [25.0])
    np.testing.assert_allclose(quick, slow, atol=1e-8)
    assert free == pytest.approx(servers[0])


def test_the_impatient_leave_and_an_outage_serves_nobody():
    arrival = np.arange(100.0)
    waits, _ = serve_first_come(arrival, np.full(100, 2.0), [0.0], patience_s=10.0)
    assert np.nanmax(waits) <= 10.0
    assert 50 <= (~np.isnan(waits)).sum() <= 56
    waits, _ = serve_first_come(arrival, np.full(100, 0.1), [0.0], patience_s=10.0, down=[(20.0, 60.0)])
    assert np.isnan(waits[20:50]).all()
    assert not np.isnan(waits[:20]).any()
    assert not np.isnan(waits[60:]).any()


# --- the small city -------------------------------------------------------------------------------------------------------

HUB = {"signup_bonus_kzt": 60_000, "campaign_reach_share": 0.3}
HALF = {"crypto_shops_share": 0.5}


def check_day(sim):
    grids, spend = sim.grids, sim.tables["residents"]["spend_today_kzt"]
    wanted, made, fallback, lost = (grids[f"payments_{name}"] for name in ("wanted", "made", "fallback", "lost"))
    assert (wanted.sum(axis=1) == made.sum(axis=1) + lost.sum(axis=1)).all()
    assert (wanted - fallback - lost == grids["payments_served"]).all()
    by_instrument = grids["payments_served"].sum(axis=(0, 2))
    assert sim.tables["rails"]["served_today"].tolist() == [by_instrument[list(carried)].sum() for carried in RAIL_INSTRUMENTS]
    assert not any((grid % sim.weight).any() for grid in (wanted, made, fallback, lost))
    assert min(grid.min() for grid in (wanted, made, fallback, lost)) >= 0
    assert grids["payments_value_kzt"].sum() == spend.sum() * sim.weight
    # Nothing empties the tills here, so they hold all that was ever paid.
    assert sim.ledger.balance("tenge", "tills") == sim.tables["zones"]["till_kzt"].sum() >= sim.tables["zones"]["till_crypto_kzt"].sum()
    assert (sim.tables["households"]["balance_kzt"] >= 0).all()


class Checks:
    def __init__(self):
        self.days, self.values = 0, []
        self.wanted, self.failed = np.zeros(4), np.zeros(4)

    def day_closed(self, sim):
        check_day(sim)
        self.days += 1
        wanted, served = sim.grids["payments_wanted"], sim.grids["payments_served"]
        self.wanted += wanted.sum(axis=(0, 2))
        self.failed += (wanted - served).sum(axis=(0, 2))

    def month_closed(self, sim):
        for table in DOMAIN.tables:
            built = table.build(sim)
            assert list(built) == [field.name for field in table.fields]
            assert len({len(column) for column in built.values()}) == 1
        self.values.append({kpi.name: kpi.compute(sim) for kpi in DOMAIN.kpis})

    def year_closed(self, sim):
        pass


def run(days, **more):
    sim, checks = simulation(days, **more), Checks()
    sim.observers.append(checks)
    while not sim.finished:
        sim.step()
    assert checks.days == days
    return sim, checks


def test_every_payment_is_made_or_lost_and_the_books_balance():
    world = {"crypto_failures_per_year": 200.0, "card_failures_per_year": 100.0, **HALF}
    sim, checks = run(35, crypto_rail_capacity_per_s=0.005, **HUB, world=world)
    assert min(checks.failed[CARD], checks.failed[CRYPTO]) > 0
    assert sum(sim.ledger.balances("tenge").values()) == 0


@given(st.lists(st.integers(0, 500), min_size=1, max_size=20), st.integers(1, 20))
def test_payments_served_are_rounded_to_whole_rows_and_keep_their_mean(served, weight):
    served = np.array(served)
    found = [in_whole_rows(served, weight, np.full(len(served), (k + 0.5) / weight)) for k in range(weight)]
    assert not np.remainder(found, weight).any()
    assert (np.abs(found - served) < weight).all()
    assert np.array_equal(np.sum(found, axis=0), served * weight)


@pytest.mark.parametrize("capacity", [0.02, 0.04])
def test_a_sample_fails_as_often_as_the_whole(capacity):
    """A row of ten against ten rows: the same payments a day reach the same rail, and failures agree within the noise of the sample."""
    monday = {"start": dt.date(2026, 1, 5), "crypto_rail_capacity_per_s": capacity}
    world = {"crypto_holders_share": 0.6, "crypto_shops_share": 0.8, "crypto_failures_per_year": 0.0, "card_failures_per_year": 0.0}
    whole, tenth = (run(6, world=world, weight=w, people_a_zone=n, **monday)[1] for w, n in ((1, 3000), (10, 300)))
    share = whole.failed[CRYPTO] / whole.wanted[CRYPTO]
    assert 0.05 < share < 0.95
    assert tenth.wanted[CRYPTO] == pytest.approx(whole.wanted[CRYPTO], rel=0.1)
    assert tenth.failed[CRYPTO] / tenth.wanted[CRYPTO] == pytest.approx(share, abs=0.04)


def test_a_sample_pays_the_bonuses_of_the_whole():
    (whole,), (tenth,) = (run(31, weight=w, people_a_zone=n, **HUB)[1].values for w, n in ((1, 3000), (10, 300)))
    assert tenth["wallet_bonus_cost"] == pytest.approx(whole["wallet_bonus_cost"], rel=0.25)


def test_a_hub_differs_from_today_where_it_should():
    today, hub = run(90)[1].values, run(90, **HUB, world=HALF)[1].values
    assert hub[-1]["wallet_user_share"] > today[-1]["wallet_user_share"]
    assert hub[-1]["crypto_payment_share"] > 5 * today[-1]["crypto_payment_share"]
    assert hub[-1]["wallet_bonus_cost"] > 0
    assert today[-1]["wallet_bonus_cost"] == 0
    assert hub[-1]["crypto_payment_share"] < 0.2
    assert sum(today[-1][f"{name}_payment_share"] for name in ("cash", "card", "digital_tenge", "crypto")) == pytest.approx(1)


TABLES = ("residents", "households", "firms", "zones", "instruments", "rails")


def same(one, two):
    for table in TABLES:
        for name in one.tables[table].columns:
            assert np.array_equal(one.tables[table][name], two.tables[table][name]), f"{table}.{name}"
    for name, grid in one.grids.items():
        assert np.array_equal(grid, two.grids[name]), name
    assert one.ledger.balances("tenge") == two.ledger.balances("tenge")


def test_the_same_run_twice_is_the_same():
    same(*(run(3, **HUB, world=HALF)[0] for _ in range(2)))


@pytest.mark.parametrize("kernels", ["plain", "objects"])
def test_every_mode_gives_the_same_bytes(kernels):
    """Over a Monday and the first of a month, with failures: every rule has run, also those of firms and of the settlement."""
    given = {
        "start": dt.date(2026, 1, 31), "crypto_rail_capacity_per_s": 0.002, "merchant_grant_kzt": 50_000, "people_a_zone": 90, **HUB,
        "world": {"crypto_holders_share": 0.4, **HALF},
    }  # fmt: skip
    one, two = (run(4, kernels=mode, **given)[0] for mode in ("compiled", kernels))
    same(one, two)
    two.close()


def test_an_outage_of_the_cards_moves_payments_to_cash_or_loses_them():
    sim = simulation(1, world={"lost_sale_share": 0.5, "card_failures_per_year": 0.0, "crypto_failures_per_year": 0.0})
    noon = sim.clock.first * 86_400 + 12 * 3600
    sim.add_outage("payments", 1, noon, noon + 2 * 3600)
    sim.step()
    check_day(sim)
    fallback, lost = sim.grids["payments_fallback"].sum(axis=0), sim.grids["payments_lost"].sum(axis=0)
    wanted = sim.grids["payments_wanted"].sum(axis=0)
    assert (fallback[CARD, 12:14] + lost[CARD, 12:14] == wanted[CARD, 12:14]).all()
    assert fallback.sum() + lost.sum() == wanted[CARD, 12:14].sum()
    assert lost.sum() > 0
    assert sim.grids["payments_made"].sum(axis=0)[CASH, 12] == wanted[CASH, 12] + fallback[CARD, 12]
    assert sim.tables["rails"]["outage_today_s"].tolist() == [0, 7200]


def test_closing_the_digital_tenge_or_crypto_leaves_nobody_in_it():
    sim, _ = run(12, world={"crypto_shops_share": 0.0}, start=dt.date(2026, 1, 2))
    assert not (sim.tables["residents"]["instrument"] == CRYPTO).any()
    opened, _ = run(8, digital_tenge_open=True)  # a Monday is among them
    assert (opened.tables["residents"]["instrument"] == 2).any()
    # A better alternative attracts only into itself.
    before, after = (s.tables["residents"]["instrument"] for s in (run(8)[0], opened))
    assert ((before == after) | (after == 2)).all()


def test_every_parameter_tells_its_unit_and_evidence():
    for section in (DOMAIN.policy, DOMAIN.world):
        for name, declared in section.params().items():
            assert declared.meaning, name
            assert declared.evidence == "assumed" or declared.source.startswith("http"), name
            assert isinstance(declared.default, bool) or declared.unit, name
    assert dataclasses.is_dataclass(DOMAIN)
