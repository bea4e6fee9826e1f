"""What the city can choose about money (policy) and what it cannot (world), with unit, range, evidence and source.

Not known and so assumed: what holds people back from a city wallet in Kazakhstan, how the rails of the city will be built, how many
purchases are lost when a payment fails. The wallet's life and the shops' acceptance are calibrated on El Salvador (see
`rules.change_wallet` and `rules.accept_crypto`).
"""

from __future__ import annotations

from alatau_sim.fields import Section, lognormal_spread, param, triangular_between, uniform_between

_CARDS = "https://nationalbank.kz/en/news/statistika-po-platezhnym-instrumentam/17871"
_KASPI = "https://www.valye.com/news/kspi-company-analysis-2026-03-16-kaspi-kz-s-integrated-super-apps-fuel-market-expansion-and-consistent-returns-811379"  # noqa: E501
_HOLDERS = "https://tashkentcitizen.com/cryptocurrency-making-inroads-in-central-asia-and-caucasus"
_CHIVO = "https://www.coindesk.com/business/2022/04/27/six-of-10-salvadorans-quit-using-the-chivo-wallet-after-getting-the-bitcoin-incentive-study-shows/"  # noqa: E501


class Policy(Section):
    """Levers of the city over payments. The defaults are today's state: pilots only."""

    signup_bonus_kzt: int = param(
        0, within=(0, 1_000_000), unit="KZT", evidence="assumed",
        meaning="paid once by the city to an adult who opens a crypto wallet; nothing is paid today",
    )
    campaign_reach_share: float = param(
        0.0, within=(0.0, 1.0), unit="1/month", evidence="assumed",
        meaning="share of the adults who do not know the wallet whom a campaign reaches in a month; no campaign today",
    )
    merchant_grant_kzt: int = param(
        0, within=(0, 10_000_000), unit="KZT", evidence="assumed",
        meaning="paid once by the city to a shop that begins to take crypto for the first time; nothing is paid today",
    )
    crypto_rail_capacity_per_s: float = param(
        5.0, within=(0.0001, 1_000_000.0), unit="1/s", evidence="assumed",
        meaning="payments that the crypto rail of the city can confirm in a second",
    )
    card_rail_capacity_per_s: float = param(
        200.0, within=(0.0001, 1_000_000.0), unit="1/s", evidence="assumed",
        meaning="payments that the card, QR and digital tenge rail can confirm for the city in a second; far above the need",
    )
    crypto_legal_tender: bool = param(
        False, evidence="sourced", source="https://sidebyside.yirifi.com/analyses/556",
        meaning="whether crypto is legal tender; since 2023 it is property, and no means of payment outside pilots",
    )
    digital_tenge_open: bool = param(
        False, evidence="sourced",
        source="https://astanatimes.com/2026/02/kazakhstan-expands-digital-tenge-use-across-key-economic-sectors/",
        meaning="whether residents can pay with the digital tenge; the pilots are wholesale and budget use",
    )
    digital_tenge_acceptance_share: float = param(
        0.9, within=(0.0, 1.0), unit="share", evidence="assumed",
        meaning="share of purchases where the digital tenge can be used, once it is open: over the terminals of the banks",
    )


