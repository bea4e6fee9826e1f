"""What a scenario may say about people: levers of the city, and what the city does not know.

Rates of birth, death, arrival and departure themselves are in the file `city.vital_rates`; the factors here multiply them.
"""

from __future__ import annotations

from alatau_sim.fields import Section, lognormal_spread, normal_spread, param, triangular_between, uniform_between


class Policy(Section):
    """Levers: how many people the city invites."""

    invitation_factor: float = param(
        1.0, within=(0, 200), unit="1", meaning="people who look for a home in the city, in multiples of the arrivals in the vital rates"
    )


class World(Section):
    """Uncertainties of how many are born, die, come and go, and of what people live on."""

    fertility_factor: float = param(
        1.0, within=(0, 3), unit="1", evidence="sourced", spread=triangular_between(0.85, 1.18),
        meaning="births a woman and year, in multiples of the vital rates (total fertility 2.5; the UN's projection for 2025 is 2.95)",
        source="UN World Population Prospects 2024, https://github.com/PPgp/wpp2024; lower bound assumed",
    )  # fmt: skip
    mortality_factor: float = param(
        1.0, within=(0, 3), unit="1", spread=normal_spread(0.07), meaning="deaths a person and year, in multiples of the vital rates"
    )
    arrival_factor: float = param(
        1.0, within=(0, 20), unit="1", spread=lognormal_spread(0.3), meaning="people who want to come, in multiples of the vital rates"
    )
    departure_factor: float = param(
        1.0, within=(0, 20), unit="1", spread=lognormal_spread(0.3), meaning="people who move away, in multiples of the vital rates"
    )
    unemployed_share: float = param(
        0.046, within=(0, 1), unit="share", evidence="sourced", meaning="unemployed among those who work or look for work, at the start",
        source="https://www.kt.kz/eng/government/kazakhstan_reports_unemployment_rate_at_4_6_in_h1_2025_1377980538.html",
    )  # fmt: skip
    pension_kzt: int = param(
        130_000, within=(0, 2_000_000), unit="KZT/month", spread=uniform_between(100_000, 160_000),
        meaning="mean pension, the basic part within (assumed)",
    )  # fmt: skip
    savings_months: float = param(
        1.0, within=(0, 24), unit="months", spread=uniform_between(0.5, 2.0),
        meaning="a household's money at the start or on arrival, in incomes (assumed)",
    )  # fmt: skip
