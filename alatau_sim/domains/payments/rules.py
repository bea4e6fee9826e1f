"""Decisions of one resident about the wallet and about paying, and of one shop about taking crypto: small pure scalar functions.

Not in the model yet: different tickets by instrument, payments between people and between firms, fees as money.
"""

from __future__ import annotations

import math

from alatau_sim.domains.payments.tables import ADULT_AGE, ADULT_SKILL, AWARE, CARD, CRYPTO, DIGITAL_TENGE, DROPPED, TRYING, UNAWARE, USER
from alatau_sim.engine.rule import choice, rule, tally
from alatau_sim.fields import lognormal_spread, param, triangular_between, uniform_between

DAYS_PER_MONTH = 365.2425 / 12

# Share of a day's payments before hour 0, 1, …, 24. Assumed: nothing much at night, a bump at noon, the peak after work.
HOUR_CUMULATED = (
    0.0, 0.006, 0.010, 0.012, 0.014, 0.017, 0.023, 0.038, 0.073, 0.118, 0.168, 0.223, 0.288,
    0.363, 0.428, 0.484, 0.540, 0.602, 0.676, 0.760, 0.842, 0.906, 0.954, 0.984, 1.0,
)  # fmt: skip
# The share of payments with which each hour ends, for a search; nothing comes after the last hour, whatever rounding says.
HOUR_ENDS = (*HOUR_CUMULATED[1:24], math.inf, math.inf)
# The hour in which each 64th of a day's payments begins: where the search can start.
FIRST_HOUR = tuple(max(hour for hour in range(24) if HOUR_CUMULATED[hour] <= part / 64) for part in range(64))
NUMBER_AT = 48

_STUDY = "Alvarez, Argente and Van Patten (2023), Science 382, doi 10.1126/science.add2844; survey of February 2022"
_LATER = "https://elsalvadorinfo.net/only-12-percent-of-salvadorans-used-bitcoin-in-2023-iudop-uca-survey/"


def logistic(x: float) -> float:
    """The logistic function, safe for any finite x."""
    return 0.5 + 0.5 * math.tanh(0.5 * x)


def pack_payments(rate: float, phase: float) -> int:
    """One person's payments of a day: two bits for the number in each hour, and from bit `NUMBER_AT` on the number of the day.

    They stand in equal steps along the day's profile, shifted by a uniform `phase` (systematic sampling): the mean of an hour is exactly
    rate × the hour's share, and a day's number is the rate rounded down or up. Two bits hold any hour for rates up to 35 a day.
    """
    number = int(rate + phase)
    if number < 1:
        return 0
    packed, step = number << NUMBER_AT, 1.0 / rate
    # As many rounds for all of one rate, whether or not the phase lets the last payment happen: that is quick when compiled.
    for payment in range(1, int(rate) + 2):
        at = (payment - phase) * step
        hour = FIRST_HOUR[min(int(at * 64.0), 63)]
        while at > HOUR_ENDS[hour + 1]:  # at night only, when several hours share a 64th
            hour += 1
        hour += 1 if at > HOUR_ENDS[hour] else 0
        packed += (1 if payment <= number else 0) << (2 * hour)
    return packed


