"""Compiled = plain = objects, bit for bit; threads and row order do not matter; what is not allowed is refused with the reason."""

import math

import numba as nb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import TOY, assert_same, columns, simulate

from alatau_sim.engine import kernel
from alatau_sim.engine.domain import Domain
from alatau_sim.engine.plan import build_plan, compose_schema
from alatau_sim.engine.rule import choice, rule, settlement, tally
from alatau_sim.engine.source import MATH
from alatau_sim.errors import InputError, RunError
from alatau_sim.fields import Column, param

PEOPLE = np.arange(10, 410)


@pytest.mark.parametrize("mode", ["plain", "objects", "both"])
def test_every_mode_gives_the_same_columns_and_grids(mode):
    one, other = simulate(PEOPLE), simulate(PEOPLE, kernels=mode)
    assert columns(one)["state"].sum() > 0
    for table in ("people", "places"):
        assert_same(columns(one, table), columns(other, table))
    for name in one.grids:
        np.testing.assert_array_equal(one.grids[name], other.grids[name])
    other.close()


def test_threads_do_not_matter():
    people = np.arange(10, 70_010)  # more than two blocks
    one, two = simulate(people, days=15), simulate(people, days=15, threads=2)
    assert_same(columns(one), columns(two))
    np.testing.assert_array_equal(one.grids["there"], two.grids["there"])
    two.close()


def test_row_order_does_not_matter():
    backwards = PEOPLE[::-1].copy()
    assert_same(columns(simulate(PEOPLE)), columns(simulate(backwards)))


