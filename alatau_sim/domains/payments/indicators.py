"""Recorded tables and indicators of payments, computed from columns and grids when a month, a day or a year closes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from alatau_sim.domains.payments.tables import (
    AWARE,
    CARD,
    CASH,
    CRYPTO,
    DIGITAL_TENGE,
    DROPPED,
    INSTRUMENTS,
    RAILS,
    TRYING,
    UNAWARE,
    USER,
    selling,
)
from alatau_sim.engine.rule import settlement
from alatau_sim.fields import ResultField
from alatau_sim.results.kpis import Kpi, ResultTable

KINDS_OF_DAY = ("workday", "day off")
_INSTRUMENT = ResultField("instrument", "category", "", "instrument of payment", INSTRUMENTS)
_ZONE = ResultField("zone", "category", "", "zone")
_COUNTS = (
    ResultField("wanted", "int64", "payments", "payments that residents set out to make with the instrument in the zone's shops"),
    ResultField("made", "int64", "payments", "payments made with the instrument, those that fell back to it within"),
    ResultField("fallback", "int64", "payments", "payments meant for the instrument that failed and were made with another"),
    ResultField("lost", "int64", "payments", "payments meant for the instrument that failed and were given up"),
    ResultField("value_kzt", "int64", "KZT", "amount paid with the instrument"),
    ResultField("lost_kzt", "int64", "KZT", "amount of the payments meant for the instrument that were given up"),
)


def _inside(sim: Any) -> np.ndarray[Any, Any]:
    """Rows of the zones that belong to the city."""
    return np.flatnonzero(~sim.tables["zones"]["outside"])


def _month_sum(sim: Any, grid: str) -> np.ndarray[Any, Any]:
    """A grid's sum over the month, by zone and instrument."""
    days = sim.month_profile(grid).sum(axis=0)
    return np.asarray(days if days.ndim == 2 else days.sum(axis=2))


def build_month(sim: Any) -> Mapping[str, Any]:
    """Payments of the month by shop zone and instrument."""
    zones = _inside(sim)
    n = len(INSTRUMENTS)
    columns: dict[str, Any] = {"zone": np.repeat(zones, n)}
    columns["instrument"] = np.tile(np.arange(n), len(zones))
    for name in ("wanted", "made", "fallback", "lost", "value_kzt", "lost_kzt"):
        columns[name] = _month_sum(sim, f"payments_{name}")[zones].ravel()
    return columns


def build_profile(sim: Any) -> Mapping[str, Any]:
    """The mean day of the month by kind of day: payments made by zone, instrument and hour."""
    zones, kinds = _inside(sim), np.flatnonzero(sim.month_days)
    made = sim.month_profile("payments_made")[kinds][:, zones] / sim.month_days[kinds, None, None, None]
    kind, zone, instrument, hour = (index.ravel() for index in np.indices(made.shape))
    return {"kind_of_day": kinds[kind], "hour_of_day": hour, "zone": zones[zone], "instrument": instrument, "made_per_day": made.ravel()}


def build_rails(sim: Any) -> Mapping[str, Any]:
    """The rails' day."""
    rails = sim.tables["rails"]
    served = rails["served_today"]
    return {
        "rail": np.arange(len(RAILS), dtype=np.int32),
        "capacity_per_s": [float(getattr(sim.policy.payments, f"{name}_capacity_per_s")) for name in RAILS],
        "wanted": rails["wanted_today"].copy(),
        "served": served.copy(),
        "mean_wait_s": rails["wait_today_s"] / np.maximum(served, 1),
        "peak_wait_s": rails["peak_wait_s"].copy(),
        "outage_h": rails["outage_today_s"] / 3600,
    }


def build_wallets(sim: Any) -> Mapping[str, Any]:
    """Adults of each zone by wallet state as the month ends."""
    residents, zones = sim.tables["residents"], _inside(sim)
    adult = residents["payer"] & (residents["home"] >= 0)
    cell = residents["home"][adult].astype(np.int64) * 5 + residents["wallet_state"][adult]
    counts = np.bincount(cell, minlength=sim.tables["zones"].n * 5).reshape(-1, 5)[zones] * sim.weight
    names = {"unaware": UNAWARE, "aware": AWARE, "trying": TRYING, "users": USER, "dropped": DROPPED}
    return {"zone": zones, **{name: counts[:, code] for name, code in names.items()}}


