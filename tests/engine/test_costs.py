"""What a gate declares its Taylor rule to cost is what the rule does, operation by operation."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from circuit import GATES, einsum, exp, real, record
from taylor import flops, rules
from taylor.lowering.gates import EXPONENTS

DEGREES = (1, 2, 5, 9, 12)

# gate, parameters, which inputs have coefficients -> the rule, the polynomials it reads, its numbers
CASES = {
    "add": ("add", {}, (True, True), "accumulate", 1, ()),      # factors of its inputs are not its own
    "multiply": ("multiply", {}, (True, True), "multiply", 2, ()),
    "multiply by a constant": ("multiply", {}, (True, False), "multiply_constant", 2, ()),
    "scale": ("scale", {"by": 3.0}, (True,), "scale", 1, (3.0,)),
    "einsum": ("einsum", {"spec": "i,i->"}, (True, True), "multiply_add_lanes", 2, ()),
    "einsum with a constant": ("einsum", {"spec": "i,i->"}, (True, False), "multiply_add_constant_lanes", 2,
                               ()),
    "sum": ("sum", {"axes": (-1,)}, (True,), "accumulate", 1, ()),
    "scatter": ("scatter", {"count": 4, "rank": 2}, (True, False), "accumulate", 1, ()),
    "gather": ("gather", {"rank": 2}, (True, False), "copy", 1, ()),
    "max": ("max", {"axis": -1}, (True,), "copy", 1, ()),
    **{f"power {a}": ("power", {"exponent": a}, (True,), "power", 1, (float(a),))
       for a in (2.75, -2, 0.5)},
    **{f"power {a}": ("power", {"exponent": a}, (True,), rule, 1, ()) for a, rule in EXPONENTS.items()},
    **{f"power {a}": ("power", {"exponent": a}, (True,), "power_whole", 1, (float(a),))
       for a in (0, 1, 2, 3, 4, 7, 8, 11)},
    # functions of one number, whose rules have their names
    **{name: (name, {}, (True,), name, 1, ()) for name, gate in GATES.items()
       if gate.taylor == name and hasattr(rules, name) and not gate.jumps and name not in ("scale", "shift")},
}
FREE = {"constant", "shift", "broadcast", "reshape", "transpose", "slice", "take", "place", "concatenate",
        "constant_part", "step", "one_hot_max"}
"""Gates whose rules make no operation with coefficients."""


@pytest.fixture(scope="module")
def counted():
    """{(case, degree): operations}, of the rules as ordinary functions."""
    keys = [(name, p) for name in CASES for p in DEGREES]
    cases = [(CASES[name][3], p, *CASES[name][4:]) for name, p in keys]
    result = subprocess.run([sys.executable, Path(__file__).with_name("counting.py"), json.dumps(cases)],
                            env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return dict(zip(keys, json.loads(result.stdout)))


@pytest.mark.parametrize("name", CASES)
def test_a_gate_costs_what_its_rule_does(counted, name):
    gate, parameters, moving = CASES[name][:3]
    for p in DEGREES:
        assert GATES[gate].cost(p, *moving, **parameters) == counted[name, p]


def test_all_gates_are_counted_or_free():
    assert {"exp", "log", "tanh", "sigmoid", "sin", "cos", "erf", "gelu", "relu", "abs"} <= set(CASES)
    assert {case[0] for case in CASES.values()} | FREE == set(GATES)
    assert all(GATES[name].cost(3, True) == 0 for name in FREE)


def test_a_circuit_costs_what_its_gates_do():
    """A matrix product of (4, 3) and (3, 2) has 24 products; exp has 8 elements; constants cost nothing."""
    circuit = record(lambda a, b: exp(einsum("ij,jk->ik", a, b)), real(4, 3), real(3, 2))
    one, two, function = (lambda p: 4 * p), (lambda p: 4 * p * p + 4 * p), (lambda p: 5 * p * p - p)
    for p in DEGREES:
        assert flops(circuit, p, [0]) == 24 * one(p) + 8 * function(p)
        assert flops(circuit, p, [0, 1]) == 24 * two(p) + 8 * function(p)
        assert flops(circuit, p, []) == 0