@pytest.mark.parametrize("name", sorted(MATH))
@given(x=st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_allowed_functions_agree_between_python_and_numba(name, x):
    fn = getattr(math, name)
    try:
        expected = fn(x)
    except (ValueError, OverflowError):
        return
    if abs(expected) >= 2**63 and name in ("floor", "ceil"):
        return  # no int64 holds it; the store's range check refuses it
    assert _compiled(name)(x) == expected


_jitted = {}


def _compiled(name):
    if name not in _jitted:
        scope = {}
        exec(f"import math\ndef f(x): return math.{name}(x)", scope)
        _jitted[name] = nb.njit(scope["f"])
    return _jitted[name]


def _power(age):
    return age**2


def _hypot(age):
    return math.hypot(age, 1.0)


def _text(age):
    return len("age")


def _undefined(age):
    return nowhere(age)  # noqa: F821


def _listed(age):
    return [age][0]


@pytest.mark.parametrize(
    ("fn", "says"),
    [(_power, r"'\*\*' differs"), (_hypot, "math.hypot"), (_text, "'len' is not defined"), (_undefined, "'nowhere' is not defined"),
     (_listed, "List is outside")],
)  # fmt: skip
def test_what_does_not_compile_alike_is_refused_with_line_and_reason(fn, says):
    with pytest.raises(InputError, match=rf"test_kernels.py:\d+: rule '{fn.__name__}': .*{says}"):
        plan_of(rule(of="people", writes="age", every="1 day")(fn))


def plan_of(*rules, **more):
    domain = Domain(
        "d",
        columns={
            "people": (Column("age", "int16", within=(0, 120)), Column("home", "int32", index="homes"), Column("home_rent", "int32"),
                       Column("friend", "int32", index="people")),
            "homes": (Column("rent", "float64"), Column("rent_kzt", "float64"), Column("size", "int32")),
        },
        rules=rules, **more,
    )  # fmt: skip
    return build_plan([domain], compose_schema([domain]), "plain")


def test_a_wrong_name_is_told_with_the_nearest():
    def grow(agee):
        return agee

    with pytest.raises(InputError, match="rule 'grow' asks for 'agee'; people have no such column; did you mean 'age'"):
        plan_of(rule(of="people", writes="age", every="1 day")(grow))

    def pay(age, home_rentt_kzt):
        return age

    with pytest.raises(InputError, match="did you mean 'home_rent_kzt'"):
        plan_of(rule(of="people", writes="age", every="1 day")(pay))

    def cool(age, city_temp):
        return age

    with pytest.raises(InputError, match="'city_temp'; no domain sets it"):
        plan_of(rule(of="people", writes="age", every="1 day")(cool))


def test_the_own_column_wins_and_two_readings_are_an_error():
    def see(home_rent):
        return int(home_rent)

    (item,) = plan_of(rule(of="people", writes="age", every="1 day")(see))
    assert item.reads == ("people.home_rent",)
    domain = Domain(
        "d",
        columns={
            "people": (Column("age", "int16"), Column("home", "int32", index="homes"), Column("home_flat", "int32", index="homes")),
            "homes": (Column("flat_size", "int32"), Column("size", "int32")),
        },
        rules=(rule(of="people", writes="age", every="1 day")(_flat),),
    )
    with pytest.raises(InputError, match=r"homes.flat_size by home or homes.size by home_flat; rename one"):
        build_plan([domain], compose_schema([domain]), "plain")


def _flat(home_flat_size):
    return home_flat_size


def test_reading_what_one_writes_in_others_is_refused():
    def copy(age, friend_age):
        return friend_age

    with pytest.raises(InputError, match="the order of the rows would matter"):
        plan_of(rule(of="people", writes="age", every="1 day")(copy))


def test_two_writers_of_a_column_in_a_phase_are_named():
    def one(age):
        return age

    def two(age):
        return age

    with pytest.raises(InputError, match=r"people.age has two writers in phase 'decide': rule 'one' of d and rule 'two' of d"):
        plan_of(*(rule(of="people", writes="age", every="1 day")(fn) for fn in (one, two)))


def test_the_grammar_of_declarations_is_checked():
    with pytest.raises(InputError, match=r"must have param\(…\)"):
        rule(of="people", writes="age", every="1 day")(lambda age, *, rate=3: age)
    with pytest.raises(InputError, match="every='2 days'"):
        rule(of="people", writes="age", every="2 days")(lambda age: age)
    with pytest.raises(InputError, match="no default"):
        rule(of="people", writes="age", every="1 day")(lambda age=3: age)
    with pytest.raises(InputError, match="over='hous' is no table; did you mean 'homes'"):
        plan_of(choice(of="people", over="hous", writes="home", every="1 day")(_flat))
    with pytest.raises(InputError, match="into='gird' is no grid"):
        plan_of(tally(of="people", into="gird", cell=("home",))(_flat))


def test_what_a_column_cannot_hold_stops_the_run_and_says_who_saw_what():
    @rule(of="people", writes="age", every="1 day")
    def explode(age, *, top=param(1000, within=(0, 5000), meaning="")):
        return age + top

    domain = Domain("toy", policy=TOY.policy, columns=TOY.columns, rules=(explode,), fill=TOY.fill)
    for mode in ("compiled", "plain", "objects"):
        with pytest.raises(RunError, match=r"'explode' on 2026-01-20: people 10 got 1010 for age; age holds int16 within 0 … 120 .*age=10"):
            simulate(PEOPLE, days=1, domain=domain, kernels=mode)


def test_nan_stops_the_run():
    @rule(of="people", writes="trust", every="1 day")
    def spoil(trust, age):
        return math.inf - math.inf if age == 50 else trust

    domain = Domain("toy", policy=TOY.policy, columns=TOY.columns, rules=(spoil,), fill=TOY.fill)
    for mode in ("compiled", "plain"):
        with pytest.raises(RunError, match="people 50 got nan for trust"):
            simulate(PEOPLE, days=1, domain=domain, kernels=mode)


def test_a_float_for_a_whole_number_is_refused():
    @rule(of="people", writes="age", every="1 day")
    def half(age):
        return age * 0.5

    domain = Domain("toy", policy=TOY.policy, columns=TOY.columns, rules=(half,), fill=TOY.fill)
    with pytest.raises(InputError, match="'half' cannot be compiled.*whole numbers for integer columns"):
        simulate(PEOPLE, days=1, domain=domain)
    with pytest.raises(TypeError):
        simulate(PEOPLE, days=1, domain=domain, kernels="plain")


RULE = '''
from alatau_sim.engine.rule import rule
STEP = {step}
def helper(x):
    return x + STEP + {helper}
@rule(of="people", writes="age", every="1 day")
def grow(age):
    """{doc}"""
    return helper(age) + {own}
'''


def test_an_edited_rule_helper_or_constant_takes_effect_and_an_edited_docstring_compiles_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("ALATAU_CACHE", str(tmp_path / "cache"))
    results, modules = [], set()
    for n, (step, helper, own, doc) in enumerate([(1, 0, 0, "a"), (2, 0, 0, "a"), (2, 3, 0, "a"), (2, 3, 4, "a"), (2, 3, 4, "another")]):
        file = tmp_path / f"rules_{n}.py"
        file.write_text(RULE.format(step=step, helper=helper, own=own, doc=doc), encoding="utf-8")
        scope = {}
        exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), scope)
        domain = Domain("toy", policy=TOY.policy, columns=TOY.columns, rules=(scope["grow"],), fill=TOY.fill)
        results.append(int(simulate(np.array([20]), days=1, domain=domain).tables["people"]["age"][0]) - 20)
        modules = {path.name for path in kernel.cache_folder().glob("alatau_kernel_grow_*.py")}
    assert results == [2, 4, 10, 18, 18]  # a step closes one day and opens the next: the rule has run twice
    assert len(modules) == 4


def _two_digits(age):
    return int(round(age * 0.5, 2))


