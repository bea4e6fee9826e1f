"""A made-up composition of two domains and the files of a small city, for the tests of scenario files."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from alatau_sim.engine.domain import Composition
from alatau_sim.fields import (
    Param,
    Section,
    lognormal_spread,
    normal_spread,
    param,
    triangular_between,
    uniform_between,
)
from alatau_sim.scenario import Scenario, load_scenario


class PaymentsPolicy(Section):
    """Levers over payments."""

    signup_bonus_kzt: int = param(500, within=(0, 50_000), unit="tenge", meaning="bonus at opening a wallet")
    fee_share: float = param(0.01, within=(0, 1), unit="share", meaning="fee of a payment")
    crypto_legal_tender: bool = param(False, meaning="whether shops must take crypto")
    rail: str = param("own", one_of=("own", "bank", "state"), meaning="who runs the rail")
    hours: tuple[str, ...] = param((), meaning="opening hours")
    mode: Literal["calm", "bold"] = param("calm", meaning="tone")
    cap_kzt: int | None = param(None, within=(1, 100), unit="tenge", meaning="most of one payment")


class PaymentsWorld(Section):
    """Uncertainties of payments."""

    trust: float = param(0.5, within=(0, 1), unit="share", meaning="trust", spread=uniform_between(0.2, 0.8))


class EnergyPolicy(Section):
    """Levers over energy."""

    low_kzt: float = param(10.0, within=(0, 100), unit="tenge/kWh", meaning="night price")
    high_kzt: float = param(20.0, within=(0, 100), unit="tenge/kWh", meaning="day price")
    prices: Path | None = param(None, meaning="CSV of prices")

    @model_validator(mode="after")
    def ordered(self) -> EnergyPolicy:
        if self.low_kzt > self.high_kzt:
            raise ValueError(f"the night price {self.low_kzt:g} must not be above the day price {self.high_kzt:g}")
        return self


class EnergyWorld(Section):
    """Uncertainties of energy."""

    temperature_shift_c: float = param(0.0, within=(-5, 5), unit="C", meaning="shift", spread=normal_spread(1.0))
    growth: float = param(1.0, within=(0, 10), meaning="growth", spread=lognormal_spread(0.2))
    appliances: int = param(4, within=(0, 20), meaning="appliances of a home", spread=triangular_between(2, 10))
    steady: float = param(1, within=(0, 2), meaning="no spread")


class Site(Section):
    """Something to be built."""

    zone: str = param(..., meaning="zone")
    use: str = param("homes", one_of=("homes", "workspace"), meaning="what it is for")
    dwellings: int = param(0, within=(0, 1000), unit="dwellings", meaning="dwellings")
    share: float = param(0.5, within=(0, 1), unit="share", meaning="a share")
    at: date = param(..., meaning="day")
    stops: tuple[str, ...] = param((), meaning="places")
    electric: bool = param(False, meaning="whether it is electric")
    days: int | None = param(None, within=(1, 9999), unit="d", meaning="duration")


COMPOSITION = Composition(
    policies={"payments": PaymentsPolicy, "energy": EnergyPolicy},
    worlds={"payments": PaymentsWorld, "energy": EnergyWorld},
    rules={
        "change_wallet": {
            "base": Param(0.002, within=(0, 1), unit="1/month", meaning="openings", spread=uniform_between(0.001, 0.004)),
            "peer": Param(0.05, within=(0, 1), meaning="pull of friends"),
        },
        "age": {},
    },
    systems={"power": "substations"},
    records={"sites": Site},
)

BODY = """\
format: 1
run: {start: 2026-01-01, end: 2026-12-31}
map: {file: city/zones.geojson}
city:
  residents: 1000
  margins: city/margins.csv
  vital_rates: city/vital_rates.csv
  climate: city/climate.csv
  substations: city/substations.csv
  sectors: city/sectors.csv
"""


def small_city(folder: Path) -> Path:
    """The folder with the files that `BODY` names."""
    (folder / "city").mkdir(parents=True, exist_ok=True)
    for name in ("zones.geojson", "margins.csv", "vital_rates.csv", "climate.csv", "substations.csv", "sectors.csv"):
        (folder / "city" / name).write_text(name, encoding="utf-8")
    return folder


def write(folder: Path, text: str = "", name: str = "base.yaml", body: str = BODY) -> Path:
    """A scenario file of `body` and `text` in the folder."""
    path = folder / name
    path.write_text(body + text, encoding="utf-8")
    return path


def load(path: Path, sets: tuple[str, ...] = (), use: tuple[str, ...] = ()) -> Scenario:
    """The scenario of a file, for the made-up composition."""
    return load_scenario(path, composition=COMPOSITION, sets=sets, use=use)
