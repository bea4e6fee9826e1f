import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alatau_sim.engine.ledger import Ledger
from alatau_sim.engine.tables import Tables
from alatau_sim.errors import RunError
from alatau_sim.fields import Column


def town():
    return Tables({
        "homes": {"rent": Column("rent", "int32")},
        "people": {"home": Column("home", "int32", index="homes"), "age": Column("age", "int16", default=7)},
    })  # fmt: skip


@given(st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 40), max_size=8, unique=True)), max_size=12))
def test_rows_keep_their_values_and_pointers_whatever_comes_and_goes(changes):
    tables = town()
    homes, people = tables["homes"], tables["people"]
    homes.insert(np.arange(41), {"rent": np.arange(41) * 10})
    lives, alive = {}, set(range(41))
    for adding, ids in changes:
        if adding:
            new = [i for i in ids if i not in lives and i in alive]
            people.insert(np.array(new, np.int64), {"home": homes.rows_of(np.array(new, np.int64)), "age": np.array(new, np.int16)})
            lives |= {i: i for i in new}
        else:
            homes.remove(homes.rows_of(np.array([i for i in ids if i in alive], np.int64)))
            alive -= set(ids)
            gone = [i for i in ids[::2] if i in lives]
            people.remove(people.rows_of(np.array(gone, np.int64)))
            for i in gone:
                del lives[i]
    assert sorted(people.id.tolist()) == sorted(lives)
    assert sorted(homes.id.tolist()) == sorted(alive)
    assert (homes["rent"] == homes.id * 10).all()
    for row in range(people.n):
        person, home = int(people.id[row]), int(people["home"][row])
        assert people["age"][row] == person
        assert (homes.id[home] == person) if person in alive else home == -1


def test_an_id_cannot_be_there_twice_and_a_wrong_column_is_named():
    people = town()["people"]
    people.insert(np.array([1, 2]))
    assert people["age"].tolist() == [7, 7]
    assert people["home"].tolist() == [-1, -1]
    with pytest.raises(RunError, match="twice"):
        people.insert(np.array([2]))
    with pytest.raises(RunError, match="twice"):
        people.insert(np.array([5, 5]))
    with pytest.raises(RunError, match="did you mean 'age'"):
        people["agee"]


def test_the_ledger_names_the_account_and_entry_that_break():
    tables = town()
    tables["homes"].insert(np.arange(3), {"rent": [5, 5, 5]})
    ledger = Ledger(tables)
    ledger.watch("tenge", "rents", "homes", "rent")
    tables["homes"]["rent"][0] += 2
    ledger.book("tenge", "bank", "rents", 2)
    ledger.check()
    assert sum(ledger.balances("tenge").values()) == 0
    tables["homes"]["rent"][1] += 1
    with pytest.raises(RunError, match=r"'rents' has 17 tenge, homes.rent hold 18 \(\+1\).*bank → rents: 2 tenge"):
        ledger.check()
    with pytest.raises(RunError, match="negative"):
        ledger.book("tenge", "a", "b", -1)
