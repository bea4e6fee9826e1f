from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
from html.parser import HTMLParser
from string import Formatter

import numpy as np
import pytest
from synthetic import write_study

from alatau_sim.cli import run_command
from alatau_sim.errors import InputError
from alatau_sim.report import breaks, build, indicators
from alatau_sim.report.cube import Cube, band, packed
from alatau_sim.report.explanations import EXPLANATIONS
from alatau_sim.report.labels import CATEGORIES, KPIS, MAPS, UNITS
from alatau_sim.report.page import Figure, Note, Table
from alatau_sim.report.texts import TEXTS
from alatau_sim.report.words import LANGUAGES, Words
from alatau_sim.results.dataset import open_study

VOID = {"meta", "input", "line", "br", "hr", "link", "img"}


class Reader(HTMLParser):
    """Checks that elements are closed in order, and keeps what an offline page must not have."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []
        self.ids: list[str] = []
        self.texts: dict[str, str] = {}
        self.here = ""

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.outside += [f"{tag} {name}={value}" for name, value in attrs if name in ("src", "href", "data", "action") and value[:1] != "#"]
        self.outside += [tag] if tag in ("link", "img", "iframe", "object") else []
        self.ids += [found["id"]] if "id" in found else []
        self.here = found.get("id", "") if tag == "script" else ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag in VOID or self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if self.here:
            self.texts[self.here] = self.texts.get(self.here, "") + data


def read(path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two scenarios, two runs, two years; names and titles that try to break out of the page."""
    return write_study(tmp_path_factory.mktemp("study") / "plan", title="</script><b>{name}</b> & \"x\" 'y'")


@pytest.fixture(scope="module")
def page(study):
    return build.compose(open_study(study), Words("en"))


def notes(page) -> str:
    return "\n".join(block.text for section in page.sections for block in section.blocks if isinstance(block, Note))


