"""GTFS feeds: what runs when, against counts by hand; every way in which a feed can be wrong; what is written is what was read."""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alatau_sim.city.gtfs import gtfs_report, mean_headways, read_gtfs, vehicles_needed, write_gtfs
from alatau_sim.city.gtfs_feed import FILES, clock
from alatau_sim.cli import run_command
from alatau_sim.errors import InputError

MONDAY, SATURDAY, SUNDAY = dt.date(2026, 5, 4), dt.date(2026, 5, 9), dt.date(2026, 5, 10)
BASE = {
    "agency": "agency_id,agency_name,agency_url,agency_timezone\nA,Алатау Транс,https://example.org,Asia/Almaty\n",
    "stops": "stop_id,stop_name,stop_lat,stop_lon\nS1,Жетіген,43.6,77.1\n"
    "S2,\"Gate, north\",43.61,77.11\nS3,Golden,43.62,77.12\nS4,Depot,43.63,77.2\n",
    "routes": "route_id,agency_id,route_short_name,route_long_name,route_type\nR1,A,1,Жетіген – Golden,3\nR2,A,,Night line,3\n",
    "calendar": (
        "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
        "work,1,1,1,1,1,0,0,20260101,20261231\nrest,0,0,0,0,0,1,1,20260101,20261231\n"
    ),
    "calendar_dates": "service_id,date,exception_type\nwork,20260511,2\nrest,20260511,1\n",
    "trips": "trip_id,route_id,service_id,direction_id\nT1,R1,work,0\nT2,R1,work,0\nT3,R1,rest,0\nN1,R2,work,1\n",
    "stop_times": (
        "trip_id,stop_sequence,stop_id,arrival_time,departure_time\n"
        "T1,1,S1,07:00:00,07:00:00\nT1,2,S2,07:05:00,07:06:00\nT1,3,S3,07:20:00,07:20:00\n"
        "T2,3,S3,7:30:00,7:30:00\nT2,2,S2,7:15:00,7:16:00\nT2,1,S1,7:10:00,7:10:00\n"
        "T3,1,S1,09:00:00,09:00:00\nT3,2,S3,09:20:00,09:20:00\n"
        "N1,1,S1,23:50:00,23:50:00\nN1,2,S3,25:10:00,25:10:00\n"
    ),
}


FREQUENT = "trip_id,start_time,end_time,headway_secs\n"


def times(rows: str, head: str = "trip_id,stop_sequence,stop_id,arrival_time,departure_time") -> dict[str, str]:
    """A feed with these stop times and only the trips that they name, all of R1 on workdays."""
    ids = list(dict.fromkeys(row.split(",")[0] for row in rows.split()))
    trips = "trip_id,route_id,service_id,direction_id\n" + "".join(f"{id_},R1,work,0\n" for id_ in ids)
    return {"trips": trips, "stop_times": head + "\n" + "\n".join(rows.split()) + "\n"}


def folder(place: Path, **files: str | None) -> Path:
    """The base feed as a folder, with some files replaced, or left out (None)."""
    place = place / "feed"
    place.mkdir()
    for name, text in {**BASE, **files}.items():
        if text is not None:
            (place / f"{name}.txt").write_text(text, encoding="utf-8", newline="")
    return place


