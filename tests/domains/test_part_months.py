"""A month that a run has only in part brings that part of income and standing orders."""

import datetime as dt

import numpy as np
import pytest
from payments_city import simulation

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
def test_income_and_standing_orders_come_for_the_days_of_the_run(start, days, shares):
    sim = simulation(days, start=start, kernels="plain")
    income = sim.tables["households"]["income_kzt"].copy()
    for _ in range(days):
        sim.step()
    got = [np.rint(income * share) for share in shares]
    left = [np.rint(part * sim.world.payments.fixed_outlay_share) for part in got]
    assert -sim.ledger.balance("tenge", "rest_of_world") == sum(int(a.sum() - b.sum()) for a, b in zip(got, left, strict=True))
