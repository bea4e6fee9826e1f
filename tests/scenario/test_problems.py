"""What is wrong in a scenario file is told with file, line, value, what is allowed, and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_scenarios import BODY, load, write

from alatau_sim.errors import InputError

WRONG = [
    ("policy.payments.signup_bonus_kzt: -5", "policy.payments.signup_bonus_kzt is -5; it must be within 0 … 50000 [tenge]"),
    ("policy.payments.signup_bonus_kzt: 5.5", "is 5.5; it must be a whole number within 0 … 50000 [tenge]"),
    ("policy.payments.signup_bonus_kzt: true", "is true; it must be a whole number"),
    ("policy.payments.signup_bonus_kzt: '5'", "is '5'; it must be a whole number within 0 … 50000 [tenge] (without quotes"),
    ("policy.payments.signup_bonus_kzt: 5 000", "is '5 000'; it must be a whole number"),
    ("policy.payments.fee_share: true", "is true; it must be a number within 0 … 1 [share]"),
    ("policy.payments.fee_share: .nan", "is nan; it must be a number"),
    ("policy.payments.fee_share: .inf", "is inf; it must be a number"),
    ("policy.payments.fee_share:", "policy.payments.fee_share is empty; it must be a number"),
    ("policy.payments.fee_share: [1]", "is a list; it must be a number"),
    ("policy.payments.crypto_legal_tender: yes", "is 'yes'; it must be true or false (in YAML 1.2 yes is text)"),
    ("policy.payments.crypto_legal_tender: 1", "is 1; it must be true or false"),
    ("policy.payments.rail: bnk", "is 'bnk'; it must be one of own, bank, state; did you mean 'bank'?"),
    ("policy.payments.mode: bald", "is 'bald'; it must be one of calm, bold; did you mean 'bold'?"),
    ("policy.payments.hours: day", "policy.payments.hours is 'day'; it must be a list"),
    ("policy.payments.hours: [1]", "policy.payments.hours.0 is 1; it must be text (put it in quotes)"),
    ("policy.payments.cap_kzt: 0", "is 0; it must be within 1 … 100 [tenge]"),
    ("policy.payments.signup_bonus: 5", "policy.payments.signup_bonus is not known; did you mean 'signup_bonus_kzt'?"),
    ("policy.payments.trust: 0.5", "policy.payments.trust is not known; did you mean 'world.payments.trust'?"),
    ("policy.payment: {}", "policy.payment is not known; did you mean 'payments'?"),
    ("policy: 3", "policy is 3; it must be a map"),
    ("policy.energy: {low_kzt: 30}", "policy.energy: the night price 30 must not be above the day price 20"),
    ("world.energy.growht: 1", "world.energy.growht is not known; did you mean 'growth'?"),
    ("rules.change_walet: {peer: 1}", "rules.change_walet is not known; did you mean 'change_wallet'?"),
    ("rules.change_wallet.pear: 1", "rules.change_wallet.pear is not known; did you mean 'peer'?"),
    ("rules.change_wallet.peer: 2", "rules.change_wallet.peer is 2; it must be within 0 … 1"),
    ("rules.age.speed: 2", "rules.age.speed is not known; this rule has no parameters"),
    ("polici: {}", "polici is not known; did you mean 'policy'?"),
    ("results.compression: zip", "results.compression is 'zip'; it must be one of none, zstd, lz4"),
    ("title: 5", "title is 5; it must be text"),
    ("name: a/b", "name is 'a/b'; it must be 1 to 80 of the characters"),
    ("name: con", "name is 'con'; it must be"),
    ("run.start: 2028-13-01", "run.start is '2028-13-01'; it must be a date such as 2026-01-31"),
    ("run.start: 2026-02-30", "run.start is '2026-02-30'; it must be a date"),
    ("run.start: 20260101", "run.start is 20260101; it must be a date"),
    ("run.start: 2024-03-01", "run.start is 2024-03-01; it must be after 2024-03-01"),
    ("run.start: 2028-01-01", "it must not be before run.start, 2028-01-01"),
    ("run.end: 2025-12-31", "run.end is 2025-12-31; it must not be before run.start, 2026-01-01"),
    ("run.sample: 0.3", "run.sample is 0.3; it must be 1, 1/2, 1/3 … 1/20"),
    ("run.sample: 0.04", "run.sample is 0.04; it must be within 0.05 … 1"),
    ("run.replicates: 0", "run.replicates is 0; it must be within 1"),
    ("run.kernels: fast", "run.kernels is 'fast'; it must be one of compiled, plain, objects, both"),
    ("city.residents: 0", "city.residents is 0; it must be within 1"),
    ("map.file: city/zone.geojson", "city/zone.geojson does not exist; did you mean 'zones.geojson'?"),
    ("map.file: city", "is a folder"),
    ("map.file: nowhere/zones.geojson", "does not exist (there is no folder"),
    ("map.columns: {zon: id}", "map.columns.zon is not known; did you mean 'zone'?"),
    ("map.columns: {zone: 5}", "map.columns.zone is 5"),
    ("map.land_use: {R.1: residental}", "map.land_use.R.1 is 'residental'; it must be one of residential"),
    ("rezone: {zones: [a]}", "rezone is a map; it must be a list"),
    ("rezone: [{zones: [a], use: mixed}]", "rezone.0.at is missing"),
    ("rezone: [{at: 2026-05-01, use: mixed}]", "rezone.0 must have either zones or a layer"),
    ("rezone: [{at: 2026-05-01, zones: [a]}]", "rezone.0 changes nothing; give one of use, floor_area_ratio"),
    ("rezone: [{at: 2026-05-01, zones: [], use: mixed}]", "rezone.0.zones is empty"),
    ("rezone: [{at: 2027-05-01, zones: [a], use: mixed}]", "it must be within the run, 2026-01-01 … 2026-12-31"),
    ("rezone: [{at: 2026-05-01, zones: [a], use: mixd}]", "rezone.0.use is 'mixd'; it must be one of residential, mixed"),
    ("rezone: [{at: 2026-05-01, zones: [a], coverage: 1.5}]", "rezone.0.coverage is 1.5; it must be within 0 … 1 [share]"),
    ("rezone: [{at: 2026-05-01, zones: [a], use: mixed, crs: 'EPSG:4326'}]", "rezone.0.crs does not go with zones"),
    ("rezone: [{at: 2026-05-01, zones: [a], use: mixed, layer_name: a}]", "rezone.0.layer_name does not go with zones"),
    ("rezone: [{at: 2026-05-01, layer: x.gpkg}]", "rezone.0.layer is 'x.gpkg'; the file"),
    ("rezone: [{at: 2026-05-01, layer: city/zones.geojson, coverage: 1}]", "rezone.0.coverage does not go with a layer"),
    ("rezone: [{at: 2026-05-01, layer: city/zones.geojson, land_use: {x: y}}]", "rezone.0.land_use.x is 'y'; it must be one of"),
    ("rezone: [{at: 2026-05-01, zones: [a], floor_area: 2}]", "rezone.0.floor_area is not known; did you mean 'floor_area_ratio'?"),
    ("events: [{set: {policy.payments.fee_share: 0.1}}]", "events.0.at is missing"),
    ("events: [{at: 2026-05-01}]", "events.0 must have one of set, outage, weather"),
    ("events: [{at: 2026-05-01, set: }]", "events.0.set is empty; it must be a map"),
    ("events: [{at: 2026-05-01T12:00, set: {policy.payments.fee_share: 0.1}}]", "it must be a day, because values change at midnight"),
    ("events: [{at: 2027-05-01, set: {policy.payments.fee_share: 0.1}}]", "it must be within the run"),
    ("events: [{at: 2026-05-01T25:00, outage: {system: power, where: a, hours: 1}}]", "it must be a date such as 2026-01-31 or a time"),
    ("events: [{at: 2026-05-01, set: {run.seed: 2}}]", "run.seed is not known; events set only policy, world and rules"),
    ("events: [{at: 2026-05-01, set: {policy.payments.fee_shar: 2}}]", "policy.payments.fee_shar is not known; did you mean 'fee_share'?"),
    ("events: [{at: 2026-05-01, set: {policy.payments.fee_share: 2}}]", "policy.payments.fee_share is 2; it must be within 0 … 1 [share]"),
    ("events: [{at: 2026-05-01, set: {policy.payments: 2}}]", "policy.payments is not known; name one of its keys: cap_kzt, "),
    ("events: [{at: 2026-05-01, set: {rules.age: 2}}]", "rules.age is not known"),
    ("events: [{at: 2026-05-01, set: {policy.payments.fee_share.x: 2}}]", "policy.payments.fee_share is a single value"),
    ("events: [{at: 2026-05-01, set: {policy.energy.low_kzt: 99}}]", "after this event: policy.energy: the night price 99"),
    ("events: [{at: 2026-05-01, outage: {system: pwer, where: a, hours: 1}}]", "is 'pwer'; it must be one of power; did you mean 'power'?"),
    ("events: [{at: 2026-05-01, outage: {system: power, where: a, hours: 0}}]", "hours is 0; it must be more than 0 [h]"),
    ("events: [{at: 2026-05-01, outage: {system: power, where: a, hours: -1}}]", "hours is -1; it must be within 0 … 8784 [h]"),
    ("events: [{at: 2026-05-01, outage: {system: power, hours: 1}}]", "events.0.outage.where is missing"),
    ("events: [3]", "events.0 is 3; it must be a map"),
    ("run..seed: 3", "the key 'run..seed' has an empty part"),
    ("? [a]\n: b", "a key must be a word"),
    ("title: !python/name:os.system x", "is not used in scenarios"),
    ("<<: {run.seed: 2}", "<< is not known"),
    ("extends: 5", "extends is 5; it must be the name of one file"),
    ("extends: city", "extends is 'city'; it must be the name of one file, not of a folder"),
    ("map.land_use: 3", "map.land_use is 3; it must be a map"),
    ("map.land_use: {a: [1]}", "map.land_use.a is a list; it must be text"),
    ("extends: bas.yaml", "does not exist; did you mean 'base.yaml'?"),
    ("use: [5]", "use.0 is 5; it must be the name of an override"),
    ("policy: {payments: {fee_share: 0.1, fee_share: 0.2}}", "policy.payments.fee_share is written twice (first on line 11)"),
    ("policy.payments: 3\npolicy: {payments: {fee_share: 0.1}}", "policy.payments is written twice (first on line 11)"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[text for text, _ in WRONG])
def test_each_problem_is_told_at_its_line(folder: Path, text: str, message: str) -> None:
    key = text.split(":")[0]
    body = "".join(line for line in BODY.splitlines(keepends=True) if not line.startswith("run:")) + "x: 1\n"
    body = body.replace("x: 1\n", "run: {start: 2026-01-01, end: 2026-12-31}\n")
    if key in ("run.start", "run.end"):
        body = body.replace(f"{key[4:]}: 2026-{'01-01' if key == 'run.start' else '12-31'}", "")
        body = body.replace("{, ", "{").replace(", }", "}")
    for line in ("map: {file: city/zones.geojson}\n", "  residents: 1000\n"):
        if key in ("map.file", "city.residents") and key.split(".")[1] in line:
            body = body.replace(line, "# left out\n")
    with pytest.raises(InputError) as error:
        load(write(folder, text + "\n", body=body))
    told = str(error.value).splitlines()
    assert any(message in line for line in told), told
    if key != "run.start" and "\n" not in text:
        assert all(line.startswith((folder / "base.yaml").as_posix() + ":11: ") for line in told if message in line), told
    assert "Traceback" not in str(error.value)


def test_all_problems_are_told_at_once_in_the_order_of_the_file(folder: Path) -> None:
    write(folder, "policy.payments.fee_share: 7\nbogus: 1\n")
    child = write(folder, "run.seed: a\nevents: [{at: 2030-01-01}]\n", "child.yaml", "format: 1\nextends: base.yaml\n")
    with pytest.raises(InputError) as error:
        load(child, sets=("run.replicates=x",))
    places = [line.split(": ")[0] for line in str(error.value).splitlines()]
    base, top = (folder / "base.yaml").as_posix(), child.as_posix()
    assert places == ["--set", f"{top}:3", f"{top}:4", f"{top}:4", f"{base}:11", f"{base}:12"]


def test_missing_keys_are_named_with_their_meaning(folder: Path) -> None:
    with pytest.raises(InputError) as error:
        load(write(folder, "city: {residents: 5}\n", body="format: 1\n"))
    told = str(error.value)
    assert "map.file is missing: map of the zones" in told
    assert f"{(folder / 'base.yaml').as_posix()}:2: city.margins is missing" in told


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "base.yaml: the file is empty; a scenario begins with 'format: 1'"),
        (b"# only a comment\n", "base.yaml: the file is empty"),
        (b"format: 1\nrun: [1\nmap: 2\n", "base.yaml:3: this is not valid YAML"),
        (b"format: 1\n\trun: 2\n", "base.yaml:2: this is not valid YAML: "),
        (b"format: 1\ntitle: \xff\n", "base.yaml:2: the text is not UTF-8 (byte 0xff)"),
        (b"format: 1\ntitle: \x01\n", "base.yaml:2: the character 0x0001 is not allowed in YAML"),
        (b"format: 1\n---\nformat: 1\n", "base.yaml:2: this is not valid YAML"),
        (b"- format: 1\n", "base.yaml:1: a scenario is a map of keys, such as 'format: 1', and not a list"),
        (b"format", "base.yaml:1: a scenario is a map of keys"),
        (b"a: &a [*a]\n", "base.yaml:1: the aliases (*name) of this file have no end"),
        (b"a: " + b"[" * 5000, "base.yaml: the maps and lists are nested too deeply"),
        (b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
            b"%c: &%c [%s]\n" % (98 + i, 98 + i, b", ".join([b"*%c" % (97 + i)] * 10)) for i in range(9)), "have no end"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_one_message(folder: Path, data: bytes, message: str) -> None:
    (folder / "base.yaml").write_bytes(data)
    with pytest.raises(InputError) as error:
        load(folder / "base.yaml")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder(folder: Path) -> None:
    write(folder)
    with pytest.raises(InputError, match=r"bse\.yaml: there is no such file; did you mean 'base\.yaml'\?"):
        load(folder / "bse.yaml")
    with pytest.raises(InputError, match="this is a folder, not a scenario file"):
        load(folder)


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("format: 2\n", ":1: format is 2; this version reads format 1"),
        ("format: true\n", ":1: format is true"),
        ("title: x\n", "format is missing"),
    ],
)
def test_format(folder: Path, first: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        load(write(folder, body=BODY.replace("format: 1\n", first)))
    assert message in str(error.value)


def test_a_byte_order_mark_and_kazakh_letters_are_fine(folder: Path) -> None:
    path = folder / "base.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + (BODY + "title: Қаланың болашағы\n").encode())
    assert load(path).title == "Қаланың болашағы"


def test_a_file_whose_name_is_no_scenario_name_needs_one(folder: Path) -> None:
    with pytest.raises(InputError, match="there is no name, and the file's, 'Қала', will not do"):
        load(write(folder, name="Қала.yaml"))
    assert load(write(folder, "name: qala\n", name="Қала.yaml")).name == "qala"