@rule(of="residents", writes=("wallet_begun", "wallet_state", "wallet_months", "wallet_bonus_kzt"), every="1 month")
def change_wallet(
    payer: bool, wallet_begun: bool, wallet_state: int, wallet_months: int, digital_skill: float, friends_wallet_share: float,
    policy_signup_bonus_kzt: int, policy_campaign_reach_share: float, shop_crypto_acceptance_share: float,
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
    used_more = stay_acceptance * (shop_crypto_acceptance_share - 0.2)
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


@rule(of="firms", writes=("accepts_crypto", "accepted_before", "acceptance_months", "grant_kzt"), every="1 month")
def accept_crypto(
    sector_sells_to_people: bool, staff: int, commuters: int, stands_for: int, site_shopper_wallet_share: float, accepts_crypto: bool,
    accepted_before: bool, acceptance_months: int, city_sample_weight: float, policy_merchant_grant_kzt: int,
    policy_crypto_legal_tender: bool, world_merchant_setup_kzt: int, world_card_merchant_fee_share: float,
    world_crypto_merchant_fee_share: float, u: float,
    *,
    consider: float = param(
        0.3, within=(0.0, 1.0), unit="1/month", spread=lognormal_spread(0.3),
        meaning="chance that a shop thinks of taking crypto (assumed)",
    ),
    base: float = param(
        -2.0, within=(-20.0, 20.0), unit="logit", evidence="calibrated", source=_STUDY, spread=triangular_between(-2.6, -1.4),
        meaning="inclination of a shop of five people where a fifth of the shoppers use a wallet, without legal tender and with nothing to "
        "set up: 20 % of firms accepted in El Salvador after half a year, mostly large ones",
    ),
    shoppers: float = param(
        12.0, within=(0.0, 100.0), unit="logit", spread=uniform_between(8.0, 16.0),
        meaning="pull of the share of wallet users among the zone's shoppers (around one fifth), if all of them are (assumed)",
    ),
    size: float = param(
        0.7, within=(0.0, 10.0), unit="logit per log of staff", spread=uniform_between(0.4, 1.0),
        meaning="pull of size, around five people (assumed: the study says that mostly large firms accept and gives no figure)",
    ),
    setup: float = param(
        1.5, within=(0.0, 20.0), unit="logit", spread=uniform_between(0.8, 2.2),
        meaning="what the cost to begin holds back, as far as no grant pays it (assumed)",
    ),
    legal_tender: float = param(
        2.5, within=(-5.0, 10.0), unit="logit", spread=uniform_between(1.5, 3.5),
        meaning="pull of legal tender (assumed); El Salvador had it",
    ),
    saving: float = param(
        50.0, within=(0.0, 1000.0), unit="logit per share of the amount", spread=uniform_between(20.0, 80.0),
        meaning="pull of what crypto costs the shop less than cards (assumed)",
    ),
    drop: float = param(
        0.2, within=(0.0, 100.0), unit="1/month", spread=lognormal_spread(0.3),
        meaning="hazard that a shop ceases to take it soon after it began, where a fifth of the shoppers use a wallet (assumed: so high "
        "that today's few shops stay about as many; 43 % of those that accepted in El Salvador had sold nothing for it)",
    ),
    drop_shoppers: float = param(
        5.0, within=(0.0, 100.0), unit="log of the hazard", spread=uniform_between(2.0, 8.0),
        meaning="how much that hazard falls with the share of wallet users among the shoppers (around one fifth) (assumed)",
    ),
    habit_months: float = param(
        36.0, within=(0.1, 1200.0), unit="month", spread=uniform_between(24.0, 48.0),
        meaning="after this time the hazard to cease is a quarter of what it was (assumed: habit)",
    ),
) -> tuple[bool, bool, int, int]:  # fmt: skip
    """Begin to take crypto, go on, or cease: one transition a month. Calibrated on El Salvador: Alvarez, Argente, Van Patten (2023).

    A low draw begins and a high one ceases, and who has once had a terminal needs none again: so whatever makes shops more inclined
    leaves, with the same luck, a superset of them accepting.
    """
    if not sector_sells_to_people:
        return False, accepted_before, 0, 0
    more = site_shopper_wallet_share - 0.2
    if accepts_crypto:
        habit = 1.0 + acceptance_months / habit_months
        ceases = 1.0 - math.exp(-drop * math.exp(-drop_shoppers * more) / (habit * habit))
        if u >= 1.0 - min(ceases, 1.0 - consider):
            return False, True, 0, 0
        return True, True, min(acceptance_months + 1, 30_000), 0
    # In a sample the row of a large firm, which stands for itself alone, has a part of its people.
    people = max((staff + commuters) * city_sample_weight / stands_for, 1.0)
    appeal = base + shoppers * more + size * math.log(people / 5.0) + legal_tender * policy_crypto_legal_tender
    appeal += saving * (world_card_merchant_fee_share - world_crypto_merchant_fee_share)
    if not accepted_before:
        appeal -= setup * (1.0 - min(policy_merchant_grant_kzt / world_merchant_setup_kzt, 1.0))
    if u < consider * logistic(appeal):
        return True, True, 0, 0 if accepted_before else policy_merchant_grant_kzt
    return False, accepted_before, min(acceptance_months + 1, 30_000), 0


@choice(of="residents", over="instruments", writes="instrument", every="1 week", sample=30, when="payer")
def choose_instrument(
    wallet_state: int, digital_skill: float, shop_crypto_acceptance_share: float,
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
    """The instrument that a resident likes best: convenience, cost, digital skill and acceptance (multinomial logit, lasting taste).

    Crypto is taken where shops of the resident's shop zone take it.
    """
    accepted = shop_crypto_acceptance_share if alternative_needs_wallet else alternative_acceptance_share
    if not alternative_open or (alternative_needs_wallet and wallet_state != USER) or accepted <= 0.0:
        return -math.inf
    fit = digital_skill - alternative_skill_needed if alternative_skill_needed > 0.0 else 0.0
    return alternative_convenience - cost_weight * alternative_cost_share + skill_weight * fit + acceptance_weight * accepted


@rule(of="households", writes="ticket_kzt", every="1 day")
def plan_budget(
    income_kzt: int, balance_kzt: int, payers: int, world_payments_per_adult_month: float, world_spend_share: float
) -> int:
    """The amount of each of the household's payments today: its share of income over a month, and at most half of what it has today.

    The other half is left for what else is taken from it while the day closes.
    """
    if payers < 1:
        return 0
    # Each of the two kinds of payments of a payer may be rounded up by one, so this bounds the day's sum.
    most = balance_kzt / (2.0 * payers * (world_payments_per_adult_month / DAYS_PER_MONTH + 2.0))
    return max(0, int(min(income_kzt * world_spend_share / (payers * world_payments_per_adult_month), most)))


@rule(of="residents", writes=("second_instrument", "first_hours", "second_hours", "spend_today_kzt"), every="1 day")
def plan_payments(
    instrument: int, shop: int, shop_crypto_acceptance_share: float, household_ticket_kzt: int,
    policy_digital_tenge_acceptance_share: float, world_payments_per_adult_month: float, u: float, u2: float,
) -> tuple[int, int, int, int]:  # fmt: skip
    """The day's payments of one resident in the shop zone: when, with which instrument, and their amount.

    Where the first instrument is not taken, a card is used. What fails in the end is taken off the amount when the day closes.
    """
    if instrument < 0 or shop < 0 or household_ticket_kzt < 1:
        return -1, 0, 0, 0
    rate, accepted = world_payments_per_adult_month / DAYS_PER_MONTH, 1.0
    if instrument == CRYPTO:
        accepted = shop_crypto_acceptance_share
    elif instrument == DIGITAL_TENGE:
        accepted = policy_digital_tenge_acceptance_share
    first = pack_payments(rate * accepted, u)
    if accepted >= 1.0:
        return -1, first, 0, (first >> NUMBER_AT) * household_ticket_kzt
    second = pack_payments(rate * (1.0 - accepted), u2)
    return CARD, first, second, ((first >> NUMBER_AT) + (second >> NUMBER_AT)) * household_ticket_kzt


@tally(of="residents", into="payments_wanted", cell=("shop", "instrument"))
def want_first(first_hours: int, hour: int) -> int:
    """Payments wanted with the first instrument, by hour."""
    return (first_hours >> (2 * hour)) & 3


@tally(of="residents", into="payments_wanted", cell=("shop", "second_instrument"))
def want_second(second_hours: int, hour: int) -> int:
    """Payments wanted with the second instrument, where the first is not taken, by hour."""
    return (second_hours >> (2 * hour)) & 3


@tally(of="residents", into="payments_value_kzt", cell=("shop", "instrument"))
def value_first(first_hours: int, household_ticket_kzt: int) -> int:
    """The amount to be paid with the first instrument."""
    return (first_hours >> NUMBER_AT) * household_ticket_kzt


@tally(of="residents", into="payments_value_kzt", cell=("shop", "second_instrument"))
def value_second(second_hours: int, household_ticket_kzt: int) -> int:
    """The amount to be paid with the second instrument."""
    return (second_hours >> NUMBER_AT) * household_ticket_kzt


@rule(of="residents", writes="payer", every="1 month", phase="life")
def come_of_age(age: int) -> bool:
    """Who pays for himself: everyone who is 18 when the month begins, those who have just come to the city too."""
    return age >= ADULT_AGE


RULES = (
    change_wallet, accept_crypto, choose_instrument, plan_budget, plan_payments, want_first, want_second, value_first, value_second,
    come_of_age,
)  # fmt: skip
