"""What a scenario may say about the economy: taxes and the special regime (policy), what is not known (world), and anchor projects.

Tax rates are those of the code in force since 2026. Not known and so assumed: the city's own tax rules (the constitutional law of May 2026
leaves them to acts that are not published), how many jobs there are held by people from outside, how fast people search, firms' margins.
"""

from __future__ import annotations

from datetime import date

from alatau_sim.fields import Section, lognormal_spread, param, triangular_between, uniform_between

_RATES = "rates of 2026, https://nalogikz.kz/docs/stavki-nalogov-na-2026-god.html"
_CAPS = "caps of 2026, https://speed.asistent.kz/ru/article/predelnye-summy-dlya-nalogov-i-socplatezhey-v-2026-godu"
_PAYROLL = "https://bpo.kz/ru/news/obzor-izmenenij-zakonodatelstva-rk-fot-2026"
_WAGES = "wages_by_sector.csv in the facts: https://www.lada.kz/kazakhstan-news/146028-bogatye-edinitsy-i-bednye-massy-zarplaty-v-kazakhstane-biut-rekordy-neravenstva.html"  # noqa: E501
_AXTELL = "Axtell (2001), Zipf Distribution of U.S. Firm Sizes, Science 293, doi 10.1126/science.1062081"
_DJANKOV = (
    "Djankov, Ganser, McLiesh, Ramalho and Shleifer, The Effect of Corporate Taxes on Investment and Entrepreneurship (NBER 13756; AEJ "
    "Macro 2010), as told in http://gregmankiw.blogspot.com/2007/11/effects-of-corporate-taxation.html"
)
_DEATHS = "McKenzie and Paffhausen (2017), Small Firm Death in Developing Countries, https://ideas.repec.org/p/cpr/ceprdp/12401.html"


class Policy(Section):
    """Taxes, and the levers of the city's special regime."""

    tax_relief_share: float = param(
        0.0, within=(0, 1), unit="share",
        meaning="share of corporate income tax and property tax that private firms of the city are let off (1: as in the country's other "
        "special economic zones; the city's own rates are not published); less tax on profit draws firms by entry_tax_response",
    )  # fmt: skip
    value_added_rate: float = param(0.16, within=(0, 1), unit="share", evidence="sourced", source=_RATES, meaning="value-added tax")
    value_added_from_mci: int = param(
        10_000, within=(0, 10**7), unit="MCI/year", evidence="sourced", source="https://regfollower.com/?p=70923",
        meaning="yearly sales from which a firm pays value-added tax",
    )  # fmt: skip
    corporate_rate: float = param(0.20, within=(0, 1), unit="share", evidence="sourced", source=_RATES, meaning="tax on a firm's profit")
    property_rate: float = param(
        0.015, within=(0, 1), unit="1/year", evidence="sourced", meaning="yearly tax on the value of buildings, paid by the firms in them",
        source="article 521 of the tax code of 2017, http://fayllar.org/on-taxes-and-other-obligatory-payments-to-the-budget-tax-code/fayllar.org/on-taxes-and-other-obligatory-payments-to-the-budget-tax-code.html?page=332",  # noqa: E501
    )  # fmt: skip
    income_rate: float = param(0.10, within=(0, 1), unit="share", evidence="sourced", source=_RATES, meaning="income tax on wages")
    income_rate_high: float = param(0.15, within=(0, 1), unit="share", evidence="sourced", source=_RATES, meaning="on what is above")
    income_high_from_mci: int = param(
        8_500, within=(0, 10**7), unit="MCI/year", evidence="sourced", source=_PAYROLL, meaning="yearly income that the lower rate ends at"
    )
    deduction_mci: float = param(
        30.0, within=(0, 10_000), unit="MCI/month", evidence="sourced", source="https://regfollower.com/?p=70923",
        meaning="monthly wage that income tax leaves free",
    )  # fmt: skip
    mci_kzt: int = param(
        4_325, within=(1, 10**6), unit="KZT", evidence="sourced", source=_CAPS, meaning="monthly calculation index (2026)"
    )
    minimum_wage_kzt: int = param(
        85_000, within=(0, 10**7), unit="KZT/month", evidence="sourced", source=_CAPS, meaning="minimum wage, which caps are multiples of"
    )
    pension_rate: float = param(
        0.10, within=(0, 1), unit="share", evidence="sourced", source=_RATES, meaning="employee's contribution to his pension (OPV)"
    )
    health_rate: float = param(
        0.02, within=(0, 1), unit="share", evidence="sourced", source=_RATES, meaning="employee's contribution to health insurance (VOSMS)"
    )
    pension_cap_wages: float = param(
        50.0, within=(0, 1000), unit="minimum wages", evidence="sourced", source=_CAPS, meaning="wage up to which pensions are paid for"
    )
    health_cap_wages: float = param(
        20.0, within=(0, 1000), unit="minimum wages", evidence="sourced", source=_CAPS, meaning="wage up to which employees pay for health"
    )
    social_rate: float = param(0.06, within=(0, 1), unit="share", evidence="sourced", source=_RATES, meaning="social tax of the employer")
    employer_pension_rate: float = param(
        0.035, within=(0, 1), unit="share", evidence="sourced", source=_RATES, meaning="employer's contribution to pensions (OPVR)"
    )
    employer_health_rate: float = param(
        0.03, within=(0, 1), unit="share", evidence="sourced", source=_RATES, meaning="employer's contribution to health insurance (OOSMS)"
    )
    social_insurance_rate: float = param(
        0.05, within=(0, 1), unit="share", evidence="sourced", source=_RATES, meaning="employer's contribution to social insurance (SO)"
    )
    employer_health_cap_wages: float = param(
        40.0, within=(0, 1000), unit="minimum wages", evidence="sourced", source=_CAPS, meaning="wage up to which employers pay for health"
    )
    social_insurance_cap_wages: float = param(
        7.0, within=(0, 1000), unit="minimum wages", evidence="sourced", source=_CAPS, meaning="wage up to which social insurance is paid"
    )
    large_firm_jobs: int = param(
        250, within=(1, 10**6), unit="jobs",
        meaning="jobs above which a firm's profit tax goes to the republic, not to region and city (assumed limit; that small and medium "
        "firms pay it to local budgets: https://vlast.kz/jekonomika/45619-kak-postuplenia-po-kpn-ot-malogo-i-srednego-biznesa-izmenili-mestnye-budzety.html)",  # noqa: E501
    )  # fmt: skip
    region_share: float = param(
        0.5, within=(0, 1), unit="share",
        meaning="share of the taxes on wages and on the profit of firms that are not large which goes to the region, the rest to the city "
        "(the region's council sets it; assumed: half)",
    )  # fmt: skip


