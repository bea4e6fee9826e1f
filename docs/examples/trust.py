"""A new state of residents, trust in digital money, a rule that moves it, and an indicator."""

from alatau_sim.engine.domain import Domain
from alatau_sim.engine.rule import rule
from alatau_sim.fields import Column, param
from alatau_sim.results.kpis import Kpi


@rule(of="residents", writes="trust", every="1 month")
def build_trust(trust, digital_skill, friends_wallet_share, u, *, pull=param(0.1, within=(0, 1), meaning="monthly pull")):
    """Trust drifts towards what skill and friends suggest, with some luck (assumed)."""
    return min(1.0, max(0.0, trust + pull * (0.5 * digital_skill + 0.5 * friends_wallet_share - trust) + 0.02 * (u - 0.5)))


DOMAIN = Domain(
    "trust",
    columns={"residents": (Column("trust", "float32", "1", "trust in digital money", default=0.3, within=(0, 1)),)},
    rules=(build_trust,),
    kpis=(
        Kpi("trust_mean", "Mean trust in digital money", "share", "higher", "mean of residents.trust", "kpi_month",
            lambda sim: float(sim.tables["residents"]["trust"].astype("float64").mean()), "last", "trust"),
    ),
)  # fmt: skip
