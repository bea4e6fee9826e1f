import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from toy import PLACES, STILL, TOY, Policy, assert_same, columns, simulate

from alatau_sim.engine.clock import Clock
from alatau_sim.engine.rule import Derived, settlement
from alatau_sim.errors import RunError

PEOPLE = np.arange(10, 1010)


class Diary:
    """Writes down what an observer is told."""

    def __init__(self):
        self.days, self.months, self.years = [], [], []

    def day_closed(self, sim):
        self.days.append(sim.clock.date)

    def month_closed(self, sim):
        self.months.append((sim.clock.date, int(sim.month_days.sum())))

    def year_closed(self, sim):
        self.years.append(sim.clock.date)


def test_every_day_is_closed_once_the_last_one_too():
    sim, diary = simulate(PEOPLE, days=0, end=dt.date(2026, 3, 5)), Diary()
    sim.observers.append(diary)
    while not sim.finished:
        sim.step()
    assert diary.days == [dt.date(2026, 1, 20) + dt.timedelta(days=n) for n in range(45)]
    assert diary.months == [(dt.date(2026, 1, 31), 12), (dt.date(2026, 2, 28), 28), (dt.date(2026, 3, 5), 5)]
    assert diary.years == [dt.date(2026, 3, 5)]
    with pytest.raises(RunError, match="ended on 2026-03-05"):
        sim.step()


def test_recording_changes_nothing():
    watched = simulate(PEOPLE, days=0)
    watched.observers.append(Diary())
    for _ in range(40):
        watched.step()
    assert_same(columns(watched), columns(simulate(PEOPLE)))


def test_a_longer_horizon_leaves_the_earlier_days_unchanged():
    assert_same(columns(simulate(PEOPLE, end=dt.date(2026, 3, 31))), columns(simulate(PEOPLE, end=dt.date(2027, 12, 31))))


def test_zero_edit_is_zero_difference_and_another_seed_or_push_is_not():
    base = columns(simulate(PEOPLE))
    assert_same(base, columns(simulate(PEOPLE)))
    assert (base["state"] != columns(simulate(PEOPLE, seed=4))["state"]).any()
    pushed = columns(simulate(PEOPLE, push=1.0))["state"]
    assert (pushed >= base["state"]).all()  # common luck: who adopts with less adopts with more
    assert pushed.sum() > base["state"].sum()


def test_one_more_resident_changes_nobody_outside_its_place():
    extra = np.append(PEOPLE, 10_000 * PLACES + 5)  # lives in place 5
    a, b = columns(simulate(PEOPLE, domain=STILL, days=60)), columns(simulate(extra, domain=STILL, days=60))
    elsewhere = a["place"] != 5
    assert_same(a, {name: values[: len(PEOPLE)] for name, values in b.items()}, only=elsewhere)


def test_relations_know_the_next_on_a_ring_and_one_more_changes_only_neighbours():
    a, b = simulate(PEOPLE, days=1), simulate(np.append(PEOPLE, 10_000 * PLACES + 5), days=1)
    friends = a.relations["friends"]
    people = a.tables["people"]
    assert friends.shape == (len(PEOPLE), 3)
    assert (people["place"][friends] == people["place"][:, None]).all()
    assert (friends != np.arange(len(PEOPLE))[:, None]).all()
    for slot in range(3):
        assert len(np.unique(friends[:, slot])) == len(PEOPLE)  # everybody is known by one
    changed = (a.tables["people"].id[friends] != b.tables["people"].id[b.relations["friends"]][: len(PEOPLE)]).sum(axis=0)
    assert (changed == 1).all()


def test_derived_columns_are_what_they_say():
    sim = simulate(PEOPLE)
    sim.observers.append(Diary())
    people, places = sim.tables["people"], sim.tables["places"]
    sim.step()
    before = {name: people[name].copy() for name in people.columns}
    share, trust = places["share"].copy(), places["mean_trust"].copy()
    sim._run("refresh")
    for place in range(PLACES):
        mine = before["place"] == place
        assert places["share"][place] == pytest.approx((before["state"][mine] == 1).mean())
        assert places["mean_trust"][place] == pytest.approx(before["trust"][mine].mean(), abs=1e-6)
    assert (share <= 1).all()
    assert (trust > 0).all()