def _count_shops(sim: Any, accepting: bool = False) -> np.ndarray[Any, Any]:
    """Shops of each zone, or those of them that take crypto."""
    firms = sim.tables["firms"]
    shops = selling(sim) & firms["accepts_crypto"] if accepting else selling(sim)
    return np.bincount(firms["site"][shops], weights=firms["stands_for"][shops], minlength=sim.tables["zones"].n).astype(np.int64)


def build_acceptance(sim: Any) -> Mapping[str, Any]:
    """Shops of each zone that take crypto as the month ends, and what its shops took in the month."""
    zones, value = _inside(sim), _month_sum(sim, "payments_value_kzt")
    share = sim.tables["zones"]["crypto_acceptance_share"]
    return {
        "zone": zones, "shops": _count_shops(sim)[zones], "accepting": _count_shops(sim, True)[zones], "acceptance_share": share[zones],
        "taken_kzt": value.sum(axis=1)[zones], "taken_crypto_kzt": value[zones, CRYPTO],
    }  # fmt: skip


def build_zones(sim: Any) -> Mapping[str, Any]:
    """Wallets of each zone's adults, and payments in its shops, for the year."""
    zones, year = _inside(sim), sim.state["payments"]["year"]
    residents, n = sim.tables["residents"], sim.tables["zones"].n
    home = residents["home"]
    adult = residents["payer"] & (home >= 0)
    adults = np.bincount(home[adult], minlength=n)[zones]
    users = np.bincount(home[adult & (residents["wallet_state"] == USER)], minlength=n)[zones]
    return {
        "zone": zones, "wallet_users": users * sim.weight, "wallet_user_share": np.where(adults > 0, users / np.maximum(adults, 1), np.nan),
        **{name: sums[zones] for name, sums in year["sums"].items()},
    }  # fmt: skip


TABLES = (
    ResultTable(
        "zones_payments_year", "year",
        (
            _ZONE, ResultField("wallet_users", "int64", "people", "adults who use a crypto wallet as the year ends"),
            ResultField("wallet_user_share", "float64", "share", "the same among the zone's adults"),
            ResultField("payments_made", "int64", "payments", "payments made in the zone's shops in the year"),
            ResultField("payments_crypto", "int64", "payments", "the same, in crypto"),
            ResultField("payments_lost", "int64", "payments", "payments that failed and were given up"),
            ResultField("spent_kzt", "int64", "KZT", "amount paid"),
        ),
        build_zones, "wallets and payments of each zone by year", "payments",
    ),
    ResultTable("payments_month", "month", (_ZONE, _INSTRUMENT, *_COUNTS), build_month, "payments by shop zone and instrument", "payments"),
    ResultTable(
        "payments_profile_month", "month",
        (
            ResultField("kind_of_day", "category", "", "working day, or weekend and holiday", KINDS_OF_DAY),
            ResultField("hour_of_day", "int32", "h", "hour of the day, 0 to 23"), _ZONE, _INSTRUMENT,
            ResultField("made_per_day", "float64", "1/day", "payments made in the hour, mean over the month's days of the kind"),
        ),
        build_profile, "payments made by hour of the day", "payments",
    ),
    ResultTable(
        "rail_day", "day",
        (
            ResultField("rail", "category", "", "payment rail", RAILS),
            ResultField("capacity_per_s", "float64", "1/s", "payments that it can confirm in a second"),
            ResultField("wanted", "int64", "payments", "payments that reached it"),
            ResultField("served", "int64", "payments", "payments that it confirmed"),
            ResultField("mean_wait_s", "float64", "s", "mean wait of the confirmed payments"),
            ResultField("peak_wait_s", "float64", "s", "highest mean wait of an hour"),
            ResultField("outage_h", "float64", "h", "time out of service"),
        ),
        build_rails, "the rails' load, waits and outages", "payments",
    ),
    ResultTable(
        "wallets_month", "month",
        (_ZONE, *(ResultField(name, "int64", "people", f"adults: {what}") for name, what in (
            ("unaware", "do not know of the crypto wallet"), ("aware", "know of it, have none"),
            ("trying", "have one, still with its bonus"),
            ("users", "use it"), ("dropped", "had one and stopped"),
        ))),
        build_wallets, "crypto wallets by zone as the month ends", "payments",
    ),
    ResultTable(
        "acceptance_month", "month",
        (
            _ZONE, ResultField("shops", "int64", "firms", "firms that sell to people as the month ends"),
            ResultField("accepting", "int64", "firms", "those of them that take crypto"),
            ResultField("acceptance_share", "float64", "share", "shops that take crypto, weighted by the people who work in them"),
            ResultField("taken_kzt", "int64", "KZT", "amount paid in the zone's shops in the month"),
            ResultField("taken_crypto_kzt", "int64", "KZT", "the part of it that was paid in crypto"),
        ),
        build_acceptance, "shops that take crypto, and what shops took, by zone", "payments",
    ),
)  # fmt: skip