def zipped(place: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(place / "feed.zip", "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return place / "feed.zip"


def problems(path: Path) -> list[str]:
    """What is told of a feed, without the path in front."""
    with pytest.raises(InputError) as caught:
        read_gtfs(path)
    return [line.removeprefix(path.as_posix()).lstrip("/") for line in str(caught.value).splitlines()]


# --- what runs when


def test_trips_of_a_day_in_the_order_of_departure(tmp_path):
    feed = read_gtfs(folder(tmp_path))
    day = feed.trips_on(MONDAY)
    assert [feed.trips["id"][k] for k in day.trip] == ["T1", "T2", "N1"]
    assert day.start_s.tolist() == [7 * 3600, 7 * 3600 + 600, 23 * 3600 + 3000]
    assert day.end_s.tolist() == [7 * 3600 + 1200, 7 * 3600 + 1800, 25 * 3600 + 600]
    assert day.first.tolist() == [0, 3, 6, 8]
    assert day.stop[3:6].tolist() == [0, 1, 2]  # by sequence and not by the order of the file
    assert day.departure_s[4] - day.arrival_s[4] == 60


def test_a_trip_past_midnight_belongs_to_the_day_on_which_its_service_began(tmp_path):
    feed = read_gtfs(folder(tmp_path))
    friday = gtfs_report(feed, dt.date(2026, 5, 8))
    saturday = gtfs_report(feed, SATURDAY)
    night = next(line for line in friday.lines if line.route == "R2")
    assert (night.trips, night.service_h) == (1, pytest.approx(80 / 60))
    assert [line.route for line in saturday.lines] == ["R1"]


def test_calendar_and_its_exceptions(tmp_path):
    feed = read_gtfs(folder(tmp_path))
    assert feed.services_on(MONDAY) == {"work"}
    assert feed.services_on(SATURDAY) == feed.services_on(SUNDAY) == {"rest"}
    assert feed.services_on(dt.date(2026, 5, 11)) == {"rest"}  # a Monday with the Sunday's service
    assert feed.services_on(dt.date(2025, 12, 31)) == feed.services_on(dt.date(2027, 1, 1)) == set()


def test_the_days_of_a_service_are_the_days_on_which_it_runs(tmp_path):
    feed = read_gtfs(folder(tmp_path))
    year = [dt.date(2025, 12, 20) + dt.timedelta(days=k) for k in range(400)]
    for row, id_ in enumerate(feed.services):
        days = [dt.date(1970, 1, 1) + dt.timedelta(days=int(day)) for day in feed.service_days(row)]
        assert days == [date for date in year if id_ in feed.services_on(date)]


def test_a_feed_with_dates_only(tmp_path):
    feed = read_gtfs(folder(tmp_path, calendar=None, calendar_dates="service_id,date,exception_type\nrest,20260509,1\nwork,20260504,1\n"))
    assert feed.services == ("rest", "work")
    assert feed.services_on(MONDAY) == {"work"}
    assert len(feed.trips_on(MONDAY)) == 3
    assert len(feed.trips_on(dt.date(2026, 5, 5))) == 0


@pytest.mark.parametrize("exact", ["0", "1"])
def test_frequencies_become_departures_before_the_end_of_their_period(tmp_path, exact):
    often = f"trip_id,start_time,end_time,headway_secs,exact_times\nT1,06:00:00,07:00:00,600,{exact}\nT1,07:00:00,07:50:00,1200,{exact}\n"
    feed = read_gtfs(folder(tmp_path, frequencies=often))
    day = feed.trips_on(MONDAY)
    mine = day.trip == 0
    minutes = [360, 370, 380, 390, 400, 410, 420, 440, 460]  # and not the 07:00:00 of the trip itself twice
    assert (day.start_s[mine] // 60).tolist() == minutes
    assert day.expanded[mine].all()
    assert not day.expanded[~mine].any()
    assert set((day.end_s - day.start_s)[mine]) == {1200}
    k = int(np.flatnonzero(mine)[1])
    assert (day.arrival_s[day.first[k]:day.first[k + 1]] - 370 * 60).tolist() == [0, 300, 1200]
    assert gtfs_report(feed, MONDAY).trips_expanded == 9
    assert any("without exact times" in note for note in feed.notes) == (exact == "0")


def test_the_first_stop_may_be_reached_before_midnight_but_not_before_the_day(tmp_path):
    files = times("T,1,S1,06:58:00,07:00:00 T,2,S2,07:10:00,07:10:00")
    feed = read_gtfs(folder(tmp_path, **files, frequencies="trip_id,start_time,end_time,headway_secs\nT,00:00:00,00:10:00,600\n"))
    assert feed.trips_on(MONDAY).arrival_s.tolist() == [0, 600]


# --- times that are not given


def test_rows_without_times_by_count_of_stops(tmp_path):
    feed = read_gtfs(folder(tmp_path, **times("T,1,S1,08:00:00,08:01:00 T,2,S2,, T,3,S3,, T,4,S4,08:10:00,")))
    assert feed.stop_times["arrival_s"].tolist() == [28800, 28860 + 180, 28860 + 360, 29400]
    assert feed.stop_times["departure_s"].tolist() == [28860, 28860 + 180, 28860 + 360, 29400]
    assert feed.stop_times["timepoint"].tolist() == [1, 0, 0, 1]
    assert any("2 stop times" in note and "2 by the number of stops" in note for note in feed.notes)


def test_rows_without_times_by_distance_where_all_have_it(tmp_path):
    rows = "T,1,S1,08:00:00,08:00:00,0 T,2,S2,,,1 T,3,S3,08:10:00,08:10:00,4 T,4,S1,,, T,5,S2,,,9 T,6,S4,08:40:00,08:40:00,10"
    head = "trip_id,stop_sequence,stop_id,arrival_time,departure_time,shape_dist_traveled"
    feed = read_gtfs(folder(tmp_path, **times(rows, head)))
    assert (feed.stop_times["arrival_s"] - 28800).tolist() == [0, 150, 600, 1200, 1800, 2400]
    assert any("1 in proportion" in note and "2 by the number" in note for note in feed.notes)


def test_distances_that_fall_are_not_used(tmp_path):
    rows = "T,1,S1,08:00:00,08:00:00,0 T,2,S2,,,5 T,3,S3,,,4 T,4,S4,08:30:00,08:30:00,10"
    head = "trip_id,stop_sequence,stop_id,arrival_time,departure_time,shape_dist_traveled"
    feed = read_gtfs(folder(tmp_path, **times(rows, head)))
    assert (feed.stop_times["arrival_s"] - 28800).tolist() == [0, 600, 1200, 1800]


# --- the report


def test_every_ten_minutes_is_a_headway_of_600_s():
    assert mean_headways(np.arange(6 * 3600, 22 * 3600, 600)) == {"day": 600, "07-10": 600, "17-20": 600, "off-peak": 600}


def test_headways_of_periods_do_not_bridge_the_hours_between():
    peaks = np.concatenate((np.arange(7 * 3600, 10 * 3600, 300), np.arange(17 * 3600, 20 * 3600, 900)))
    found = mean_headways(peaks[::-1])
    assert (found["07-10"], found["17-20"], found["off-peak"]) == (300, 900, None)
    assert found["day"] == (peaks[-1] - peaks[0]) / (len(peaks) - 1)
    assert set(mean_headways(np.array([5000])).values()) == {None}


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=20))
def test_vehicles_needed_are_the_most_trips_in_any_second(spans):
    starts, ends = np.array([a for a, _ in spans], int), np.array([a + length for a, length in spans], int)
    count = [int(((starts <= second) & (second < ends)).sum()) for second in range(100)]
    most, when = vehicles_needed(starts, ends)
    assert most == max(count)
    assert not spans or when == count.index(most)


def test_report_counts_by_hand(tmp_path):
    report = gtfs_report(read_gtfs(folder(tmp_path)), MONDAY)
    assert (report.routes, report.routes_running, report.stops, report.stops_served, report.trips) == (2, 2, 4, 3, 3)
    assert report.vehicle_h == pytest.approx((20 + 20 + 80) / 60)
    assert (report.vehicles, report.busiest_s) == (2, 7 * 3600 + 600)
    first = report.lines[0]
    assert (first.name, first.type, first.direction, first.trips, first.stops) == ("1", "bus", 0, 2, 3)
    assert first.headway_s == {"day": 600, "07-10": 600, "17-20": None, "off-peak": None}
    text = report.text()
    for word in ("Monday", "Алатау Транс", "Night line", "23:50:00", "10.0", "2026-01-01 to 2026-12-31", "at least 2"):
        assert word in text


def test_directions_are_told_apart(tmp_path):
    rows = "".join(f"A{k},{k % 2}\n" for k in range(6))
    trips = "trip_id,direction_id,route_id,service_id\n" + rows.replace("\n", ",R1,work\n")
    calls = "".join(f"A{k},1,S1,08:{5 * k:02d}:00,08:{5 * k:02d}:00\nA{k},2,S2,09:{5 * k:02d}:00,09:{5 * k:02d}:00\n" for k in range(6))
    head = BASE["stop_times"].splitlines()[0] + "\n"
    report = gtfs_report(read_gtfs(folder(tmp_path, trips=trips, stop_times=head + calls)), MONDAY)
    assert [(line.direction, line.trips, line.headway_s["07-10"]) for line in report.lines] == [(0, 3, 600), (1, 3, 600)]


def test_what_never_runs_is_listed_with_its_reason(tmp_path):
    feed = read_gtfs(folder(
        tmp_path, routes=BASE["routes"] + "R3,A,3,,99\n", trips=BASE["trips"] + "E,R1,work,0\nO,R1,work,0\nI,R1,idle,\n",
        stop_times=BASE["stop_times"] + "O,1,S1,08:00:00,08:00:00\nI,1,S1,08:00:00,08:00:00\nI,2,S2,08:10:00,08:10:00\n",
        calendar_dates=BASE["calendar_dates"] + "idle,20260504,2\n", shapes="shape_id\n",
    ))  # fmt: skip
    report = gtfs_report(feed, MONDAY)
    assert report.trips == 3
    assert list(report.skipped) == [
        "trips without any stop time (1): E", "trips with one stop only (1): O",
        "services that never run on any day, with their trips (1): idle", "routes without trips (1): R3",
    ]  # fmt: skip
    assert any("R3 (99)" in note for note in report.notes)
    assert any("shapes.txt" in note for note in report.notes)
    assert any("direction_id" in note and "R1" in note for note in report.notes)
    assert all(line in report.text() for line in (*report.skipped, *report.notes))


def test_a_date_without_service_is_an_answer(tmp_path):
    report = gtfs_report(read_gtfs(folder(tmp_path)), dt.date(2030, 1, 1))
    assert (report.trips, report.vehicles, report.lines) == (0, 0, ())
    assert "none on this date" in report.text()


# --- what is wrong


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"stops": None}, ["stops.txt is missing"]),
        ({"calendar": None, "calendar_dates": None}, ["calendar.txt and calendar_dates.txt are both missing"]),
        ({"trips": BASE["trips"] + "T9,R8,work,0\n"}, ["trips.txt:6: route_id is 'R8', which routes.txt does not have; known: R1, R2"]),
        ({"trips": BASE["trips"] + "T9,R1,wrok,0\n"},
         ["trips.txt:6: service_id is 'wrok', which calendar.txt and", "did you mean 'work'?"]),
        ({"stop_times": BASE["stop_times"] + "T9,1,S1,1:00:00,1:00:00\n"},
         ["stop_times.txt:12: trip_id is 'T9', which trips.txt does not"]),
        ({"stop_times": BASE["stop_times"] + "T3,3,S9,9:30:00,9:30:00\n"},
         ["stop_times.txt:12: stop_id is 'S9', which stops.txt does not"]),
        ({"routes": BASE["routes"] + "R4,B,4,,3\n"}, ["routes.txt:4: agency_id is 'B', which agency.txt does not have; known: A"]),
        ({"stop_times": BASE["stop_times"] + "T3,3,S4,9:3:00,9:99:00\n"},
         ["stop_times.txt:12: arrival_time is '9:3:00'; it must be a time", "departure_time is '9:99:00'"]),
        ({"stop_times": BASE["stop_times"] + "T3,3,S4,09:10:00,09:10:00\n"},
         ["stop_times.txt:12: the trip 'T3' arrives at 09:10:00, before it left the stop before at 09:20:00"]),
        ({"stop_times": BASE["stop_times"] + "T3,3,S4,09:30:00,09:29:00\n"},
         [":12: departure_time 09:29:00 is before arrival_time 09:30:00"]),
        ({"stop_times": BASE["stop_times"] + "T3,3,S4,,\n"}, ["stop_times.txt:12: the trip 'T3' has no time at its last stop"]),
        ({"stop_times": BASE["stop_times"] + "T3,0,S4,,\n"}, ["stop_times.txt:12: the trip 'T3' has no time at its first stop"]),
        ({"stop_times": BASE["stop_times"] + "T3,x,S4,09:30:00,09:30:00\n"},
         [":12: stop_sequence is 'x'; it must be a whole number from 0"]),
        ({"stop_times": BASE["stop_times"] + "T3,-3,S4,09:30:00,09:30:00\n"}, ["stop_sequence is '-3'"]),
        ({"stop_times": BASE["stop_times"] + "T3,9999999999,S4,09:30:00,09:30:00\n"}, ["stop_sequence is '9999999999'"]),
        ({"stop_times": BASE["stop_times"] + "T3,,S4,09:30:00,09:30:00\n"},
         ["stop_times.txt:12: stop_sequence is empty; it must be given"]),
        ({"stop_times": BASE["stop_times"] + "T3,2,S4,09:30:00,09:30:00\n"},
         ["stop_times.txt:12: trip_id 'T3' and stop_sequence '2' are there already, in line 9"]),
        ({"stops": BASE["stops"] + "S1,again,43,77\n"}, ["stops.txt:6: stop_id 'S1' is there already, in line 2"]),
        ({"stops": BASE["stops"] + "S1,again,x,77\n"}, ["stops.txt:6: stop_id 'S1' is there already", "stops.txt:6: stop_lat is 'x'"]),
        ({"stops": BASE["stops"] + ",nameless,43,77\n"}, ["stops.txt:6: stop_id is empty; it must be given"]),
        ({"trips": BASE["trips"] + "T1,R1,work,0\n"}, ["trips.txt:6: trip_id 'T1' is there already, in line 2"]),
        ({"routes": BASE["routes"] + "R1,A,1,,3\n"}, ["routes.txt:4: route_id 'R1' is there already"]),
        ({"calendar": BASE["calendar"] + "work,1,1,1,1,1,0,0,20260101,20261231\n"}, ["calendar.txt:4: service_id 'work' is there already"]),
        ({"calendar": BASE["calendar"] + "x,1,1,1,1,1,0,2,20260230,20251231\n"}, [":4: sunday is '2'", ":4: start_date is '20260230'"]),
        ({"calendar": BASE["calendar"] + "x,1,1,1,1,1,0,0,20260101,20251231\n"}, ["calendar.txt:4: end_date is before start_date"]),
        ({"calendar_dates": BASE["calendar_dates"] + "work,20260511,1\n"},
         ["calendar_dates.txt:4: service_id 'work' and date '20260511' are there already, in line 2"]),
        ({"calendar_dates": BASE["calendar_dates"] + "work,20260512,3\n"},
         ["calendar_dates.txt:4: exception_type is '3'; it must be", "1 … 2"]),
        ({"stops": BASE["stops"] + "S5,north,91,77\n"}, ["stops.txt:6: stop_lat is '91'; it must be a number within -90 … 90"]),
        ({"stops": BASE["stops"] + "S5,nan,nan,1_0\n"}, ["stop_lat is 'nan'", "stop_lon is '1_0'"]),
        ({"stops": BASE["stops"] + "S5,none,,77\n"}, ["stops.txt:6: the stop 'S5' has no coordinates"]),
        ({"stops": BASE["stops"] + "S5,zero,0,0.0\n"}, ["stops.txt:6: the stop 'S5' lies at 0, 0"]),
        ({"stops": BASE["stops"].replace("stop_lat", "stop_latt")},
         ["stops.txt:1: the column stop_lat is missing; did you mean 'stop_latt'?"]),
        ({"routes": BASE["routes"].replace("route_type", "type")},
         ["routes.txt:1: the column route_type is missing"]),
        ({"routes": BASE["routes"].replace("agency_id", "route_id")}, ["routes.txt:1: the column route_id is there more than once"]),
        ({"routes": ""}, ["routes.txt: is empty; its first line must name the columns"]),
        ({"routes": "route_id,route_type\n"}, ["routes.txt: has no rows"]),
        ({"trips": BASE["trips"] + "T9,R1\n"}, ["trips.txt:6: the row has 2 cells, the heading has 4"]),
        ({"trips": BASE["trips"] + '"T9,R1,work,0\n'}, ["trips.txt:6: is no table of comma-separated values"]),
        ({"agency": BASE["agency"] + "A,B,c,d\n"}, ["agency.txt:3: agency_id 'A' is there already"]),
        ({"agency": "agency_name,agency_timezone\na,b\nc,d\n"}, ["agency.txt:1: the column agency_id is missing; with 2 agencies"]),
        ({"frequencies": FREQUENT + "T1,06:00:00,07:00:00,0\nT7,06:00:00,07:00:00,60\n"},
         ["frequencies.txt:2: headway_secs is '0'; it must be a whole number from 1", "frequencies.txt:3: trip_id is 'T7'"]),
        ({"frequencies": FREQUENT + "T1,06:00:00,06:00:00,60\n"},
         [":2: end_time 06:00:00 is not after start_time"]),
        ({"frequencies": FREQUENT + "T1,06:30:00,08:00:00,60\nT1,06:00:00,07:00:00,60\n"},
         ["frequencies.txt:2: the period from 06:30:00 overlaps"]),
    ],
)  # fmt: skip
def test_each_fault_is_told_with_file_and_line(tmp_path, files, told):
    lines = problems(folder(tmp_path, **files))
    for words in told:
        assert any(words in line for line in lines), lines


