"""Decisions of one resident about the wallet and about paying: small pure scalar functions.

Not in the model yet: different tickets by instrument, payments between people, merchants who decide to accept (acceptance is a lever here).
"""

from __future__ import annotations

import math

from alatau_sim.domains.payments.tables import ADULT_AGE, ADULT_SKILL, AWARE, CARD, CASH, DIGITAL_TENGE, DROPPED, TRYING, UNAWARE, USER
from alatau_sim.engine.rule import choice, rule, tally
from alatau_sim.fields import lognormal_spread, param, triangular_between, uniform_between

DAYS_PER_MONTH = 365.2425 / 12

# Share of a day's payments before hour 0, 1, …, 24. Assumed: nothing much at night, a bump at noon, the peak after work.
HOUR_CUMULATED = (
    0.0, 0.006, 0.010, 0.012, 0.014, 0.017, 0.023, 0.038, 0.073, 0.118, 0.168, 0.223, 0.288,
    0.363, 0.428, 0.484, 0.540, 0.602, 0.676, 0.760, 0.842, 0.906, 0.954, 0.984, 1.0,
)  # fmt: skip

_STUDY = "Alvarez, Argente and Van Patten (2023), Science 382, doi 10.1126/science.add2844; survey of February 2022"
_LATER = "https://elsalvadorinfo.net/only-12-percent-of-salvadorans-used-bitcoin-in-2023-iudop-uca-survey/"


def logistic(x: float) -> float:
    """The logistic function, safe for any finite x."""
    return 0.5 + 0.5 * math.tanh(0.5 * x)


def payments_in_hour(rate: float, phase: float, hour: int) -> int:
    """Payments of one person in one hour: the day's `rate` in equal steps of its profile, shifted by a uniform `phase`.

    Its mean over the phase is exactly rate × the hour's share, and a day's total is rate rounded down or up (systematic sampling).
    """
    return int(math.floor(rate * HOUR_CUMULATED[hour + 1] + phase)) - int(math.floor(rate * HOUR_CUMULATED[hour] + phase))