def _state_share(code: int) -> Any:
    def share(sim: Any) -> float:
        residents = sim.tables["residents"]
        adults = residents["payer"]
        return float((residents["wallet_state"][adults] == code).mean()) if adults.any() else math.nan

    return share


def _share_of_payments(instrument: int) -> Any:
    def share(sim: Any) -> float:
        made = _month_sum(sim, "payments_made").sum(axis=0)
        return float(made[instrument] / made.sum()) if made.sum() else math.nan

    return share


def _month_total(grid: str, instrument: int | None = None) -> Any:
    def total(sim: Any) -> float:
        sums = _month_sum(sim, grid).sum(axis=0)
        return float(sums.sum() if instrument is None else sums[instrument])

    return total


@settlement(
    phase="record",
    reads=("rails.wait_today_s", "rails.served_today", "rails.outage_today_s", "grid:payments_made", "grid:payments_lost"),
)
def record_payments(sim: Any) -> None:
    """Add the day to the rails' sums of the month and the zones' of the year; they start anew with their period."""
    rails, state = sim.tables["rails"], sim.state["payments"]
    month = state.get("rail_month")
    if month is None or month["month"] != sim.clock.month_index:
        month = state["rail_month"] = {"month": sim.clock.month_index, "wait_s": 0.0, "served": 0, "outage_s": 0}
    month["wait_s"] += float(rails["wait_today_s"][0])
    month["served"] += int(rails["served_today"][0])
    month["outage_s"] += int(rails["outage_today_s"][0])
    made, lost, value = (sim.grids[f"payments_{name}"] for name in ("made", "lost", "value_kzt"))
    day = {
        "payments_made": made.sum(axis=(1, 2)), "payments_crypto": made[:, CRYPTO].sum(axis=1), "payments_lost": lost.sum(axis=(1, 2)),
        "spent_kzt": value.sum(axis=1),
    }  # fmt: skip
    year = state.get("year")
    if year is None or year["year"] != sim.clock.date.year:
        year = state["year"] = {"year": sim.clock.date.year, "sums": {name: values * 0 for name, values in day.items()}}
    for name, values in day.items():
        year["sums"][name] += values


def _mean_wait(sim: Any) -> float:
    month = sim.state["payments"]["rail_month"]
    return month["wait_s"] / month["served"] if month["served"] else math.nan


def _outage(sim: Any) -> float:
    return float(sim.state["payments"]["rail_month"]["outage_s"]) / 3600


def _paid_by_the_city(what: str) -> Any:
    return lambda sim: float(sim.state["payments"][what] * sim.weight)


def _accepting_share(sim: Any) -> float:
    shops = _count_shops(sim).sum()
    return float(_count_shops(sim, True).sum() / shops) if shops else math.nan