def test_all_that_is_wrong_is_told_at_once_and_nothing_that_only_follows_from_it(tmp_path):
    lines = problems(folder(
        tmp_path, stops=BASE["stops"].replace("43.6,", "93.6,"), trips=BASE["trips"].replace("N1,R2", "N1,R7"),
        stop_times=BASE["stop_times"].replace("07:05:00,07:06:00", "soon,later"), calendar="service_id\nwork\n",
    ))  # fmt: skip
    assert [line.split(":")[0] for line in lines] == ["calendar.txt"] * 9 + ["stops.txt", "trips.txt", "stop_times.txt", "stop_times.txt"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"stops": BASE["stops"].replace("Golden", "Golden,Gate")}, ["stops.txt:4: the row has 5 cells, the heading has 4"]),
        ({"stops": BASE["stops"].replace("stop_id", "id")}, ["stops.txt:1: the column stop_id is missing"]),
        ({"calendar": BASE["calendar"].replace("friday", "Friday"), "calendar_dates": None},
         ["calendar.txt:1: the column friday is missing; did you mean 'Friday'?"]),
        ({"calendar": BASE["calendar"].replace("work,1", "work"), "calendar_dates": "service_id,date,exception_type\n"},
         ["calendar.txt:2: the row has 9 cells, the heading has 10"]),
        ({"routes": None, "shapes": "x\n"}, [": routes.txt is missing"]),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_read_are_not_missed_elsewhere(tmp_path, files, told):
    assert problems(folder(tmp_path, **files)) == told