class World(Section):
    """What the city does not choose: habits, trust, failures."""

    crypto_holders_share: float = param(
        0.08, within=(0.0, 1.0), unit="share", evidence="sourced", source=_HOLDERS, spread=triangular_between(0.03, 0.12),
        meaning="adults who use a crypto wallet when the run starts (independent estimate of holders, all ages)",
    )
    wallet_aware_share: float = param(
        0.30, within=(0.0, 1.0), unit="share", evidence="assumed", spread=uniform_between(0.1, 0.5),
        meaning="adults without a wallet who know that they could open one, when the run starts",
    )
    holder_months: int = param(
        36, within=(0, 600), unit="month", evidence="assumed", spread=uniform_between(12, 60),
        meaning="how long those who use a wallet when the run starts have done so",
    )
    crypto_shops_share: float = param(
        0.02, within=(0.0, 1.0), unit="share", evidence="assumed", spread=triangular_between(0.0, 0.06),
        meaning="shops that take crypto when the run starts (assumed: today a sandbox whose merchants are not published)",
    )
    merchant_setup_kzt: int = param(
        100_000, within=(1, 10_000_000), unit="KZT", evidence="assumed", spread=uniform_between(50_000, 200_000),
        meaning="what it costs a shop to begin to take crypto: terminal, training, accounts (assumed); what a grant pays of it holds "
        "nobody back, and a grant beyond it moves nobody further",
    )
    card_merchant_fee_share: float = param(
        0.015, within=(0.0, 0.5), unit="share", evidence="assumed", spread=triangular_between(0.008, 0.025),
        meaning="what a card or QR payment costs the shop, as a share of the amount (assumed); no money is booked for it",
    )
    crypto_merchant_fee_share: float = param(
        0.005, within=(0.0, 0.5), unit="share", evidence="assumed", spread=uniform_between(0.0, 0.01),
        meaning="what a crypto payment, turned into tenge at once, costs the shop, as a share of the amount (assumed)",
    )
    distrust: float = param(
        0.5, within=(0.0, 1.0), unit="share", evidence="assumed", spread=triangular_between(0.3, 0.7),
        meaning="distrust of crypto and of the system behind it; 0.5 stands for El Salvador in 2021",
    )
    gdp_per_head_kzt: float = param(
        7_500_000.0, within=(100_000.0, 1e9), unit="KZT/year", evidence="assumed", spread=uniform_between(6_500_000.0, 8_500_000.0),
        meaning="yearly product a head, against which a bonus is felt (0.73 % of it in El Salvador)",
    )
    payments_per_adult_month: float = param(
        77.0, within=(1.0, 1000.0), unit="1/month", evidence="sourced", source=_KASPI, spread=triangular_between(40.0, 90.0),
        meaning="payments of an adult in a month: transactions of an active Kaspi consumer, transfers within",
    )
    spend_share: float = param(
        0.71, within=(0.0, 1.0), unit="share", evidence="assumed", spread=uniform_between(0.65, 0.76),
        meaning="share of a household's net income spent in the city's shops; the ticket follows from it and the number of payments "
        "(assumed: a mean household's budget is 71 % shops, 21 % fixed outlay (not all can), 2 % rent, which 13 % pay, 2 % electricity, "
        "1 % fares, and 3 % left over; the mean cashless operation in Kazakhstan, 13,300 tenge, holds transfers too, and 77 of them "
        "would be over twice a wage)",
    )
    fixed_outlay_share: float = param(
        0.23, within=(0.0, 1.0), unit="share", evidence="assumed", spread=uniform_between(0.17, 0.26),
        meaning="share of a household's net income that leaves the city as the month ends, for loans and purchases elsewhere, as far as "
        "its money goes (assumed: see spend_share); who rents has less left for it",
    )
    card_convenience: float = param(
        0.88, within=(-10.0, 10.0), unit="utility", evidence="calibrated", source=_CARDS, spread=triangular_between(0.4, 1.4),
        meaning="utility of card or QR above cash; meets the cashless share by value of card operations, 86.8 % in July 2025",
    )
    digital_tenge_convenience: float = param(
        0.4, within=(-10.0, 10.0), unit="utility", evidence="assumed", spread=uniform_between(-1.0, 1.5),
        meaning="utility of the digital tenge above cash; retail use has not been seen",
    )
    crypto_convenience: float = param(
        2.4, within=(-10.0, 10.0), unit="utility", evidence="calibrated", source=_CHIVO, spread=triangular_between(1.4, 3.4),
        meaning="utility of crypto above cash for a wallet user; regular users in El Salvador cut cash and card use by about a tenth "
        "where a fifth of firms accepted",
    )
    crypto_fee_share: float = param(
        0.005, within=(0.0, 0.5), unit="share", evidence="assumed", spread=uniform_between(0.0, 0.02),
        meaning="cost of a crypto payment felt by the payer, as a share of the amount",
    )
    crypto_failures_per_year: float = param(
        12.0, within=(0.0, 1000.0), unit="1/year", evidence="assumed", spread=lognormal_spread(0.5),
        meaning="failures of the crypto rail in a year of operation; app errors were a reason against Chivo, without a figure",
    )
    crypto_repair_hours: float = param(
        4.0, within=(0.01, 1000.0), unit="h", evidence="assumed", spread=lognormal_spread(0.5),
        meaning="mean time to repair the crypto rail",
    )
    card_failures_per_year: float = param(
        2.0, within=(0.0, 1000.0), unit="1/year", evidence="assumed", spread=lognormal_spread(0.5),
        meaning="failures of the card and QR rail in a year of operation",
    )
    card_repair_hours: float = param(
        1.0, within=(0.01, 1000.0), unit="h", evidence="assumed", spread=lognormal_spread(0.5),
        meaning="mean time to repair the card rail",
    )
    patience_s: float = param(
        60.0, within=(0.0, 3600.0), unit="s", evidence="assumed", spread=uniform_between(20.0, 180.0),
        meaning="a payment that would wait longer than this falls back",
    )
    lost_sale_share: float = param(
        0.3, within=(0.0, 1.0), unit="share", evidence="assumed", spread=uniform_between(0.1, 0.6),
        meaning="share of failed payments where the purchase is given up; the others are paid with the second instrument",
    )
