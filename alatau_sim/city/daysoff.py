"""The country's public holidays, which count with weekends as days off."""

from __future__ import annotations

import datetime as dt

COUNTRY = "KZ"


def holidays_between(start: dt.date, end: dt.date) -> tuple[dt.date, ...]:
    """Public holidays of the years from `start` to `end`, in order."""
    import holidays  # here and not above: most that imports the city needs no calendar

    return tuple(sorted(holidays.country_holidays(COUNTRY, years=range(start.year, end.year + 1))))