def test_a_file_that_is_missing_is_told_once(tmp_path):
    place = folder(tmp_path, stops=None, calendar=None, calendar_dates=None, agency=None)
    (place / "Stopps.txt").write_text(BASE["stops"], encoding="utf-8")
    assert problems(place) == [
        ": agency.txt is missing",
        ": stops.txt is missing; did you mean 'Stopps.txt'?",
        ": calendar.txt and calendar_dates.txt are both missing; one of them must say when services run",
    ]


def test_of_many_faults_alike_the_first_are_told_and_the_rest_counted(tmp_path):
    lines = problems(folder(tmp_path, stops="stop_id,stop_lat,stop_lon\n" + "".join(f"S{k},x,77\n" for k in range(1, 31))))
    told = [line for line in lines if "stop_lat is 'x'" in line]
    assert len(told) == 11
    assert "(and 19 more like it)" in told[-1]


def test_lines_are_those_of_the_file_behind_cells_of_several_lines_and_far_down(tmp_path):
    stops = "stop_id,stop_name,stop_lat,stop_lon\r\n"
    stops += "S1,\"two\r\nlines, \n\rfour\",43.6,77.1\r\n\r\nS2,x,43.6,77.1,\r\nS3,,x,77.1\r\nS4,,43,77\r\n"
    trips = BASE["trips"] + "".join(f"X{k},R1,work,0\n" for k in range(2000)) + "Y,R1,gone,0\n"
    lines = problems(folder(tmp_path, stops=stops, trips=trips))
    assert [line.partition(";")[0] for line in lines] == [
        "stops.txt:8: stop_lat is 'x'", "trips.txt:2006: service_id is 'gone', which calendar.txt and calendar_dates.txt do not have",
    ]  # fmt: skip


