"""Texts and numbers in the language of the reader: English, Russian or Kazakh."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from alatau_sim.errors import InputError, did_you_mean
from alatau_sim.report.explanations import EXPLANATIONS
from alatau_sim.report.labels import CATEGORIES, KPIS, MAPS, UNITS
from alatau_sim.report.texts import TEXTS
from alatau_sim.results import numbers

LANGUAGES = ("en", "ru", "kk")
MONTHS = {
    "en": "January February March April May June July August September October November December",
    "ru": "январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь",
    "kk": "қаңтар ақпан наурыз сәуір мамыр маусым шілде тамыз қыркүйек қазан қараша желтоқсан",
}
SHORT_MONTHS = {
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "ru": "янв фев мар апр май июн июл авг сен окт ноя дек",
    "kk": "қаң ақп нау сәу мам мау шіл там қыр қаз қар жел",
}
DAYS = {
    "en": "Sunday Monday Tuesday Wednesday Thursday Friday Saturday",
    "ru": "воскресенье понедельник вторник среда четверг пятница суббота",
    "kk": "жексенбі дүйсенбі сейсенбі сәрсенбі бейсенбі жұма сенбі",
}
SPACE = "\u00a0"


@dataclass(frozen=True)
class Words:
    """One language."""

    language: str

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise InputError(f"language {self.language!r}: it must be {', '.join(LANGUAGES)}{did_you_mean(self.language, LANGUAGES)}")

    @property
    def _place(self) -> int:
        return LANGUAGES.index(self.language)

    def __call__(self, key: str, **values: Any) -> str:
        """A text, with its gaps filled."""
        found = (TEXTS.get(key) or EXPLANATIONS[key])[self._place]
        return found.format(**values) if values else found

    def kpi(self, name: str, declared: str) -> str:
        """The indicator's name: the declared one in English, and where there is no translation."""
        return declared if self.language == "en" or name not in KPIS else KPIS[name][self._place - 1]

    def unit(self, unit: str) -> str:
        """The unit as readers write it."""
        return UNITS[unit][self._place] if unit in UNITS else unit

    def category(self, name: str) -> str:
        """A label of a column in words; labels that nobody translated without their underscores."""
        return CATEGORIES[name][self._place] if name in CATEGORIES else str(name).replace("_", " ")

    def district(self, name: str) -> str:
        """A district's name, with a capital letter."""
        return name[:1].upper() + name[1:]

    def map(self, name: str) -> str:
        """The name of a map."""
        return MAPS[name][self._place]

    def verdict(self, text: str) -> str:
        """A verdict of the comparison."""
        word, _, rest = text.partition(" (one pair")
        known = self(word) if word in TEXTS else word
        return f"{known} ({self('one_pair')})" if rest else known

    def number(self, value: float | None, *, sign: bool = False) -> str:
        """`54,747`, in Russian and Kazakh `54 747`; four digits; – where there is no value."""
        text = numbers.number(value, sign=sign).replace("-", "−")
        return text if self.language == "en" else text.replace(",", SPACE).replace(".", ",")

    def percent(self, share: float | None, *, sign: bool = False, digits: int = 3) -> str:
        """A share or relative change in per cent."""
        if share is None or share != share:
            return "–"
        return f"{self.number(float(f'{100 * share:.{digits}g}'), sign=sign)}{SPACE}%"

    def month(self, time: tuple[int, int]) -> str:
        """`March 2027`, or the year where the month is 0."""
        year, month = time
        return f"{MONTHS[self.language].split()[month - 1]} {year}" if month else str(year)

    def day(self, year: int, month: int, day: int) -> str:
        """`14 January 2027` (in Russian and Kazakh `14.01.2027`)."""
        if self.language == "en":
            return f"{day} {MONTHS['en'].split()[month - 1]} {year}"
        return f"{day:02}.{month:02}.{year}"

    @property
    def format_locale(self) -> dict[str, Any]:
        """Vega's number format."""
        english = self.language == "en"
        return {
            "decimal": "." if english else ",",
            "thousands": "," if english else SPACE,
            "grouping": [3],
            "currency": ["", ""],
            "minus": "−",
            "percent": f"{SPACE}%",
            "nan": "–",
        }

    @property
    def time_locale(self) -> dict[str, Any]:
        """Vega's date format."""
        return {
            "dateTime": "%d.%m.%Y %H:%M",
            "date": "%d.%m.%Y",
            "time": "%H:%M",
            "periods": ["", ""],
            "days": DAYS[self.language].split(),
            "shortDays": [day[:3] for day in DAYS[self.language].split()],
            "months": MONTHS[self.language].split(),
            "shortMonths": SHORT_MONTHS[self.language].split(),
        }


def script(value: Any) -> str:
    """JSON that may stand inside a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return (
        text.replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )
