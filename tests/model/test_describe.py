"""What `alatau follow` and `alatau rules` print."""

import pytest
from cities import ROOT, simulate, small

from alatau_sim.errors import InputError
from alatau_sim.study.describe import follow_report, rules_report

TRUST = ROOT / "docs" / "examples" / "trust.py"


def test_the_first_resident_is_followed_day_by_day():
    lines = list(follow_report(small(), "first", days=2))
    first = int(simulate(days=1).sim.tables["residents"].id[0])
    assert lines[0].startswith(f"resident {first} of household ")
    assert {line[:10] for line in lines[1:]} == {"2026-01-01", "2026-01-02"}
    assert lines == list(follow_report(small(), first, days=2)) == list(follow_report(small(), str(first), days=2))
    assert any("change_status" in line and "status" in line for line in lines)


@pytest.mark.parametrize("wanted", [5, -1, "nobody", "9" * 30, ""])
def test_a_resident_who_is_not_there_is_told_with_some_who_are(wanted):
    with pytest.raises(InputError, match=r"there is no resident .*; the first are \d+, .* \(`--resident first` takes the first\)"):
        list(follow_report(small(), wanted, days=1))


def test_rules_name_their_source_and_the_nearest_name():
    text = rules_report("build_trust", rule_files=(str(TRUST),))
    assert f"source  {TRUST.as_posix()}:" in text
    assert "rules.build_trust.pull = 0.1" in text
    assert "source  alatau_sim/domains/payments/rules.py:" in rules_report("change_wallet")
    with pytest.raises(InputError, match="did you mean 'build_trust'"):
        rules_report("bild_trust", rule_files=(str(TRUST),))