def test_a_feed_of_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    assert len(problems(tmp_path / "empty")) == 6
    assert len(problems(zipped(tmp_path, {}))) == 6


@pytest.mark.parametrize("content", [b"", b"stop_id\nS1\n", b"PK\x03\x04 cut off"])
def test_what_is_no_zip(tmp_path, content):
    (tmp_path / "feed.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"feed\.zip: is neither a zip nor a folder"):
        read_gtfs(tmp_path / "feed.zip")


def test_a_feed_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"gone\.zip: cannot be read"):
        read_gtfs(tmp_path / "gone.zip")


def test_a_damaged_entry_and_text_that_is_no_utf8(tmp_path):
    path = zipped(tmp_path, {f"{name}.txt": text.encode() for name, text in BASE.items()})
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"R1,A,1,", b"R1,A,2,", 1))
    assert any(line.startswith("routes.txt: cannot be unpacked") for line in problems(path))
    place = folder(tmp_path)
    (place / "stops.txt").write_bytes(BASE["stops"].encode("cp1251", errors="replace"))
    assert any(line.startswith("stops.txt: is not UTF-8 text") for line in problems(place))


# --- forms of a feed


def test_zip_folder_mark_and_line_ends_make_no_difference(tmp_path):
    plain = read_gtfs(folder(tmp_path))
    entries = {f"{name}.txt": b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() for name, text in BASE.items()}
    assert read_gtfs(zipped(tmp_path, entries)) == plain


