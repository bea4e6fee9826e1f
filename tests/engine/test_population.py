"""Every public method of Mesa's AgentSet works by column or refuses with a clear error."""

import copy
import inspect
import pickle
from collections.abc import MutableSet, Sequence

import mesa
import numpy as np
import pytest
from mesa.agent import AgentSet
from toy import simulate

from alatau_sim.engine.population import ColumnAgentSet, Row

PEOPLE = np.arange(10, 60)


class Model(mesa.Model):
    """A Mesa model around a simulation."""

    def __init__(self):
        super().__init__(rng=1)
        self.sim = simulate(PEOPLE, days=3)


class Person(Row):
    """Somebody with a method of his own."""

    def birthday(self, years=1):
        self.age += years
        return self.age


@pytest.fixture
def people():
    model = Model()
    yield ColumnAgentSet(model, model.sim.tables["people"], Person)
    mesa.Agent._ids.pop(model, None)


REFUSED = {
    "add", "discard", "remove", "pop", "clear", "__ior__", "__iand__", "__isub__", "__ixor__", "__setstate__", "__getstate__", "__reduce__",
}  # fmt: skip


def test_every_method_of_an_agent_set_is_ours():
    inherited = {
        name for name, member in inspect.getmembers(AgentSet, callable)
        if getattr(ColumnAgentSet, name) is member and not name.startswith("__") and name not in ("_update", "_from_iterable", "_hash")
    }  # fmt: skip
    assert inherited == set()
    operators = {n for base in (MutableSet, Sequence) for n in dir(base) if n.startswith("__") and n not in dir(object)}
    ours = {n for n in operators if n in vars(ColumnAgentSet)}
    # what is left of the set protocol rests on methods that are ours (iteration, length)
    assert operators - ours <= {"__abstractmethods__", "__class_getitem__", "__reversed__", "__slots__"}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_be_done_refuses_clearly(people, name):
    arguments = [people] if name.startswith("__i") or name in ("add", "discard", "remove", "__setstate__") else []
    with pytest.raises(TypeError, match="rows are added and removed by the model|a view of a running model"):
        getattr(people, name)(*arguments)


def test_rows_are_views(people):
    person = people[3]
    assert isinstance(person, Person)
    assert person.unique_id == PEOPLE[3]
    assert person.age == people.table["age"][3]
    person.trust = 0.25
    assert people.table["trust"][3] == 0.25
    with pytest.raises(AttributeError, match="did you mean 'age'"):
        person.agee = 3
    with pytest.raises(AttributeError, match="people has no column 'agee'"):
        _ = person.agee
    people.table.remove(np.array([0]))
    assert person.row == 3
    last = people[0]
    assert last.unique_id == PEOPLE[-1]  # the last row has filled the hole
    people.table.remove(np.array([0]))
    with pytest.raises(LookupError, match="has no row with id"):
        _ = last.age
    assert {person, people[3]} == {person}
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(person)
    with pytest.raises(TypeError, match="added and removed by the model"):
        person.remove()


def test_verbs_work_by_column(people):
    ages = people.get("age")
    assert isinstance(ages, np.ndarray)
    assert people.agg("age", np.max) == ages.max()
    assert people.agg("age", [min, max]) == [ages.min(), ages.max()]
    assert people.get(["age", "state"])[2] == [ages[2], people.table["state"][2]]
    assert people.get("nothing", handle_missing="default", default_value=4).tolist() == [4] * 50
    with pytest.raises(AttributeError):
        people.get("nothing")
    old = people.select(lambda person: person.age > 40)
    assert len(old) == (ages > 40).sum() == len(people.select(ages > 40))
    assert len(people.select(at_most=7)) == 7
    assert len(people.select(at_most=0.5)) == 25
    assert len(people.select(agent_type=Person)) == 50
    assert len(people.select(agent_type=mesa.Agent)) == 0
    assert people.sort("age", ascending=True).get("age").tolist() == sorted(ages.tolist())
    assert people.sort(lambda person: -person.age).get("age").tolist() == sorted(ages.tolist())
    assert people.map("birthday", years=2) == (ages + 2).tolist()
    assert people.map(lambda person, more: person.age + more, 1) == (ages + 3).tolist()
    assert people.do("birthday") is people
    people.shuffle_do("birthday")
    assert people.get("age").tolist() == (ages + 4).tolist()
    assert sorted(people.shuffle().ids) == sorted(PEOPLE)
    assert people.shuffle().ids.tolist() != PEOPLE.tolist()
    people.select(lambda person: person.unique_id < 15).set("trust", 1.0)
    assert (people.get("trust") == 1.0).sum() >= 5
    assert people.index(people[7]) == 7
    assert people.count(people[7]) == 1
    assert people[2:4] == [people[2], people[3]]
    assert [person.unique_id for person in people] == PEOPLE.tolist()
    assert people[0] in people
    assert "x" not in people


def test_groups_meet_mesas_own(people):
    groups = people.groupby("place")
    assert sum(groups.count().values()) == 50
    assert groups.agg("age", max) == {key: int(people.get("age")[people.get("place") == key].max()) for key in groups.groups}
    assert {type(group) for group in people.groupby(lambda person: person.age // 10, result_type="list").groups.values()} == {list}


def test_set_operators_and_comparison(people):
    young, old = people.select(people.get("age") < 30), people.select(people.get("age") >= 25)
    assert len(young | old) == 50
    assert sorted((young & old).ids) == sorted(set(young.ids) & set(old.ids))
    assert sorted((young - old).ids) == sorted(set(young.ids) - set(old.ids))
    assert sorted((young ^ old).ids) == sorted(set(young.ids) ^ set(old.ids))
    assert young.isdisjoint(people - young)
    assert young <= people
    assert young < people
    assert people >= old
    assert people > old
    assert (young | old) == people
    assert young != old
    with pytest.raises(TypeError):
        _ = young | {1, 2}


def test_copies_and_pickles(people):
    half = people.select(at_most=0.5)
    again = copy.copy(half)
    assert again == half
    assert again is not half
    for act in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="a view of a running model"):
            act(half)


def test_a_subset_follows_its_rows_and_drops_those_that_are_gone(people):
    some = people.select(np.isin(people.ids, [12, 20, 59]))
    people.table.remove(people.table.rows_of(np.array([10, 20])))
    assert some.ids.tolist() == [12, 59]
    assert len(people) == 48


def test_mesas_data_collector_reads_the_columns():
    model = Model()
    people = ColumnAgentSet(model, model.sim.tables["people"], Person)
    collector = mesa.DataCollector(model_reporters={"adopters": lambda m: int(people.agg("state", np.sum))})
    collector.collect(model)
    assert collector.get_model_vars_dataframe()["adopters"].iloc[0] == model.sim.tables["people"]["state"].sum()
    mesa.Agent._ids.pop(model, None)
