"""Payments: the crypto wallet's life, shops that take crypto, the day's payments, the rails they take, and the tenge they move."""

from __future__ import annotations

from alatau_sim.domains.payments.indicators import KPIS, TABLES, record_payments
from alatau_sim.domains.payments.params import Policy, World
from alatau_sim.domains.payments.process import start_rails
from alatau_sim.domains.payments.rules import RULES
from alatau_sim.domains.payments.settle import (
    close_payments_month,
    pay_shops,
    refresh_instruments,
    settle_payments,
    watch_money,
    weigh_acceptance,
)
from alatau_sim.domains.payments.tables import (
    CITY,
    COLUMNS,
    DERIVED,
    GRIDS,
    RELATIONS,
    SYSTEM,
    begin_acceptance,
    fill_instruments,
    fill_wallets,
)
from alatau_sim.engine.domain import Domain

DOMAIN = Domain(
    name="payments",
    policy=Policy,
    world=World,
    columns=COLUMNS,
    derived=DERIVED,
    relations=RELATIONS,
    grids=GRIDS,
    city=CITY,
    rules=RULES,
    settlements=(refresh_instruments, weigh_acceptance, settle_payments, pay_shops, close_payments_month, record_payments),
    fill=(fill_instruments, fill_wallets),
    start=(watch_money, begin_acceptance, start_rails),
    tables=TABLES,
    kpis=KPIS,
    systems={SYSTEM: "rails"},
)