@rule(of="residents", writes=("wallet_begun", "wallet_state", "wallet_months", "wallet_bonus_kzt"), every="1 month")
def change_wallet(
    payer: bool, wallet_begun: bool, wallet_state: int, wallet_months: int, digital_skill: float, friends_wallet_share: float,
    policy_signup_bonus_kzt: int, policy_campaign_reach_share: float, policy_merchant_acceptance_share: float,
    policy_crypto_legal_tender: bool, world_distrust: float, world_gdp_per_head_kzt: float, world_crypto_holders_share: float,
    world_wallet_aware_share: float, world_holder_months: int, u: float, u2: float, u3: float,
    *,
    media: float = param(
        0.003, within=(0.0, 1.0), unit="1/month", spread=lognormal_spread(0.5),
        meaning="chance to hear of the wallet without campaign or friends",
    ),
    word_of_mouth: float = param(
        0.06, within=(0.0, 1.0), unit="1/month", meaning="chance to hear of it (or to think again) from friends, if all of them use it",
        spread=lognormal_spread(0.5),
    ),
    reconsider: float = param(
        0.02, within=(0.0, 1.0), unit="1/month", spread=lognormal_spread(0.5),
        meaning="chance that one who knows of it and has none, or dropped it, thinks again; new downloads almost ceased in El Salvador "
        "when the campaign ended, so it must be small",
    ),
    open_base: float = param(
        -1.9, within=(-20.0, 20.0), unit="logit", evidence="calibrated", source=_STUDY, spread=triangular_between(-2.4, -1.4),
        meaning="inclination to open at mean skill without bonus: a quarter of the downloaders did not come for the bonus",
    ),
    open_bonus: float = param(
        390.0, within=(0.0, 10_000.0), unit="logit per share of yearly GDP a head", evidence="calibrated", source=_STUDY,
        spread=triangular_between(300.0, 500.0), meaning="pull of the bonus: 78 % of those who knew of it tried, at 0.73 %",
    ),
    open_skill: float = param(
        2.0, within=(0.0, 20.0), unit="logit", spread=uniform_between(1.0, 3.0),
        meaning="pull of digital skill (0 to 1, around one half); the study gives the direction and no figure",
    ),
    open_peers: float = param(
        1.0, within=(0.0, 20.0), unit="logit", spread=uniform_between(0.0, 2.0), meaning="pull of friends who use it, if all of them do",
    ),
    legal_tender: float = param(
        0.3, within=(-5.0, 5.0), unit="logit", spread=uniform_between(0.0, 0.6), meaning="pull of legal tender; El Salvador had it",
    ),
    trust: float = param(
        2.0, within=(0.0, 20.0), unit="logit", spread=uniform_between(1.0, 3.0), meaning="weight of distrust (0 to 1, around one half)",
    ),
    spend_bonus: float = param(
        0.36, within=(0.0, 1.0), unit="1/month", evidence="calibrated", source=_STUDY, spread=triangular_between(0.25, 0.5),
        meaning="chance that the bonus (or the first trial) is used up in a month: a fifth of downloaders still had it after half a year",
    ),
    stay_base: float = param(
        1.25, within=(-20.0, 20.0), unit="logit", evidence="calibrated", source=_STUDY, spread=triangular_between(0.75, 1.75),
        meaning="inclination to go on after the bonus where a fifth of purchases takes crypto: "
        "20 % of adults did, over 60 % of downloaders did not",
    ),
    stay_acceptance: float = param(
        2.0, within=(0.0, 20.0), unit="logit", spread=uniform_between(0.0, 4.0),
        meaning="how much going on depends on the share of purchases that take crypto (around one fifth)",
    ),
    abandon: float = param(
        0.30, within=(0.0, 100.0), unit="1/month", evidence="calibrated", source=_LATER, spread=triangular_between(0.2, 0.4),
        meaning="hazard that a new user stops, where a fifth of purchases takes crypto: 24.4 % had paid with it in 2022, 12 % in 2023",
    ),
    habit_months: float = param(
        12.0, within=(0.1, 1200.0), unit="month", spread=uniform_between(6.0, 24.0),
        meaning="after this time as a user the hazard to stop is a quarter of what it was (habit)",
    ),
) -> tuple[bool, int, int, int]:  # fmt: skip
    """Hear of the crypto wallet, open it, go on or stop once the bonus is spent, drop it, come back: one transition a month.

    Who hears of it decides at once; later it comes to mind again rarely. Those who have come to the city or of age begin like the adults of
    the first day: as holders, aware or unaware. Calibrated on El Salvador: Alvarez, Argente, Van Patten (2023).
    """
    if not payer:
        return wallet_begun, wallet_state, wallet_months, 0
    if not wallet_begun:
        if u < world_crypto_holders_share * digital_skill / ADULT_SKILL:
            return True, USER, world_holder_months, 0
        return True, AWARE if u2 < world_wallet_aware_share else UNAWARE, 0, 0
    appeal = open_base + open_bonus * policy_signup_bonus_kzt / world_gdp_per_head_kzt + open_skill * (digital_skill - 0.5)
    appeal += open_peers * friends_wallet_share - trust * (world_distrust - 0.5) + legal_tender * policy_crypto_legal_tender
    used_more = stay_acceptance * (policy_merchant_acceptance_share - 0.2)
    heard = word_of_mouth * friends_wallet_share
    state, bonus = wallet_state, 0
    if wallet_state <= AWARE:
        told = policy_campaign_reach_share + media if wallet_state == UNAWARE else reconsider
        if u < 1.0 - (1.0 - min(told, 1.0)) * (1.0 - min(heard, 1.0)):
            state = AWARE
            if u2 < logistic(appeal):
                state, bonus = TRYING, policy_signup_bonus_kzt
    elif wallet_state == TRYING:
        if u < spend_bonus:
            stays = logistic(stay_base + used_more + open_skill * (digital_skill - 0.5) + open_peers * friends_wallet_share)
            state = USER if u2 < stays else DROPPED
    elif wallet_state == USER:
        habit = 1.0 + wallet_months / habit_months
        if u < 1.0 - math.exp(-abandon * math.exp(-used_more) / (habit * habit)):
            state = DROPPED
    else:
        # A dropped wallet is taken up again without a second bonus, for what it offers by itself.
        alone = appeal - open_bonus * policy_signup_bonus_kzt / world_gdp_per_head_kzt + used_more
        if u < reconsider + heard - reconsider * heard and u3 < logistic(alone):
            state = USER
    return True, state, (min(wallet_months + 1, 30_000) if state == wallet_state else 0), bonus


