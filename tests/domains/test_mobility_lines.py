"""Lines: timetables, graph and ways, GTFS in and out, and what is told of lines that cannot be."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import replace

import numpy as np
import pytest
from mobility_city import COLUMNS_OF_ZONES, MAP, SOUTH, START, city, line, scenario, simulation
from pydantic import ValidationError

from alatau_sim.city.gtfs import gtfs_report, read_gtfs, write_gtfs
from alatau_sim.city.gtfs_lines import busiest_dates, feed_of_lines, lines_of_feed
from alatau_sim.city.network import ZoneIndex
from alatau_sim.city.roads import assign, build_roads, delay, shortest
from alatau_sim.city.timetable import as_frequent, by_headway, mean_wait_s, scheduled, time_of_day
from alatau_sim.city.transit import best_paths, ride_minutes, rides_of, stops_of, walks_to
from alatau_sim.domains.mobility.params import LineRecord, World
from alatau_sim.domains.mobility.tables import check_fleets, check_lines, lines_of, scenario_feed
from alatau_sim.engine.randomness import stream_key, uniform_array
from alatau_sim.errors import InputError, Problem

INDEX = ZoneIndex(MAP)
DETOUR = World().detour_factor
ROADS = build_roads(INDEX, MAP.outside, MAP.area_m2, DETOUR)
LINES = (line("1", SOUTH), line("2", "b0 b5 a5 far", headway_peak_min=20.0, headway_min=40.0, headway_day_off_min=60.0, vehicles=20))
DAYS = (dt.date(2026, 3, 2), dt.date(2026, 3, 7))


def built(records=LINES):
    return simulation(records, people=30).state["mobility"]["network"].lines


# --- timetables -------------------------------------------------------------------------------------------------------------


def test_departures_follow_the_headway_of_the_hour():
    times = by_headway(6 * 3600, 11 * 3600, 15.0, 30.0)
    assert (times[:4] // 60).tolist() == [360, 390, 420, 435]
    assert np.diff(times).max() == 1800
    assert len(by_headway(6 * 3600, 6 * 3600, 5.0, 5.0)) == 1


@pytest.mark.parametrize("factor", [0.3, 0.5, 1.0, 2.0, 3.7])
def test_a_frequency_factor_keeps_first_and_last(factor):
    times = by_headway(6 * 3600, 22 * 3600, 15.0, 30.0)
    more = as_frequent(times, factor)
    assert (more[0], more[-1]) == (times[0], times[-1])
    assert len(more) == round(factor * (len(times) - 1)) + 1
    assert (np.diff(more) > 0).all()
    if factor == 2.0:
        assert np.isin(times, more).all()
        assert mean_wait_s(more) < mean_wait_s(times)


def test_times_of_day():
    assert [time_of_day(text) for text in ("6:30", "06:30:00", "24:00", "24:30", "7", "07:75", "")] == [
        23400, 23400, 86400, None, None, None, None
    ]  # fmt: skip


def test_waits_of_a_timetable():
    assert mean_wait_s(np.arange(0, 86400, 600)) == pytest.approx(300)
    assert mean_wait_s(np.empty(0, np.int64)) == 7200
    assert mean_wait_s(np.array([8 * 3600]), 7 * 3600, 9 * 3600) == pytest.approx((1800 + 7200) / 2)


# --- roads ------------------------------------------------------------------------------------------------------------------


def test_distances_are_those_of_the_grid():
    side = 1500 * DETOUR
    for a, b in itertools.product(range(2 * COLUMNS_OF_ZONES), repeat=2):
        steps = abs(a % COLUMNS_OF_ZONES - b % COLUMNS_OF_ZONES) + abs(a // COLUMNS_OF_ZONES - b // COLUMNS_OF_ZONES)
        if a != b:
            assert ROADS.distance_m[a, b] == pytest.approx(steps * side, rel=1e-5)
    assert np.diag(ROADS.distance_m)[0] == pytest.approx(0.5214 * DETOUR * 1500, rel=1e-5)
    assert np.isfinite(ROADS.distance_m).all()
    assert (ROADS.distance_m == ROADS.distance_m.T).all()


def test_lone_parts_of_a_map_are_joined():
    class Islands:
        geometry_m = MAP.geometry_m[[0, 1, 5, 6, 20]]
        centroid_x_m, centroid_y_m = MAP.centroid_x_m[[0, 1, 5, 6, 20]], MAP.centroid_y_m[[0, 1, 5, 6, 20]]

        def __len__(self):
            return 5

    roads = build_roads(ZoneIndex(Islands()), np.zeros(5, bool), np.full(5, 10**6), 1.0)
    assert np.isfinite(roads.distance_m).all()
    assert roads.distance_m[0, 2] == pytest.approx(7500)
    assert (roads.border_m == 0).sum() == 4


def test_traffic_is_where_the_trips_go():
    cost, before = shortest(ROADS.n, ROADS.start, ROADS.end, ROADS.length_m)
    trips = np.zeros((ROADS.n, ROADS.n))
    trips[0, 5] = 100
    trips[3, 20] = 7
    flow = assign(ROADS, cost, before, trips)
    assert (flow * ROADS.length_m).sum() == pytest.approx(100 * cost[0, 5] + 7 * cost[3, 20], rel=1e-6)
    assert sorted(np.unique(flow).tolist())[-1] <= 107
    assert flow[ROADS.start == 0].sum() == 100
    assert flow[ROADS.end == 20].sum() == 7
    assert delay(np.array([0.0, 100.0, 1e9]), np.full(3, 100.0), 0.15, 4.0).tolist() == [1.0, 1.15, 5.0]


# --- ways by bus ------------------------------------------------------------------------------------------------------------


def test_the_best_way_is_the_best_of_all_ways():
    lines = built((line("1", SOUTH), line("2", "a0 b4 b9", speed_kmh=50.0), line("3", "b4 a4 a7"), line("4", "b0 b1 b2 b3")))
    stops = stops_of(lines)
    rides = rides_of(stops)
    wait, run = np.linspace(3, 12, stops.n), scheduled(stops.run_s) / 60.0
    real, felt, _ = ride_minutes(stops, rides, wait, run, 2.0)
    walks = walks_to(stops, ROADS.distance_m, 400.0, 2000.0, 4.8)
    paths = best_paths(rides, walks, real, felt, change_min=6.0, walk_weight=2.0, margin_min=0.0)
    on, off = rides.start, rides.end
    direct = np.full((ROADS.n, ROADS.n), np.inf)
    np.minimum.at(direct, (on, off), felt)
    best = direct.copy()
    for middle in range(ROADS.n):
        best = np.minimum(best, direct[:, middle, None] + direct[None, middle] + 6.0)
    np.fill_diagonal(best, np.inf)
    foot = np.where(ROADS.distance_m <= 2000, ROADS.distance_m, np.inf)
    np.fill_diagonal(foot, 0.0)
    foot = 2.0 * (foot + 400.0) / 80.0
    expected = np.min(foot[:, :, None, None] + best[None, :, :, None] + foot.T[None, None], axis=(1, 2)) if ROADS.n <= 30 else None
    there = np.isfinite(expected)
    assert (np.isfinite(paths.felt) == there).all()
    assert paths.felt[there] == pytest.approx(expected[there], rel=1e-5)
    used = felt[paths.ride[there]] + np.where(paths.ride2[there] >= 0, felt[paths.ride2[there]] + 6.0, 0.0)
    assert (used <= paths.felt[there] + 1e-3).all()
    second = paths.ride2 >= 0
    assert (off[paths.ride[second]] == on[paths.ride2[second]]).all()


def test_people_take_whichever_of_the_worthwhile_lines_comes_first():
    """Waits, ways and shares of lines as Spiess and Florian (1989) have them, against every set of lines there is."""
    lines = built((line("1", "a0 a5"), line("2", "a0 a3 a5"), line("3", "a0 a9 a5", speed_kmh=20.0), line("4", "a0 b0 a5")))
    stops = stops_of(lines)
    rides = rides_of(stops)
    run = scheduled(stops.run_s) / 60.0
    for trial in range(20):
        wait = 1.0 + 30.0 * uniform_array(stream_key(trial, 0, "waits", -1), np.arange(stops.n))
        real, felt, saves = ride_minutes(stops, rides, wait, run, 2.0)
        ride = np.flatnonzero((rides.start == 0) & (rides.end == 5))[0]
        options = np.arange(rides.first[ride], rides.first[ride + 1])
        assert len(options) == 4
        on_way = np.array([run[board:alight].sum() for board, alight in zip(rides.board[options], rides.alight[options], strict=True)])
        often = 1.0 / wait[rides.board[options]]
        sets = [list(chosen) for size in range(1, 5) for chosen in itertools.combinations(range(4), size)]
        costs = [(2.0 + (often * on_way)[chosen].sum()) / often[chosen].sum() for chosen in sets]
        best = sets[int(np.argmin(costs))]
        assert felt[ride] == pytest.approx(min(costs))
        assert np.flatnonzero(saves[options] > 0).tolist() == best
        assert real[ride] == pytest.approx((1.0 + (often * on_way)[best].sum()) / often[best].sum())


def test_a_way_that_comes_to_a_zone_twice_has_its_shortest_rides():
    stops = stops_of(built((line("1", "a0 a1 a0 a2 a1"),)))
    rides = rides_of(stops)
    there = stops.way[rides.board] == 0
    found = {(int(stops.position[b]), int(stops.position[a])) for b, a in zip(rides.board[there], rides.alight[there], strict=True)}
    assert found == {(0, 1), (1, 2), (1, 3), (2, 3), (2, 4), (3, 4)}
    assert (rides.ride == np.repeat(np.arange(rides.n), np.diff(rides.first))).all()
    assert (stops.zone[rides.board] == rides.start[rides.ride]).all()
    assert (stops.zone[rides.alight] == rides.end[rides.ride]).all()


def test_a_way_is_kept_until_another_is_better_by_the_margin():
    lines = built((line("1", "a0 a5"), line("2", "a0 b2"), line("3", "b2 a5")))
    stops = stops_of(lines)
    rides = rides_of(stops)
    walks = walks_to(stops, ROADS.distance_m, 400.0, 2000.0, 4.8)
    run = np.full(stops.n, 10.0)

    def ways(first, margin, before=None):
        wait = np.where(stops.line == 0, first, 1.0)
        real, felt, _ = ride_minutes(stops, rides, wait, run, 2.0)
        return best_paths(rides, walks, real, felt, change_min=6.0, walk_weight=2.0, margin_min=margin, before=before)

    def direct(paths):
        return int(paths.ride2[0, 5]) < 0

    # With the change it takes 2 × (10 + 2 × 1) + 6 = 30 felt minutes, and as long without it after a wait of 10.
    one = ways(9.9, 1.0)
    assert direct(one)
    assert not direct(ways(10.1, 1.0))
    assert direct(ways(10.4, 1.0, one))
    assert not direct(ways(10.6, 1.0, one))


# --- GTFS -------------------------------------------------------------------------------------------------------------------


def test_lines_written_as_a_feed_are_read_again(tmp_path):
    lines = built()
    feed = feed_of_lines(lines, MAP, START, dt.date(2026, 12, 31), [dt.date(2026, 3, 23)], title="Stub")
    write_gtfs(feed, tmp_path / "lines.zip")
    again = read_gtfs(tmp_path / "lines.zip")
    assert again == feed
    read, notes = lines_of_feed(again, DAYS, INDEX, ROADS.distance_m, 300, 80, taken=())
    assert notes == ()
    assert [one.id for one in read] == [one.id for one in lines]
    for one, other in zip(read, lines, strict=True):
        for way, given in zip(one.directions, other.directions, strict=True):
            assert way.zones == given.zones
            assert (way.run_s == given.run_s).all()
            assert (way.length_m == given.length_m).all()
            for kind in (0, 1):
                assert (way.departures[kind] == given.departures[kind]).all()
        assert one.vehicles <= other.vehicles
    assert set(feed.services_on(dt.date(2026, 3, 23))) == {"day-off"}
    report = gtfs_report(again, DAYS[0])
    assert report.trips == sum(len(way.departures[0]) for one in lines for way in one.directions)


def test_a_scenario_gives_a_feed():
    feed = scenario_feed(city(LINES))
    assert feed.routes["id"].tolist() == ["1", "2"]
    assert feed.stops.n == 13
    assert busiest_dates(feed) == DAYS


def test_trips_past_midnight_and_other_patterns_are_kept(tmp_path):
    one = built((line("1", "a0 a1 a2 a3"),))[0]
    way, back = one.directions
    late = replace(way, departures=(np.array([24 * 3600 + 600]), np.empty(0, np.int64)))
    short = replace(way, zones=way.zones[:3], run_s=way.run_s[:2], length_m=way.length_m[:2])
    feed = feed_of_lines([replace(one, directions=(late, back)), replace(one, id="x", directions=(short,))], MAP, *DAYS)
    routes = dict(feed.routes.columns) | {"short_name": np.array(["1", "1"], object)}
    lines, _ = lines_of_feed(replace(feed, routes=type(feed.routes)(routes)), DAYS, INDEX, ROADS.distance_m, 300, 80, taken=())
    assert [one.id for one in lines] == ["1", "1/2"]
    assert lines[0].directions[0].departures[0].tolist() == [600]
    assert lines[1].directions[0].zones == way.zones[:3]


def test_stops_outside_every_zone_are_told():
    feed = feed_of_lines(built((line("1", "a0 a1 a2"), line("2", "b0 b1"))), MAP, *DAYS)
    lat = feed.stops["lat"].copy()
    lat[[1, 3]] = 10.0
    stops = type(feed.stops)(dict(feed.stops.columns) | {"lat": lat})
    lines, notes = lines_of_feed(replace(feed, stops=stops), DAYS, INDEX, ROADS.distance_m, 300, 80, taken={"1"})
    assert [one.id for one in lines] == ["1/2"]
    assert lines[0].directions[0].zones == (0, 2)
    assert notes[0] == "stops outside every zone are left out (2): a1, b0"
    assert notes[1].startswith("trips with fewer than two zones are left out")


def test_a_feed_gives_lines(tmp_path):
    write_gtfs(scenario_feed(city(LINES)), tmp_path / "lines.zip")
    town = city((), gtfs=tmp_path / "lines.zip")
    assert [found for found in check_lines(town) if isinstance(found, Problem)] == []
    lines, notes = lines_of(town, ROADS.distance_m, INDEX, 300, 90)
    assert notes == ()
    assert [one.capacity for one in lines] == [90, 90]
    assert not lines[0].in_traffic
    sims = (simulation((), days=2, people=30, gtfs=tmp_path / "lines.zip"), simulation(LINES, days=2, people=30))
    for sim in sims:
        sim.step()
    read, listed = (sim.state["mobility"]["month"] for sim in sims)
    assert (read["scheduled"] == listed["scheduled"]).all()
    assert read["cancelled"].sum() <= 2


# --- what is wrong ------------------------------------------------------------------------------------------------------------


def told(*records, **more):
    town = city(records, **more)
    return [str(found) for check in (check_lines, check_fleets) for found in check(town)]


def test_good_lines_have_no_problems():
    assert told(*LINES) == []


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (line("1", "a0 a11"), "line '1': there is no zone 'a11'; did you mean 'a1'?"),
        (line("1", "a0"), "line '1': has 1 stop; it needs at least 2"),
        (line("1", "a0 a1 a1"), "line '1': stops twice in a row in 'a1'"),
        (line("1", "far"), "line '1': has 1 stop; it needs at least 2"),
        (line("1", "far far"), "line '1': stops twice in a row in 'far'"),
        (line("1", "a0 a1", first_time="23:00", last_time="05:00"), "line '1': first_time 23:00 is after last_time 05:00"),
        (line("1", "a0 a1", first_time="six"), "line '1': first_time is 'six'; it must be a time such as 06:30, up to 24:00"),
    ],
)
def test_lines_that_cannot_be_are_told_with_their_place(record, message):
    assert told(record)[0] == f"stub.yaml:10: {message}"


def test_a_line_that_never_comes_into_the_city_is_told():
    assert told(line("1", "far far"))[1] == "stub.yaml:10: line '1': has stops outside the city only (far)"


def test_a_vehicle_without_capacity_is_no_record():
    with pytest.raises(ValidationError, match="capacity"):
        LineRecord(line="1", stops=("a0", "a1"), vehicles=2)


@pytest.mark.parametrize("wrong", [{"capacity": 0}, {"vehicles": 0}, {"headway_min": 0.0}, {"headway_peak_min": -5.0}, {"speed_kmh": 0.0}])
def test_impossible_numbers_are_no_record(wrong):
    with pytest.raises(ValidationError):
        line("1", "a0 a1", **wrong)


def test_a_line_that_is_there_twice_is_told():
    assert told(line("1", "a0 a1"), line("1", "b0 b1")) == ["stub.yaml:11: line '1': is there twice (entries 1 and 2)"]


def test_a_fleet_that_is_too_small_is_told_with_what_it_takes():
    few, = told(line("1", SOUTH, vehicles=2))
    assert few.startswith("stub.yaml:10: line '1': 2 vehicles are too few; a round takes")
    needed = int(few.rsplit(" ", 1)[1])
    assert told(line("1", SOUTH, vehicles=needed)) == []
    assert told(line("1", SOUTH, vehicles=needed - 1)) != []
    note, = (found for found in check_fleets(city((line("1", "a9 far", vehicles=10),))))
    assert isinstance(note, str)
    assert "in the traffic of the peaks" in note


def test_unknown_extra_lines_are_told():
    assert told(*LINES, policy={"extra_lines": ("3",)}) == [
        "stub.yaml: policy.mobility.extra_lines has '3'; there is no such line; known: 1, 2"
    ]


def test_a_broken_feed_is_told_file_by_file(tmp_path):
    (tmp_path / "feed").mkdir()
    (tmp_path / "feed" / "stops.txt").write_text("stop_id,stop_lat,stop_lon\ns,1,x\n", encoding="utf-8")
    found = told(gtfs=tmp_path / "feed")
    assert any("agency.txt" in text for text in found)
    assert any("stops.txt:2" in text for text in found)
    assert all(isinstance(problem, Problem) for problem in check_lines(city((), gtfs=tmp_path / "feed")))


def test_a_feed_far_from_the_map_has_no_line(tmp_path):
    feed = feed_of_lines(built((line("1", "a0 a1"),)), MAP, *DAYS)
    stops = type(feed.stops)(dict(feed.stops.columns) | {"lat": feed.stops["lat"] - 5})
    write_gtfs(replace(feed, stops=stops), tmp_path / "far.zip")
    found = told(gtfs=tmp_path / "far.zip")
    assert any("no line of the feed has two stops in zones of the map" in text for text in found)
    assert any("stops outside every zone" in text for text in found)


def test_a_feed_of_working_days_has_no_service_on_days_off(tmp_path):
    feed = scenario_feed(city(LINES))
    weekdays = feed.trips["service"] == 0
    calls = weekdays[feed.stop_times["trip"]]
    row = np.cumsum(weekdays) - 1
    trips = type(feed.trips)({name: values[weekdays] for name, values in feed.trips.columns.items()})
    times = {name: values[calls] for name, values in feed.stop_times.columns.items()}
    times["trip"] = row[times["trip"]]
    write_gtfs(replace(feed, trips=trips, stop_times=type(feed.stop_times)(times)), tmp_path / "work.zip")
    again = read_gtfs(tmp_path / "work.zip")
    assert busiest_dates(again) == DAYS
    lines, _ = lines_of_feed(again, busiest_dates(again), INDEX, ROADS.distance_m, 300, 80, taken=())
    assert all(len(way.departures[0]) and not len(way.departures[1]) for one in lines for way in one.directions)
    assert told(gtfs=tmp_path / "work.zip") == [f"no trip of {tmp_path / 'work.zip'} runs on 2026-03-07, which stands for days off"]
    write_gtfs(feed, tmp_path / "all.zip")
    wrong, = check_lines(city((), gtfs=tmp_path / "all.zip", gtfs_workday=dt.date(2031, 1, 6)))
    assert isinstance(wrong, Problem)
    assert str(wrong).startswith("stub.yaml: city.gtfs_workday: no trip of ")
    sim = simulation((), days=8, people=30, gtfs=tmp_path / "work.zip")
    for _ in range(6):
        sim.step()
    assert sim.state["mobility"]["month"]["calls"]["calls"][1].sum() == 0 < sim.state["mobility"]["month"]["calls"]["calls"][0].sum()


def test_wrong_lines_stop_the_build():
    with pytest.raises(InputError, match="there is no zone 'a11'"):
        simulation((line("1", "a0 a11"),))
    assert scenario(()).records["lines"] == ()