def test_blanks_around_cells_blank_lines_and_commas_at_the_end(tmp_path):
    plain = read_gtfs(folder(tmp_path))
    routes = "route_id, agency_id ,route_short_name,route_long_name,route_type,\n"
    routes += "\n R1 ,A,1,Жетіген – Golden , 3,\n   \nR2,A, ,Night line,3,\n"
    (tmp_path / "feed" / "routes.txt").write_text(routes, encoding="utf-8")
    assert read_gtfs(tmp_path / "feed") == plain


def test_entries_that_point_elsewhere_are_ignored(tmp_path):
    entries = {f"{name}.txt": text.encode() for name, text in BASE.items()}
    feed = read_gtfs(zipped(tmp_path, {"../evil.txt": b"x", "/etc/stops.txt": b"x", "a/../../stops.txt": b"x", **entries}))
    assert feed == read_gtfs(folder(tmp_path))
    assert any("../evil.txt" in note and "ignored" in note for note in feed.notes)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["feed", "feed.zip"]


def test_only_entries_that_point_elsewhere_are_no_feed(tmp_path):
    path = zipped(tmp_path, {f"../{name}.txt": text.encode() for name, text in BASE.items()})
    assert any("stops.txt is missing" in line for line in problems(path))


def test_a_feed_inside_a_folder_of_the_zip_is_found_and_said(tmp_path):
    feed = read_gtfs(zipped(tmp_path, {f"almaty/{name}.txt": text.encode() for name, text in BASE.items()}))
    assert feed == read_gtfs(folder(tmp_path))
    assert any("folder almaty" in note for note in feed.notes)