class World(Section):
    """Uncertainties of jobs, firms and money."""

    # --- the start
    local_jobs_share: float = param(
        0.4, within=(0, 1), unit="share", spread=uniform_between(0.3, 0.5),
        meaning="local jobs over employed residents, where the map has no jobs_existing (assumed)",
    )  # fmt: skip
    commuters_in_share: float = param(
        0.15, within=(0, 1), unit="share", spread=uniform_between(0.05, 0.25),
        meaning="share of the city's jobs held by people from outside at the start (assumed)",
    )  # fmt: skip
    vacant_share: float = param(
        0.01, within=(0, 1), unit="share", spread=uniform_between(0.005, 0.02), meaning="positions that are open at the start (assumed)"
    )
    unzoned_weight: float = param(
        0.25, within=(0, 1), unit="1",
        meaning="how often a sector is found where zoning does not allow it today, against where it does (assumed)",
    )  # fmt: skip
    size_exponent: float = param(
        1.059, within=(0.5, 3), unit="1", evidence="sourced", source=_AXTELL,
        meaning="tail exponent of the sizes of firms: P(jobs ≥ s) falls as s to the power of minus this",
    )  # fmt: skip
    largest_firm: int = param(2_000, within=(1, 100_000), unit="jobs", meaning="no firm is larger at the start (assumed)")
    wage_dispersion: float = param(
        0.25, within=(0, 2), unit="1", meaning="standard deviation of the logarithm of wage levels among firms of a sector (assumed)"
    )
    # --- work outside
    outside_wage_ratio: float = param(
        round(518_857 / 423_133, 4), within=(0.1, 10), unit="1", evidence="sourced",
        meaning="wages outside the city over those of an average employer: Almaty over the nation in the first quarter of 2025",
        source="https://mgorod.kz/news/v-zko-odna-iz-samyh-nizkih-zarplat-v-strane",
    )  # fmt: skip
    outside_pull: float = param(
        1.0, within=(0, 1000), unit="1", spread=lognormal_spread(0.3),
        meaning="positions offered outside, in multiples of those that keep up the share of residents who work outside (assumed)",
    )  # fmt: skip
    suits_share: float = param(
        0.6, within=(0, 1), unit="share", spread=uniform_between(0.5, 0.7),
        meaning="applications after which employer and applicant want each other; outside the city these find work (assumed)",
    )  # fmt: skip
    commuters_hired_share: float = param(
        0.3, within=(0, 1), unit="1/month", spread=uniform_between(0.1, 0.5),
        meaning="share of the vacancies left by residents that people from outside fill in a month (assumed)",
    )  # fmt: skip
    commute_decay_per_km: float = param(
        0.03, within=(0, 2), unit="1/km", spread=lognormal_spread(0.3),
        meaning="how fast the choice of a place of work thins out with distance at the start (assumed)",
    )  # fmt: skip
    mean_wage_kzt: int = param(
        433_312, within=(1, 10**8), unit="KZT/month", evidence="sourced", source=_WAGES,
        meaning="gross wage of people from outside at an average employer",
    )  # fmt: skip
    # --- demand, costs, profit
    demand_persistence: float = param(
        0.9, within=(0, 0.999), unit="1",
        meaning="part of a deviation of a firm's demand from outside that is left a month later (assumed)",
    )  # fmt: skip
    demand_spread: float = param(
        0.15, within=(0, 1), unit="1", spread=lognormal_spread(0.3),
        meaning="standard deviation of the logarithm of a firm's demand from outside (assumed)",
    )  # fmt: skip
    demand_growth: float = param(
        0.03, within=(-0.5, 1), unit="1/year", spread=uniform_between(0.0, 0.06), meaning="growth of sales outside the city (assumed)"
    )
    margin: float = param(
        0.10, within=(0, 0.9), unit="share",
        meaning="profit before tax and electricity over sales of each private sector at the start, under default tax rates (assumed)",
    )  # fmt: skip
    workspace_rent_kzt_m2: float = param(
        2_000.0, within=(0, 10**6), unit="KZT/m2/month", spread=lognormal_spread(0.3), meaning="rent of floor space for work (assumed)"
    )
    building_value_kzt_m2: float = param(
        250_000.0, within=(0, 10**8), unit="KZT/m2", meaning="value of floor space for work that property tax is on (assumed)"
    )
    least_inputs_share: float = param(
        0.1, within=(0, 0.9), unit="share",
        meaning="no private sector buys less than this share of its sales (assumed); else its sales per job are raised",
    )  # fmt: skip
    public_inputs_ratio: float = param(
        0.25, within=(0, 10), unit="1", meaning="what public bodies buy besides electricity, over what their staff costs (assumed)"
    )
    republic_pays_share: float = param(
        0.3, within=(0, 1), unit="share", meaning="share of public bodies' costs paid by the republic's budget (assumed)"
    )
    region_pays_share: float = param(
        0.5, within=(0, 1), unit="share", meaning="share paid by the region's budget; the city pays the rest (assumed)"
    )
    payout_share: float = param(0.7, within=(0, 1), unit="share", meaning="share of profit after tax that owners take out (assumed)")
    cash_months: float = param(1.0, within=(0, 24), unit="months", meaning="a firm's money at the start, in costs of its staff (assumed)")
    # --- firms that come and go
    exit_rate: float = param(
        0.083, within=(0, 5), unit="1/year", evidence="sourced", source=_DEATHS, spread=triangular_between(0.05, 0.12),
        meaning="hazard that a small firm closes",
    )  # fmt: skip
    young_exit_factor: float = param(
        2.0, within=(0, 20), unit="1", meaning="the same for a firm of the first month, falling to 1 within years (assumed)"
    )
    exit_size_effect: float = param(
        0.25, within=(0, 2), unit="1", meaning="hazard falls as jobs to the power of minus this (assumed; small firms die more often)"
    )
    loss_exit_factor: float = param(
        3.0, within=(1, 100), unit="1", meaning="hazard of firms with three months of losses, in multiples (assumed)"
    )
    entry_factor: float = param(
        1.0, within=(0, 20), unit="1", spread=lognormal_spread(0.3),
        meaning="new firms, in multiples of what makes up for the jobs of closing ones at the start (assumed)",
    )  # fmt: skip
    entry_demand_elasticity: float = param(
        2.0, within=(0, 20), unit="1", spread=uniform_between(1.0, 3.0),
        meaning="how new firms answer to sales beyond what firms of the sector can make (assumed)",
    )  # fmt: skip
    entry_tax_response: float = param(
        1.6, within=(0, 50), unit="1", evidence="sourced", source=_DJANKOV, spread=uniform_between(0.0, 2.5),
        meaning="relative change of new firms for each unit of tax rate on profit below today's: 10 points less go with 1.3 points more "
        "of a mean entry rate of 8 %, between countries (registered firms; an upper bound for one city)",
    )  # fmt: skip
    public_new_share: float = param(
        0.5, within=(0, 1), unit="share",
        meaning="share of the public positions that residents lack which new places of work bring, the rest by existing ones (assumed)",
    )  # fmt: skip
    entrants_largest: int = param(50, within=(1, 10_000), unit="jobs", meaning="no new firm is larger when it opens (assumed)")
    gathering: float = param(
        0.3, within=(-5, 5), unit="1",
        meaning="pull of a zone's jobs on new firms, by logarithm (assumed); shops and public bodies go where residents are",
    )  # fmt: skip


class Project(Section):
    """One anchor investment: a plant, a campus, a data centre.

    `permit_days` and `building_days` are the investor's own; what is not given follows from policy and size (the land domain).
    """

    name: str = param(..., meaning="name")
    zone: str = param(..., meaning="zone that it is built in")
    sector: str = param(..., meaning="sector of the firm that opens")
    announced: date = param(..., meaning="day on which it is announced; may lie before the run's start")
    permit_days: int | None = param(None, within=(0, 10_000), unit="days", meaning="days from the announcement to the permit")
    building_days: int | None = param(None, within=(1, 10_000), unit="days", meaning="days from the permit to the opening")
    jobs: int = param(0, within=(0, 200_000), unit="jobs", meaning="jobs when it operates; 0: as many as the floor space has room for")
    floor_m2: int = param(0, within=(0, 10**8), unit="m2", meaning="floor space; 0: what the jobs need")
    power_mw: float = param(0.0, within=(0, 10_000), unit="MW", meaning="steady electric load beyond that of its floor space")
