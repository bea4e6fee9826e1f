"""Payments: the crypto wallet's life, the choice of an instrument, the day's payments, the rails they take, and the tenge they move."""

from __future__ import annotations

from alatau_sim.domains.payments.indicators import KPIS, TABLES, record_payments
from alatau_sim.domains.payments.params import Policy, World
from alatau_sim.domains.payments.process import start_rails
from alatau_sim.domains.payments.rules import RULES
from alatau_sim.domains.payments.settle import account_payments, refresh_instruments, settle_payments, watch_money
from alatau_sim.domains.payments.tables import COLUMNS, DERIVED, GRIDS, RELATIONS, SYSTEM, fill_instruments, fill_wallets
from alatau_sim.engine.domain import Domain

DOMAIN = Domain(
    name="payments",
    policy=Policy,
    world=World,
    columns=COLUMNS,
    derived=DERIVED,
    relations=RELATIONS,
    grids=GRIDS,
    rules=RULES,
    settlements=(refresh_instruments, settle_payments, account_payments, record_payments),
    fill=(fill_instruments, fill_wallets),
    start=(watch_money, start_rails),
    tables=TABLES,
    kpis=KPIS,
    systems={SYSTEM: "rails"},
)