def test_a_sole_agency_needs_no_id_and_stations_are_linked(tmp_path):
    stops = "stop_id,stop_lat,stop_lon,location_type,parent_station\nP,43.6,77.1,,H\nH,43.6,77.1,1,\nG,,,3,H\n"
    feed = read_gtfs(folder(
        tmp_path, agency="agency_name,agency_url,agency_timezone\na,b,Asia/Almaty\n", routes="route_id,route_type\nR1,3\nR2,704\n",
        stops=stops, stop_times=BASE["stop_times"].replace("S1", "P").replace("S2", "P").replace("S3", "P"),
    ))  # fmt: skip
    assert feed.stops["parent"].tolist() == [1, -1, 1]
    assert feed.routes["agency"].tolist() == [-1, -1]
    report = gtfs_report(feed, MONDAY)
    assert (report.stops, report.stops_served) == (1, 1)
    assert report.lines[-1].type == "bus"


def test_a_feed_cannot_be_changed(tmp_path):
    feed = read_gtfs(folder(tmp_path))
    with pytest.raises(ValueError, match="read-only"):
        feed.stop_times["arrival_s"][0] = 0
    with pytest.raises(ValueError, match="read-only"):
        feed.stops["lat"][0] = 0


# --- round trip


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8).map(str.strip)
IDS = st.lists(WORDS.filter(bool), min_size=1, max_size=4, unique=True)


@st.composite
def feeds(draw):
    """The files of a small feed: any text, sparse calendars, some rows without times, distances, frequencies."""
    pick, number = lambda ids: draw(st.sampled_from(ids)), lambda low, high: draw(st.integers(low, high))
    stops, routes, services, trips = draw(IDS), draw(IDS), draw(IDS), draw(IDS)
    place = st.floats(-80, 80).filter(lambda value: value != 0)
    files = {
        "agency": [["agency_name", "agency_timezone"], [draw(WORDS.filter(bool)), "Asia/Almaty"]],
        "stops": [["stop_id", "stop_name", "stop_lat", "stop_lon"], *([id_, draw(WORDS), draw(place), draw(place)] for id_ in stops)],
        "routes": [["route_id", "route_short_name", "route_type"], *([id_, draw(WORDS), number(0, 7)] for id_ in routes)],
        "calendar_dates": [["service_id", "date", "exception_type"],
                           *([id_, f"202605{number(1, 31):02d}", number(1, 2)] for id_ in services)],
        "trips": [["trip_id", "route_id", "service_id", "direction_id"],
                  *([id_, pick(routes), pick(services), pick(["", 0, 1])] for id_ in trips)],
        "stop_times": [["trip_id", "stop_sequence", "stop_id", "arrival_time", "departure_time", "shape_dist_traveled"]],
    }  # fmt: skip
    if draw(st.booleans()):
        days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
        mine = services[: number(1, len(services))][::-1]
        rows = ([id_, *(number(0, 1) for _ in days), "20260101", f"2026{number(1, 12):02d}28"] for id_ in mine)
        files["calendar"] = [["service_id", *days, "start_date", "end_date"], *rows]
    calls = []
    for id_ in trips:
        count, at = number(0, 4), number(0, 90_000)
        for k in range(count):
            arrival, at = at + number(0, 900), at + 900 + number(0, 60)
            between = 0 < k < count - 1 and draw(st.booleans())
            given_times = ["", ""] if between else [clock(arrival), clock(at)]
            calls.append([id_, 3 * k, pick(stops), *given_times, pick(["", 0.1 * k, 7])])
    files["stop_times"] += draw(st.permutations(calls or [[trips[0], 0, stops[0], "08:00:00", "08:00:00", ""]]))
    if draw(st.booleans()):
        head = ["trip_id", "start_time", "end_time", "headway_secs"]
        files["frequencies"] = [head, [pick(trips), "06:00:00", "09:00:00", number(60, 9000)]]
    return files