def test_dated_changes_take_effect_when_their_day_opens():
    def push(sim):
        sim.set_values({"toy": Policy(push=1.0)}, {}, {"change": {"rate": 0.5}})

    later = simulate(PEOPLE, days=10, events=[(Clock(dt.date(2026, 1, 30), dt.date(2026, 1, 30)).first, push)])
    base = simulate(PEOPLE, days=10)
    assert_same(columns(later), columns(base)) if later.clock.date < dt.date(2026, 1, 30) else None
    for sim in (later, base):
        sim.step()
    assert columns(later)["state"].sum() > columns(base)["state"].sum()


def test_books_balance_and_a_break_stops_the_run():
    sim = simulate(PEOPLE)
    assert sum(sim.ledger.balances("money").values()) == 0
    assert sim.ledger.balance("money", "shop") > 0
    sim.tables["people"]["money"][3] += 1
    with pytest.raises(RunError, match="the books do not balance: account 'people'"):
        sim.step()


def test_outages_of_one_row_do_not_add_up_where_they_overlap():
    sim = simulate(PEOPLE, days=0)
    now = int(sim.env.now)
    sim.add_outage("power", 2, now + 100, now + 400)
    sim.add_outage("power", 2, now + 300, now + 600)
    assert sim.outage_s("power", 2, now, now + 3600) == 500
    assert sim.outage_s("power", 1, now, now + 3600) == 0
    assert sim.outage("power", 2) == 0


def test_spans_of_hours_wrap_at_midnight():
    sim = simulate(PEOPLE, days=1)
    asleep, age = sim.grids["asleep"].sum(axis=0), columns(sim)["age"]
    assert asleep[23] == asleep[0] == asleep[5] == len(PEOPLE)
    assert asleep[6] == asleep[19] == 0
    assert asleep[20] == asleep[21] == (age <= 12).sum()


def test_the_calendar_knows_periods():
    clock = Clock(dt.date(2027, 12, 25), dt.date(2028, 3, 3))
    firsts, lasts = [], []
    for day in range(clock.first, clock.last + 1):
        clock.day = day
        firsts += [clock.date] if clock.starts("1 month") else []
        lasts += [clock.date] if clock.ends("1 month") else []
        assert clock.starts("1 week") == (clock.date.weekday() == 0)
        assert clock.kind_of_day == (clock.date.weekday() >= 5)
    assert firsts == [dt.date(2028, 1, 1), dt.date(2028, 2, 1), dt.date(2028, 3, 1)]
    assert lasts == [dt.date(2027, 12, 31), dt.date(2028, 1, 31), dt.date(2028, 2, 29), dt.date(2028, 3, 3)]
    assert TOY.name == "toy"


def test_a_monthly_column_is_there_on_the_first_day_and_when_rows_come():
    """The run starts on 20 January: the column is not due until February, and a person who comes must be counted at once."""
    counts = {}

    @settlement(phase="events", writes=("people",))
    def come(sim):
        counts[sim.clock.date.isoformat()] = int(sim.tables["places"]["people"].sum())  # as yesterday left it
        if sim.clock.date == dt.date(2026, 1, 23):
            sim.tables["people"].insert(np.array([5]), {"place": 0})

    monthly = Derived("places", "people", "people", "place", "count", every="1 month")
    domain = replace(STILL, derived=(*STILL.derived, monthly), settlements=(*STILL.settlements, come))
    simulate(PEOPLE, days=6, domain=domain)
    days = [f"2026-01-{day}" for day in range(20, 26)]
    assert [counts[day] for day in days] == [0, 1000, 1000, 1000, 1001, 1001]
