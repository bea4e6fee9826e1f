"""A month that a run has only in part brings that part of standing orders, and never more than there is."""

import datetime as dt

import numpy as np
import pytest
from payments_city import simulation

from alatau_sim.domains.payments.settle import close_payments_month

JANUARY, FEBRUARY = 31, 28


@pytest.mark.parametrize(
    ("start", "days", "shares"),
    [
        (dt.date(2026, 1, 1), 31, [1.0]),
        (dt.date(2026, 1, 1), 10, [10 / JANUARY]),
        (dt.date(2026, 1, 31), 1, [1 / JANUARY]),
        (dt.date(2026, 1, 22), 10 + FEBRUARY + 1, [10 / JANUARY, 1.0, 1 / 31]),
    ],
)
def test_standing_orders_go_for_the_days_of_the_run(start, days, shares):
    sim = simulation(days, start=start, kernels="plain")
    income = sim.tables["households"]["income_kzt"].copy()
    for _ in range(days):
        sim.step()
    left = sum(int(np.rint(income * (share * sim.world.payments.fixed_outlay_share)).sum()) for share in shares)
    # The city of the test pays whole incomes as each month closes.
    assert sim.ledger.balance("tenge", "rest_of_world") == left - len(shares) * int(income.sum())


def test_nobody_pays_more_than_there_is():
    sim = simulation(1, kernels="plain")
    households, ledger = sim.tables["households"], sim.ledger
    sim.step()
    before = ledger.balance("tenge", "rest_of_world")
    held = np.arange(households.n) % 3 * 1000 - 1000  # a debt, nothing, a little
    households["balance_kzt"][:] = held
    close_payments_month.fn(sim)
    assert households["balance_kzt"].tolist() == np.minimum(held, 0).tolist()
    assert ledger.balance("tenge", "rest_of_world") - before == np.maximum(held, 0).sum()