def written(rows: list[list]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


@given(feeds())
def test_what_is_written_is_what_was_read(tmp_path_factory, files):
    place = tmp_path_factory.mktemp("trip")
    feed = read_gtfs(zipped(place, {f"{name}.txt": written(rows) for name, rows in files.items()}))
    write_gtfs(feed, place / "a.zip")
    again = read_gtfs(place / "a.zip")
    for name in FILES:
        assert again.table(name) == feed.table(name), name
    assert again == feed
    write_gtfs(again, place / "b.zip")
    assert (place / "a.zip").read_bytes() == (place / "b.zip").read_bytes()
    for date in (MONDAY, SATURDAY):
        assert gtfs_report(again, date).lines == gtfs_report(feed, date).lines


@given(feeds())
def test_trips_of_any_day_against_counting_one_by_one(tmp_path_factory, files):
    feed = read_gtfs(zipped(tmp_path_factory.mktemp("day"), {f"{name}.txt": written(rows) for name, rows in files.items()}))
    calls: dict[str, list[tuple[int, int]]] = {}
    for trip, arrival, departure in zip(*(feed.stop_times[name].tolist() for name in ("trip", "arrival_s", "departure_s")), strict=True):
        calls.setdefault(feed.trips["id"][trip], []).append((arrival, departure))
    for rows in calls.values():
        moments = [moment for row in rows for moment in row]
        assert moments == sorted(moments)
    periods = files.get("frequencies", [[]])[1:]
    date = dt.date(2026, 5, 5)
    for _ in range(7):
        running = {row[0] for row in files.get("calendar", [[]])[1:] if row[1 + date.weekday()] and row[8] <= f"{date:%Y%m%d}" <= row[9]}
        for service, day, kind in files["calendar_dates"][1:]:
            if day == f"{date:%Y%m%d}":
                running = running | {service} if kind == 1 else running - {service}
        assert feed.services_on(date) == running
        expected = []
        for id_, _route, service, _direction in files["trips"][1:]:
            rows = calls.get(id_, [])
            if service in running and len(rows) > 1:
                starts = [start for trip, *_, headway in periods if trip == id_ for start in range(6 * 3600, 9 * 3600, headway)]
                starts = starts or [rows[0][1]]  # a trip without frequencies runs by its own times
                expected += [(start, start - rows[0][1] + rows[-1][0], id_) for start in starts]
        day = feed.trips_on(date)
        found = [(start, end, feed.trips["id"][trip]) for start, end, trip in zip(day.start_s, day.end_s, day.trip, strict=True)]
        assert sorted(found) == sorted(expected)
        assert day.start_s.tolist() == sorted(day.start_s.tolist())
        assert day.departure_s[day.first[:-1]].tolist() == day.start_s.tolist()
        date += dt.timedelta(days=3)


def test_equal_means_every_cell(tmp_path):
    feed = read_gtfs(folder(tmp_path))
    (tmp_path / "other").mkdir()
    assert read_gtfs(folder(tmp_path / "other", stops=BASE["stops"].replace("43.63", "43.64"))) != feed


def test_writing_takes_a_zip_and_overwrites_only_when_forced(tmp_path):
    feed = read_gtfs(folder(tmp_path))
    with pytest.raises(InputError, match="ends with .zip"):
        write_gtfs(feed, tmp_path / "out")
    write_gtfs(feed, tmp_path / "out.zip")
    with pytest.raises(InputError, match="is there already"):
        write_gtfs(feed, tmp_path / "out.zip")
    write_gtfs(feed, tmp_path / "out.zip", force=True)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist() == [f"{name}.txt" for name in FILES if name != "frequencies"]


# --- the command


def test_command_prints_and_writes(tmp_path, capsys):
    path, out = folder(tmp_path), tmp_path / "out.zip"
    assert run_command(["gtfs", str(path), "--date", "2026-05-04", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "2026-05-04 (Monday)" in shown
    assert read_gtfs(out) == read_gtfs(path)


@pytest.mark.parametrize(("date", "files"), [("2026-05-34", {}), ("2026-05-04", {"stops": None})])
def test_command_ends_with_2_when_the_input_is_wrong(tmp_path, capsys, date, files):
    assert run_command(["gtfs", str(folder(tmp_path, **files)), "--date", date]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert ("stops.txt is missing" if files else date) in shown.err