@choice(of="residents", over="instruments", writes="instrument", every="1 week", sample=30, when="payer")
def choose_instrument(
    wallet_state: int, digital_skill: float,
    alternative_open: bool, alternative_needs_wallet: bool, alternative_cost_share: float, alternative_convenience: float,
    alternative_skill_needed: float, alternative_acceptance_share: float,
    *,
    cost_weight: float = param(
        20.0, within=(0.0, 1000.0), unit="utility", spread=uniform_between(10.0, 40.0),
        meaning="weight of the cost share",
    ),
    skill_weight: float = param(
        3.0, within=(0.0, 100.0), unit="utility", spread=uniform_between(1.5, 4.5),
        meaning="weight of digital skill beyond (or short of) what the instrument asks for",
    ),
    acceptance_weight: float = param(
        0.5, within=(0.0, 100.0), unit="utility", spread=uniform_between(0.0, 1.0),
        meaning="weight of the share of purchases where it is taken; what is not taken goes to the second instrument anyway",
    ),
) -> float:  # fmt: skip
    """The instrument that a resident likes best: convenience, cost, digital skill and acceptance (multinomial logit, lasting taste)."""
    if not alternative_open or (alternative_needs_wallet and wallet_state != USER) or alternative_acceptance_share <= 0.0:
        return -math.inf
    accepted = alternative_acceptance_share
    fit = digital_skill - alternative_skill_needed if alternative_skill_needed > 0.0 else 0.0
    return alternative_convenience - cost_weight * alternative_cost_share + skill_weight * fit + acceptance_weight * accepted


@rule(
    of="residents", every="1 day",
    writes=("second_instrument", "first_rate", "second_rate", "first_phase", "second_phase", "ticket_kzt"),
)  # fmt: skip
def plan_payments(
    payer: bool, instrument: int, instrument_acceptance_share: float, household_income_kzt: int, household_balance_kzt: int,
    household_payers: int, world_payments_per_adult_month: float, world_spend_share: float, u: float, u2: float,
) -> tuple[int, float, float, float, float, int]:  # fmt: skip
    """The day's payments of one resident: how many with which instrument, and the amount of each, within the household's means.

    The amount is such that a household spends its share of income in a month; never more than its balance, shared by its payers.
    """
    second = CARD if instrument >= DIGITAL_TENGE else CASH
    if not payer or instrument < 0 or household_payers < 1:
        return -1, 0.0, 0.0, 0.0, 0.0, 0
    rate = world_payments_per_adult_month / DAYS_PER_MONTH
    first, other = rate * instrument_acceptance_share, rate * (1.0 - instrument_acceptance_share)
    ticket = household_income_kzt * world_spend_share / (household_payers * world_payments_per_adult_month)
    # Each of the two kinds may be rounded up by one, so this bounds the day's sum of all payers by the balance.
    most = household_balance_kzt // (household_payers * (int(math.floor(rate)) + 3))
    amount = int(min(ticket, float(most)))
    if amount < 1:
        return -1, 0.0, 0.0, 0.0, 0.0, 0
    return second if other > 0.0 else -1, first, other, u, u2, amount


@tally(of="residents", into="payments_wanted", cell=("home", "instrument"))
def want_first(first_rate: float, first_phase: float, hour: int) -> int:
    """Payments wanted with the first instrument, by hour."""
    return payments_in_hour(first_rate, first_phase, hour)


@tally(of="residents", into="payments_wanted", cell=("home", "second_instrument"))
def want_second(second_rate: float, second_phase: float, hour: int) -> int:
    """Payments wanted with the second instrument, where the first is not taken, by hour."""
    return payments_in_hour(second_rate, second_phase, hour)


def payments_of_day(rate: float, phase: float) -> int:
    """The day's payments: the sum of `payments_in_hour` over the hours."""
    return int(math.floor(rate + phase)) - int(math.floor(phase))


@rule(of="residents", writes="spend_today_kzt", every="1 day")
def plan_spending(first_rate: float, first_phase: float, second_rate: float, second_phase: float, ticket_kzt: int) -> int:
    """The amount of all the day's payments; what fails in the end is taken off when the day closes."""
    return (payments_of_day(first_rate, first_phase) + payments_of_day(second_rate, second_phase)) * ticket_kzt


@tally(of="residents", into="payments_value_kzt", cell=("home", "instrument"))
def value_first(first_rate: float, first_phase: float, ticket_kzt: int) -> int:
    """The amount to be paid with the first instrument."""
    return payments_of_day(first_rate, first_phase) * ticket_kzt


@tally(of="residents", into="payments_value_kzt", cell=("home", "second_instrument"))
def value_second(second_rate: float, second_phase: float, ticket_kzt: int) -> int:
    """The amount to be paid with the second instrument."""
    return payments_of_day(second_rate, second_phase) * ticket_kzt


@rule(of="residents", writes="payer", every="1 day")
def come_of_age(age: int) -> bool:
    """Who pays for himself: everyone from 18 on. Runs last, to count from the next day, as the household's number of payers does."""
    return age >= ADULT_AGE


RULES = (
    change_wallet, choose_instrument, plan_payments, plan_spending, want_first, want_second, value_first, value_second, come_of_age,
)  # fmt: skip