def log(x):
    """A helper with the name of a function that the engine's own text uses."""
    return x + 1


def test_where_python_raises_both_follow_ieee():
    """1 / (1 + exp(800)) is 0 in compiled code, and so it is in the plain loop."""

    @rule(of="people", writes="trust", every="1 day")
    def far(trust, age):
        return 1.0 / (1.0 + math.exp(age * 100.0))

    domain = Domain("toy", policy=TOY.policy, columns=TOY.columns, rules=(far,), fill=TOY.fill)
    one, other = (columns(simulate(PEOPLE, days=1, domain=domain, kernels=mode)) for mode in ("compiled", "plain"))
    assert_same(one, other)
    assert (one["trust"][one["age"] > 10] == 0).all()


def test_round_to_digits_is_refused():
    with pytest.raises(InputError, match="round with a number of digits"):
        plan_of(rule(of="people", writes="age", every="1 day")(_two_digits))


def test_a_helper_may_be_called_like_a_function_of_the_engine():
    @choice(of="people", over="places", writes="place", every="1 day")
    def move_up(age, alternative_quality):
        return log(alternative_quality)

    domain = Domain("toy", policy=TOY.policy, columns=TOY.columns, rules=(move_up,), fill=TOY.fill)
    one, other = (columns(simulate(PEOPLE, days=1, domain=domain, kernels=mode)) for mode in ("compiled", "plain"))
    assert_same(one, other)
    assert len(np.unique(one["place"])) > 3


def test_amounts_that_fit_no_cell_stop_the_run():
    @tally(of="people", into="there", cell=("place",))
    def too_many(age):
        return (1, 2, 3)

    domain = Domain("toy", policy=TOY.policy, columns=TOY.columns, grids=TOY.grids, rules=(too_many,), fill=TOY.fill)
    for mode in ("compiled", "plain"):
        with pytest.raises(RunError, match="'too_many' on 2026-01-20"):
            simulate(PEOPLE, days=1, domain=domain, kernels=mode)


def test_a_row_that_is_not_there_cannot_be_pointed_to():
    @rule(of="people", writes="place", every="1 day")
    def wander(place):
        return place + 1000

    domain = Domain("toy", policy=TOY.policy, columns=TOY.columns, rules=(wander,), fill=TOY.fill)
    for mode in ("compiled", "plain", "objects"):
        with pytest.raises(RunError, match="'wander' on 2026-01-20: people 10 got"):
            simulate(PEOPLE, days=1, domain=domain, kernels=mode)


def test_a_choice_may_not_read_what_it_writes_in_others():
    @choice(of="people", over="people", writes="friend", every="1 day")
    def copy_friend(age, alternative_friend):
        return 1.0 * alternative_friend

    with pytest.raises(InputError, match="which it writes in others"):
        plan_of(copy_friend)


def test_the_number_of_values_is_told_with_its_line():
    @rule(of="people", writes="age", every="1 day")
    def two(age):
        return age, 1

    with pytest.raises(InputError, match=r"test_kernels.py:\d+: rule 'two' returns 2 values for 1 \(age\)"):
        plan_of(two)


def test_division_by_zero_names_rule_and_row():
    @rule(of="people", writes="age", every="1 day")
    def divide(age):
        return age // abs(age - 20)

    domain = Domain("toy", policy=TOY.policy, columns=TOY.columns, rules=(divide,), fill=TOY.fill)
    for mode in ("compiled", "plain"):
        with pytest.raises(RunError, match="'divide' on 2026-01-20: division by zero for people 20"):
            simulate(PEOPLE, days=1, domain=domain, kernels=mode)


def test_names_are_declared_once():
    def same(age):
        return age

    twice = rule(of="people", writes="age", every="1 day")(same)
    with pytest.raises(InputError, match="two rules called 'same'"):
        plan_of(twice, twice)
    with pytest.raises(InputError, match="kernels is 'objekts'; it must be one of .*did you mean 'objects'"):
        simulate(PEOPLE, days=0, kernels="objekts")
    two = [Domain(name, city={"heat": "C"}) for name in ("a", "b")]
    with pytest.raises(InputError, match="city value 'heat' is declared by a and by b"):
        compose_schema(two)


def test_adders_of_a_column_may_be_several_a_writer_only_one():
    adders = [settlement(phase="account", writes=("+people.age",))(fn) for fn in (_settle_a, _settle_b)]
    plan_of(settlements=tuple(adders))
    writer = settlement(phase="account", writes=("people.age",))(_settle_c)
    with pytest.raises(InputError, match="people.age has two writers in phase 'account'"):
        plan_of(settlements=(*adders, writer))


def _settle_a(sim):
    pass


def _settle_b(sim):
    pass


def _settle_c(sim):
    pass
