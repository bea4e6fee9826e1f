"""The clock: a SimPy environment in whole seconds since 1970-01-01 (naive local time), a calendar, and the beat at midnight.

SimPy stops before the events at `until`, and two periodic processes swap their order at equal times; so there is one beat, an event of
lower priority than every ordinary event of its instant, and a day counts as done when the beat that closes it has finished.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import simpy
from simpy.events import URGENT, EventPriority

DAY_S = 86_400
HOUR_S = 3_600
_AFTER_ALL = EventPriority(2)
_EPOCH = dt.date(1970, 1, 1)


def day_number(date: dt.date) -> int:
    """Days since 1970-01-01."""
    return (date - _EPOCH).days


def date_of(day: int) -> dt.date:
    """The date of a day number."""
    return _EPOCH + dt.timedelta(days=day)


class _Beat(simpy.Event):
    """A timeout that comes after every ordinary event of the same instant."""

    def __init__(self, env: simpy.Environment, delay: int) -> None:
        super().__init__(env)
        self._ok, self._value = True, None
        env.schedule(self, _AFTER_ALL, delay)


class Instant(simpy.Event):
    """An event that happens before every other event of the instant in which it is fired."""

    def fire(self) -> None:
        """Let it happen now."""
        self._ok, self._value = True, None
        self.env.schedule(self, URGENT)


class Clock:
    """The calendar day that is open (or being closed), on top of a SimPy environment.

    `holidays` are day numbers that count, with Saturdays and Sundays, as days off. `first`, `last`: the run's first and last day.
    """

    def __init__(self, start: dt.date, end: dt.date, holidays: Collection[int] = ()) -> None:
        self.first, self.last = day_number(start), day_number(end)
        self.holidays = frozenset(holidays)
        self.env = simpy.Environment(initial_time=self.first * DAY_S)
        self.day = self.first

    @property
    def date(self) -> dt.date:
        """The date of the day."""
        return date_of(self.day)

    @property
    def month_index(self) -> int:
        """Months since year 0: year × 12 + month − 1."""
        date = self.date
        return date.year * 12 + date.month - 1

    @property
    def weekday(self) -> int:
        """0 on Monday … 6 on Sunday."""
        return (self.day + 3) % 7

    @property
    def kind_of_day(self) -> int:
        """0 on working days, 1 on weekends and holidays."""
        return int(self.weekday >= 5 or self.day in self.holidays)

    @property
    def first_of_month(self) -> bool:
        """Whether the day is the first of a month."""
        return self.date.day == 1

    @property
    def first_of_year(self) -> bool:
        """Whether the day is 1 January."""
        return self.date.day == 1 and self.date.month == 1

    @property
    def last_of_month(self) -> bool:
        """Whether the day is the last of a month."""
        return date_of(self.day + 1).day == 1

    @property
    def last_of_year(self) -> bool:
        """Whether the day is 31 December."""
        date = self.date
        return date.day == 31 and date.month == 12

    def starts(self, every: str) -> bool:
        """Whether the day is the first of a period: '1 day', '1 week' (Mondays), '1 month' or '1 year'."""
        if every == "1 day":
            return True
        if every == "1 week":
            return self.weekday == 0
        return self.first_of_month if every == "1 month" else self.first_of_year

    def ends(self, every: str) -> bool:
        """Whether the day is the last of a period; the run's last day ends every period."""
        if every == "1 day" or self.day == self.last:
            return True
        if every == "1 week":
            return self.weekday == 6
        return self.last_of_month if every == "1 month" else self.last_of_year

    def beat(self, delay_s: int) -> simpy.Event:
        """An event after every ordinary event of the instant `delay_s` seconds from now."""
        return _Beat(self.env, int(delay_s))

    def instant(self) -> Instant:
        """An event that, once fired, happens before every other event of its instant."""
        return Instant(self.env)
