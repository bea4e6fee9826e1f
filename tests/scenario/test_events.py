"""Dated changes in the order of their time, and the settings after them."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest
from sample_scenarios import COMPOSITION, load, write

from alatau_sim.errors import InputError
from alatau_sim.scenario import EventSpec, OutageSpec, RezoneSpec, Settings, apply_set, timeline

TEXT = """\
events:
  - {at: 2026-07-01, set: {policy.payments.crypto_legal_tender: true, rules: {change_wallet: {peer: 1}}}}
  - {at: 2026-01-14T18:00, outage: {system: power, where: gate-substation, hours: 36}}
  - {at: 2026-03-01, set: {policy.energy: {low_kzt: 30, high_kzt: 40}}}
rezone:
  - {zones: [gate-07], use: mixed, floor_area_ratio: 2.5, at: 2026-07-01}
  - {layer: city/zones.geojson, layer_name: a, crs: local, at: 2026-02-01, columns: {coverage: built}, land_use: {R.1: mixed, 2: open}}
"""


def test_timeline_is_sorted_by_time(folder: Path) -> None:
    found = timeline(load(write(folder, TEXT)))
    assert [kind for _, kind, _ in found] == ["outage", "rezone", "set", "set", "rezone"]
    days = [date.fromordinal(day + date(1970, 1, 1).toordinal()) for day, _, _ in found]
    assert days == [date(2026, 1, 14), date(2026, 2, 1), date(2026, 3, 1), date(2026, 7, 1), date(2026, 7, 1)]


def test_payloads_are_typed(folder: Path) -> None:
    scenario = load(write(folder, TEXT))
    legal, outage, _ = scenario.events
    assert legal == EventSpec(datetime(2026, 7, 1), {"policy.payments.crypto_legal_tender": True, "rules.change_wallet.peer": 1.0})
    assert isinstance(legal.set["rules.change_wallet.peer"], float)
    assert outage == EventSpec(datetime(2026, 1, 14, 18), {}, OutageSpec("power", "gate-substation", 36.0))
    layer = RezoneSpec(
        date(2026, 2, 1), layer=folder / "city/zones.geojson", layer_name="a", crs="local", columns={"coverage": "built"},
        land_use={"R.1": "mixed", "2": "open"},
    )
    assert scenario.rezone == (RezoneSpec(date(2026, 7, 1), ("gate-07",), "mixed", 2.5), layer)
    assert [file.key for file in scenario.files()][-1] == "rezone.1.layer"


def test_the_order_of_writing_does_not_change_the_hash(folder: Path) -> None:
    lines = TEXT.splitlines(keepends=True)
    other = "".join([lines[0], lines[2], lines[3], lines[1], lines[4], lines[6], lines[5]])
    assert load(write(folder, TEXT)).hash == load(write(folder, other)).hash


def test_apply_set_changes_only_what_it_names(folder: Path) -> None:
    scenario = load(write(folder, TEXT))
    after = apply_set(scenario.settings, scenario.events[0].set, COMPOSITION)
    assert after.policy.payments.crypto_legal_tender is True
    assert after.rules.change_wallet.peer == 1.0
    assert scenario.policy.payments.crypto_legal_tender is False
    assert after.policy.payments.model_copy(update={"crypto_legal_tender": False}) == scenario.policy.payments
    assert after.world == scenario.world
    assert after.rules.change_wallet.base == scenario.rules.change_wallet.base
    nothing: Settings = apply_set(scenario.settings, {}, COMPOSITION)
    assert nothing == scenario.settings


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("policy.payments.fee_share", 2, "policy.payments.fee_share is 2; it must be within 0 … 1 [share]"),
        ("policy.payments.fee", 2, "policy.payments.fee is not known"),
        ("policy.energy.low_kzt", 90, "policy.energy: the night price 90 must not be above the day price 20"),
        ("payments", 2, "payments is not known; events set only policy, world and rules"),
    ],
)
def test_apply_set_refuses_what_is_not_allowed(folder: Path, path: str, value: object, message: str) -> None:
    with pytest.raises(InputError) as error:
        apply_set(load(write(folder)).settings, {path: value}, COMPOSITION)
    assert message in str(error.value)


def test_apply_set_takes_typed_sequences(folder: Path) -> None:
    after = apply_set(load(write(folder)).settings, {"policy.payments.hours": ("day", "night")}, COMPOSITION)
    assert after.policy.payments.hours == ("day", "night")


def test_two_events_of_one_day_may_not_set_the_same_key(folder: Path) -> None:
    text = "events:\n" + "  - {at: 2026-03-01, set: {policy.payments.fee_share: 0.5}}\n" * 2
    message = r"base\.yaml:13: policy.payments.fee_share is set twice on 2026-03-01 \(also on line 12 of .*base\.yaml"
    with pytest.raises(InputError, match=message):
        load(write(folder, text))


def test_first_and_last_day_are_within_the_run(folder: Path) -> None:
    text = "events:\n  - {at: 2026-01-01, set: {policy.payments.fee_share: 0.5}}\n"
    text += "  - {at: 2026-12-31, set: {policy.payments.fee_share: 0.6}}\n"
    assert len(timeline(load(write(folder, text)))) == 2