def unpacked(words, text):
    """The page's decoder, written again: varints, differences along the last axis, scales by the first."""
    data, at, found = gzip.decompress(base64.b64decode(text)), 0, {}
    for name, cube in words.items():
        shape = [len(labels) for labels in cube["axes"].values()]
        for measure, scales in cube["measures"].items():
            values = np.full(int(np.prod(shape)), np.nan)
            for i in range(len(values)):
                if i % (shape[-1] if len(shape) > 1 else 1) == 0:
                    current = 0
                code = shift = 0
                while True:
                    byte, at = data[at], at + 1
                    code, shift = code | (byte & 127) << shift, shift + 7
                    if byte < 128:
                        break
                if code:
                    current += -(code // 2) if (code - 1) % 2 else (code - 1) // 2
                    values[i] = current * scales[i // (len(values) // shape[0])]
            found[name, measure] = values.reshape(shape)
    assert at == len(data)
    return found


# --- the file ---------------------------------------------------------------------------------------------------------------


def test_one_file_that_needs_nothing_else(study, tmp_path):
    (path,) = build.report(study, file=tmp_path / "r.html")
    reader = read(path)
    assert reader.outside == []
    assert len(reader.ids) == len(set(reader.ids))
    style = re.search(r"<style>(.*?)</style>", path.read_text(encoding="utf-8"), re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert path.stat().st_size < 2e6
    again = tmp_path / "again.html"
    build.report(study, file=again)
    assert again.read_bytes() == path.read_bytes()


def test_names_and_titles_are_escaped(study, tmp_path):
    (path,) = build.report(study, file=tmp_path / "r.html")
    text = path.read_text(encoding="utf-8")
    assert "<b>baseline</b>" not in text
    assert "&lt;b&gt;baseline&lt;/b&gt;" in text
    about = json.loads(read(path).texts["page-words"])
    labels = about["cubes"]["load_hours"]["axes"]["scenario"]
    assert labels == ["</script><b>baseline</b> & \"x\" 'y'", "</script><b>other</b> & \"x\" 'y'"]
    assert about["figures"]["map"]["map"]["features"][0]["properties"]["name"] == "Zone <0>"


def test_all_parts_are_there(page):
    assert notes(page).count("does not hold") == 0
    names = {figure.name for figure in page.figures}
    assert names == {
        "headline",
        "map",
        "breaks",
        "load_hours",
        "load_uses",
        "load_district",
        "peaks",
        "peak_day",
        "substations",
        "transit",
        "line_load",
        "lines",
        "homes",
        "works",
        "jobs",
        "sectors",
        "adoption",
        "wallets",
        "payments",
        "people",
        "districts",
    }
    for figure in page.figures:
        assert figure.alt
        assert figure.panels
        choices = figure.choices()
        if figure.map is None:
            assert any(figure.cube.rows({**panel.fixed, **choices}) for panel in figure.panels), figure.name


def test_the_file_holds_the_numbers_of_the_study(study, tmp_path, page):
    (path,) = build.report(study, file=tmp_path / "r.html")
    texts = read(path).texts
    found = unpacked(json.loads(texts["page-words"])["cubes"], texts["page-numbers"])
    for figure in page.figures:
        for measure, values in figure.cube.measures.items():
            top = np.nanmax(np.abs(values), initial=0)
            np.testing.assert_allclose(found[figure.name, measure], values, rtol=0, atol=top * 1.1e-4)
    people = open_study(study).table("people_month", "baseline").to_pandas()
    last = people[people["month"].astype(str) == "2027-12-01"]
    figure = next(figure for figure in page.figures if figure.name == "districts")
    total = sum(row["mean"] for row in figure.cube.rows({"map": "Residents", "time": "2027/12/01", "scenario": page.scenarios[0][0]}))
    assert total == pytest.approx(last["residents"].sum() / 2)


def test_a_map_of_five_scenarios_and_25_years_is_small():
    rng = np.random.default_rng(1)
    grown = np.exp(np.cumsum(rng.normal(0.04, 0.02, (14, 5, 121, 25)), axis=3)) * rng.uniform(0, 5e4, (14, 5, 121, 1))
    grown[:, :, ::7, :3] = np.nan
    axes = {"map": [str(n) for n in range(14)], "scenario": list("abcde"), "zone": [f"z{n}" for n in range(121)], "time": list(range(25))}
    words, text = packed({"map": Cube(axes, {"mean": grown})})
    assert len(text) < 0.8e6
    back = unpacked(words, text)["map", "mean"]
    np.testing.assert_allclose(back, grown, rtol=0, atol=np.nanmax(grown) * 1e-4)


def test_small_and_empty_cubes_come_back():
    cube = Cube(
        {"a": ["x", "y"], "b": [1, 2, 3]},
        {"mean": np.array([[0, np.nan, -5.5], [np.nan, np.nan, np.nan]]), "low": np.arange(6.0).reshape(2, 3) - 3},
    )
    flat = Cube({"a": ["x", "y"]}, {"mean": np.array([1e9, -2e-9])})
    found = unpacked(*packed({"c": cube, "d": flat}))
    np.testing.assert_allclose(found["c", "mean"], cube.measures["mean"], atol=1e-3)
    np.testing.assert_array_equal(found["c", "low"], cube.measures["low"])
    np.testing.assert_allclose(found["d", "mean"], flat.measures["mean"], rtol=1e-4)
    assert cube.rows({"a": "x"}) == [
        {"a": "x", "b": 1, "mean": 0.0, "low": -3.0},
        {"a": "x", "b": 2, "low": -2.0},
        {"a": "x", "b": 3, "mean": -5.5, "low": -1.0},
    ]
    with pytest.raises(ValueError, match="shape"):
        Cube({"a": ["x"]}, {"mean": np.zeros(2)})


def test_bands_leave_out_runs_without_a_value():
    made = band(np.array([[1.0, np.nan], [3.0, np.nan]]), 0)
    assert (made["mean"][0], made["low"][0], made["high"][0]) == (2.0, 1.0, 3.0)
    assert np.isnan(made["mean"][1])


# --- words ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "texts", [TEXTS, EXPLANATIONS, UNITS, CATEGORIES, MAPS], ids=["texts", "explanations", "units", "categories", "maps"]
)
def test_texts_are_complete_in_three_languages(texts):
    for key, said in texts.items():
        assert len(said) == len(LANGUAGES), key
        assert all(said) or said == ("", "", ""), key
        gaps = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in said]
        assert gaps[0] == gaps[1] == gaps[2], key
    assert all(len(said) == 2 and all(said) for said in KPIS.values())
    assert set(indicators.HEADLINES) | {kpi for group in build.KPIS.values() for kpi in group} <= set(KPIS)


@pytest.mark.parametrize(
    ("language", "heading", "number"),
    [("en", "What breaks first", "54,747"), ("ru", "Что откажет первым", "54\u00a0747"), ("kk", "Алдымен не шыдамайды", "54\u00a0747")],
)
def test_the_report_speaks(study, tmp_path, language, heading, number):
    (path,) = build.report(study, file=tmp_path / "r.html", language=language)
    text = path.read_text(encoding="utf-8")
    assert f'<html lang="{language}">' in text
    assert heading in text
    assert number in text
    read(path)


def test_numbers_of_a_language():
    assert Words("ru").number(-1234.0) == "−1\u00a0234"
    assert Words("ru").number(0.25, sign=True) == "+0,25"
    assert Words("en").percent(0.1234) == "12.3\u00a0%"
    with pytest.raises(InputError, match="'de'"):
        Words("de")


# --- what breaks ------------------------------------------------------------------------------------------------------------


def test_what_breaks_by_when():
    use = np.array(
        [[[0.5, 1.2, 0.9], [0.4, 0.8, 1.1], [0.2, 0.3, 0.4], [np.nan, np.nan, np.nan]]]
    )  # one scenario, four runs (one absent), three years
    np.testing.assert_allclose(breaks.probabilities(use), [[0, 1 / 3, 2 / 3]])
    assert breaks.median_break(use[0], [2026, 2027, 2028]) == 2028
    assert breaks.median_break(use[0] * 0.5, [2026, 2027, 2028]) is None
    assert breaks.lasting_use(use[0]) == pytest.approx(np.quantile([1.2, 1.1, 0.4], 0.9))


def test_the_table_says_year_driver_and_what_lasts(tmp_path):
    out = write_study(tmp_path / "s", years=range(2026, 2046))
    page = build.compose(open_study(out), Words("en"))
    section = next(section for section in page.sections if section.name == "breaks")
    table = next(block for block in section.blocks if isinstance(block, Table))
    row = next(cells for cells in table.rows if cells[0] == "Substation")
    named = dict(zip(table.head, row, strict=True))
    assert 2026 < int(named["Median year"]) <= 2045
    assert named["What drives it"].startswith("homes: 6")
    now, lasting = (float(named[key].split()[0]) for key in ("Capacity now", "Capacity that would last"))
    assert now == 4.0
    assert lasting > now


# --- bad and poor input -----------------------------------------------------------------------------------------------------


def test_one_scenario_one_run_no_map(tmp_path):
    out = write_study(tmp_path / "s", ("only",), 1, (2026,), months=3, with_map=False)
    page = build.compose(open_study(out), Words("en"))
    assert "goes without maps" in notes(page)
    assert "one scenario" in notes(page)
    assert "not a whole year" in notes(page)
    assert all("no band" in figure.note for figure in page.figures if figure.note)
    (path,) = build.report(out, file=tmp_path / "r.html")
    read(path)


def test_every_missing_table_is_named_and_the_rest_stands(tmp_path):
    left = (
        "lines_month",
        "line_loads_profile_month",
        "substations_hour",
        "load_use_month",
        "works_month",
        "wallets_month",
        "firms_month",
        "rail_day",
        "load_peak_day",
        "anchors_month",
        "homes_month",
        "people_month",
        "jobs_month",
        "load_profile_month",
        "zones_energy_month",
    )
    out = write_study(tmp_path / "s", leave_out=left)
    page = build.compose(open_study(out), Words("en"))
    said = notes(page)
    assert [name for name in left if name not in said and name != "zones_energy_month"] == []
    assert {"headline", "map", "transit"} <= {figure.name for figure in page.figures}


@pytest.mark.parametrize(("long", "short"), [((2026, 2027), (2026,)), ((2026,), (2026, 2027)), ((2026,), (2028,))])
def test_horizons_maps_and_runs_may_differ(tmp_path, long, short):
    out = write_study(tmp_path / "s", ("baseline",), 3, long)
    write_study(out, ("other",), 1, short, zones=9, leave_out=("rail_day",), substations=3, months=7)
    (path, *_) = build.report(out, file=tmp_path / "r.html", figures=tmp_path / "f", form="svg")
    read(path)


def test_a_missing_column_is_named(tmp_path):
    out = write_study(tmp_path / "s", replicates=1, years=(2026,), rename={"lines_month": {"left": "stranded"}})
    assert "lines_month of this study has no column left" in notes(build.compose(open_study(out), Words("en")))


def test_refusals(study, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        build.report(tmp_path / "nothing")
    with pytest.raises(InputError, match="baseline 'bas'.*baseline"):
        build.report(study, baseline="bas", file=tmp_path / "r.html")
    with pytest.raises(InputError, match="format 'gif'"):
        build.report(study, file=tmp_path / "r.html", figures=tmp_path / "f", form="gif")
    assert list(tmp_path.iterdir()) == []


def test_the_command(study, tmp_path, capsys):
    assert run_command(["report", str(study), "--lang", "kk", "--out", str(tmp_path / "r.html"), "--baseline", "other"]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "r.html")]
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Модельдеу есебі" in text
    assert "policy.mobility.fare_kzt" in text
    assert run_command(["report", str(tmp_path)]) == 2
    assert "is no study" in capsys.readouterr().err


def test_the_study_may_say_what_parameters_mean(tmp_path):
    out = write_study(tmp_path / "s", replicates=1, years=(2026,))
    said = {"policy.mobility.fare_kzt": {"unit": "KZT", "meaning": "fare of a ride", "evidence": "sourced", "source": "akimat"}}
    (out / "parameters.json").write_text(json.dumps(said), encoding="utf-8")
    (path,) = build.report(out, file=tmp_path / "r.html")
    text = path.read_text(encoding="utf-8")
    assert "fare of a ride" in text
    assert "akimat" in text
    (out / "parameters.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(InputError, match="parameters.json"):
        build.report(out, file=tmp_path / "r.html")


# --- pictures ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["png", "svg"])
def test_every_figure_as_a_picture(study, tmp_path, page, form):
    made = build.report(study, file=tmp_path / "r.html", figures=tmp_path / "figures", form=form)
    assert [path.stem for path in made[1:]] == [figure.name for figure in page.figures]
    for path in made[1:]:
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG" if form == "png" else b"<svg"), path
        assert len(data) > 3000, path


def test_pictures_have_data(page):
    from alatau_sim.report.pictures import whole_spec

    for figure in page.figures:
        assert isinstance(figure, Figure)
        data = whole_spec(figure)["datasets"]
        assert any(data.values()), figure.name


# --- the browser ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with sync_api.sync_playwright() as play:
        one = play.chromium.launch(executable_path=chromium, args=options)
        yield one
        one.close()


def opened(browser, path, width=1280, script=""):
    tab = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    if script:
        tab.add_init_script(script)
    tab.goto(path.as_uri())
    tab.wait_for_function("document.documentElement.dataset.drawn", timeout=120_000)
    return tab, said, asked


def test_in_a_browser_slider_and_tooltips_work_and_nothing_is_asked_of_the_net(browser, study, tmp_path, page):
    (path,) = build.report(study, file=tmp_path / "r.html")
    tab, said, asked = opened(browser, path)
    assert said == []
    assert asked == [path.as_uri()]
    assert tab.evaluate("document.documentElement.dataset.drawn") == "all"
    assert tab.locator(".chart svg").count() == sum(len(figure.panels) for figure in page.figures)
    zones = "#figure-map .panel:first-child path[aria-roledescription=geoshape]"
    fills = f"[...document.querySelectorAll('{zones}')].map(one => one.getAttribute('fill')).join()"
    before, words = tab.evaluate(fills), tab.locator("#figure-map output").inner_text()
    tab.locator("#figure-map input[type=range]").evaluate(
        "slider => { slider.value = 0; slider.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    tab.wait_for_function(f"({fills}) !== {json.dumps(before)}", timeout=20_000)
    assert tab.locator("#figure-map output").inner_text() != words
    assert "January 2026" in tab.locator("#figure-map .chosen").inner_text()
    zone = tab.locator(zones).first
    zone.scroll_into_view_if_needed()
    zone.hover()
    tab.wait_for_selector("#vg-tooltip-element.visible", timeout=20_000)
    assert "Zone <" in tab.locator("#vg-tooltip-element").inner_text()
    tab.close()


def test_on_a_phone_nothing_is_wider_than_the_screen_and_on_paper_tables_open(browser, study, tmp_path):
    (path,) = build.report(study, file=tmp_path / "r.html", language="ru")
    tab, said, _ = opened(browser, path, width=390)
    assert said == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.emulate_media(media="print")
    assert tab.locator(".controls").first.is_hidden()
    assert tab.locator(".chosen").first.is_visible()
    assert tab.pdf().startswith(b"%PDF")
    tab.close()


def test_a_browser_without_decompression_reads_the_same(browser, study, tmp_path):
    (path,) = build.report(study, file=tmp_path / "r.html")
    one, _, _ = opened(browser, path)
    two, said, _ = opened(browser, path, script="delete globalThis.DecompressionStream;")
    assert said == []
    sums = "cube => Object.values(cube.values).map(all => all.reduce((sum, one) => sum + (Number.isNaN(one) ? 1 : one), 0)).join()"
    numbers = f"Object.values(page.cubes).map({sums}).join()"
    assert two.evaluate("typeof DecompressionStream") == "undefined"
    assert one.evaluate(numbers) == two.evaluate(numbers)
    one.close()
    two.close()
