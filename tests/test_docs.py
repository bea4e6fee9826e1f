"""docs/model.md names everything that the model has, with the values in force; decisions are numbered; links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from alatau_sim.domains import domains
from alatau_sim.fields import Param

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("*"))
MODEL = " ".join((DOCS / "model.md").read_text(encoding="utf-8").split())
NAMED = set(re.findall(r"`([a-z_0-9]+)`", MODEL))


def params() -> Iterator[tuple[str, Param]]:
    """Every declared parameter of the built-in domains, by its own name."""
    for domain in domains():
        for section in (domain.policy, domain.world):
            yield from section.params().items() if section is not None else ()
        for rule in domain.rules:
            yield from rule.params.items()


def as_written(name: str, declared: Param) -> str:
    """How the page gives a parameter: name, default, unit where it has one, evidence by its first letter."""
    default = declared.default
    value = str(default).lower() if isinstance(default, bool) else f"{default:,.10g}" if isinstance(default, int | float) else str(default)
    value = ", ".join(default) or "none" if isinstance(default, tuple) else value
    unit = f" {declared.unit}" if declared.unit not in ("", "1") else ""
    return f"`{name}` = {value}{unit} ({declared.evidence[0].upper()})"


@pytest.mark.parametrize("domain", [domain.name for domain in domains()])
def test_the_model_page_names_every_rule_indicator_and_table(domain):
    chosen = next(d for d in domains() if d.name == domain)
    code_blocks = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"```text(.*?)```", MODEL))))
    rules = {rule.name for rule in chosen.rules}
    assert rules - NAMED - code_blocks == set(), "rules that docs/model.md does not name"
    assert {kpi.name for kpi in chosen.kpis} - NAMED == set(), "indicators that docs/model.md does not name"
    assert {table.name for table in chosen.tables} - NAMED == set(), "tables that docs/model.md does not name"


def test_the_model_page_gives_every_parameter_as_it_is():
    lacking = [text for text in (as_written(name, declared) for name, declared in params()) if text not in MODEL]
    assert lacking == [], "docs/model.md lacks these parameters, or gives another value"


def test_the_model_page_gives_no_parameter_that_is_gone():
    given = set(re.findall(r"`([a-z_0-9]+)` = [-\da-z]", MODEL)) - {"name"}
    assert given - {name for name, _ in params()} == set()


def test_decisions_are_numbered_one_by_one_and_have_a_title():
    numbers = []
    for path in DECISIONS:
        name = re.fullmatch(r"(\d{3})-[a-z0-9-]+\.md", path.name)
        assert name, f"{path.name}: a decision's file is named NNN-what-was-decided.md"
        title = path.read_text(encoding="utf-8").split("\n", 1)[0]
        assert re.match(rf"# {name[1]}:? \S", title), f"{path.name}: the first line is {title!r}; it must be '# {name[1]} ' and a title"
        numbers.append(int(name[1]))
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_between_pages_lead_to_a_file(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