def _accepting_purchases(sim: Any) -> float:
    """The share of the month's payments that could have been made in crypto, if shops sell in proportion to their staff."""
    made = _month_sum(sim, "payments_made").sum(axis=1)
    share = sim.tables["zones"]["crypto_acceptance_share"]
    return float((made * share).sum() / made.sum()) if made.sum() else math.nan


def _kpi(name: str, label: str, unit: str, better: Any, formula: str, table: str, compute: Any, over_year: Any = "last") -> Kpi:
    return Kpi(name, label, unit, better, formula, table, compute, over_year, "payments")


_WALLETS = (
    ("wallet_user_share", "Adults who use a crypto wallet", USER), ("wallet_trying_share", "Adults trying a wallet", TRYING),
    ("wallet_unaware_share", "Adults who do not know of the wallet", UNAWARE),
    ("wallet_dropped_share", "Adults who dropped the wallet", DROPPED),
)  # fmt: skip
_SHARES = (
    ("cash_payment_share", "Payments in cash", CASH), ("card_payment_share", "Payments by card or QR", CARD),
    ("digital_tenge_payment_share", "Payments in digital tenge", DIGITAL_TENGE), ("crypto_payment_share", "Payments in crypto", CRYPTO),
)  # fmt: skip

KPIS = (
    *(
        _kpi(n, label, "share", "neither", "adults in the state / adults, as the month ends", "wallets_month", _state_share(c))
        for n, label, c in _WALLETS
    ),
    *(
        _kpi(n, label, "share", "neither", "payments made with it / payments made", "payments_month", _share_of_payments(c), "mean")
        for n, label, c in _SHARES
    ),
    _kpi(
        "payments_made", "Payments made", "payments", "higher", "sum of payments made", "payments_month",
        _month_total("payments_made"), "sum",
    ),
    _kpi(
        "payments_value", "Value of payments", "KZT", "higher", "sum of amounts paid", "payments_month",
        _month_total("payments_value_kzt"), "sum",
    ),
    _kpi(
        "crypto_value", "Value of crypto payments", "KZT", "neither", "sum of amounts paid in crypto", "payments_month",
        _month_total("payments_value_kzt", CRYPTO), "sum",
    ),
    _kpi(
        "fallback_payments", "Payments that fell back", "payments", "lower", "payments that failed and were made with another instrument",
        "payments_month", _month_total("payments_fallback"), "sum",
    ),
    _kpi(
        "lost_sales", "Lost sales", "payments", "lower", "payments that failed and were given up", "payments_month",
        _month_total("payments_lost"), "sum",
    ),
    _kpi(
        "lost_sales_value", "Value of lost sales", "KZT", "lower", "sum of amounts of payments that failed and were given up",
        "payments_month", _month_total("payments_lost_kzt"), "sum",
    ),
    _kpi(
        "crypto_shop_share", "Shops that take crypto", "share", "neither", "shops that take crypto / shops, as the month ends",
        "acceptance_month", _accepting_share,
    ),
    _kpi(
        "crypto_acceptance", "Purchases where crypto is taken", "share", "neither",
        "staff-weighted share of shops that take crypto, mean over zones weighted by payments made", "acceptance_month",
        _accepting_purchases,
    ),
    _kpi("crypto_wait", "Mean wait on the crypto rail", "s", "lower", "mean wait of confirmed payments", "rail_day", _mean_wait, "mean"),
    _kpi("crypto_outage", "Crypto rail out of service", "h", "lower", "hours that the rail was out", "rail_day", _outage, "sum"),
    _kpi(
        "wallet_bonus_cost", "Bonuses paid for wallets", "KZT", "lower", "bonuses that the city paid to those who opened a wallet",
        "wallets_month", _paid_by_the_city("bonus_kzt"), "sum",
    ),
    _kpi(
        "merchant_grant_cost", "Grants paid to shops", "KZT", "lower", "grants that the city paid to shops that began to take crypto",
        "acceptance_month", _paid_by_the_city("grants_kzt"), "sum",
    ),
)  # fmt: skip
