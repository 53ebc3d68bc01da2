"""Convolutions and matrix products of any function that JAX can trace, its nested programs included.

The function is traced on shapes only. An operand that does not depend on the input is a weight; a product of two
operands that both do (attention) has no weights; one of two that do not is folded before inference and not counted.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from hwflow.ace.price import Multiplication
from hwflow.errors import FlowError

OPAQUE = ("pallas_call", "tpu_custom_call", "ffi_call", "pure_callback", "io_callback")
"""Primitives that run code which no trace shows."""
UNCOUNTED = frozenset(
    [
        "ragged_dot",
        "ragged_dot_general",
        "scaled_matmul",
        "ragged_all_to_all",
        "fft",
        "custom_linear_solve",
        "triangular_solve",
        "tridiagonal_solve",
        "tridiagonal",
        "lu",
        "cholesky",
        "cholesky_update",
        "qr",
        "geqrf",
        "geqp3",
        "ormqr",
        "householder_product",
        "hessenberg",
        "schur",
        "eig",
        "eigh",
        "svd",
        "symmetric_product",
    ]
)
"""Primitives that multiply, as transforms, solvers and decompositions do, and that no rule here counts."""
NAMES = {"conv_general_dilated": "conv", "dot_general": "dot"}


@dataclass(frozen=True)
class _Value:
    """What is known of a variable.

    active: depends on the input. copies: how many values it takes in the loops around it. root: number of the parameter
    or constant that it is made from.
    """

    active: bool
    copies: int
    root: int


@dataclass
class _Tracer:
    """Walks equations, those of inner programs included."""

    found: list[Multiplication] = field(default_factory=list[Multiplication])
    roots: Iterator[int] = field(default_factory=itertools.count)
    left: dict[int, int] = field(default_factory=dict[int, int])  # root: elements not counted yet
    constants: dict[int, tuple[Any, _Value]] = field(
        default_factory=dict[int, tuple[Any, "_Value"]]
    )  # by identity: inner programs may hold the same array
    used: dict[str, int] = field(default_factory=dict[str, int])  # names

    def fresh(self, shape: tuple[int, ...] = (), *, active: bool = False) -> _Value:
        """A parameter, a constant or the input."""
        root = next(self.roots)
        self.left[root] = math.prod(shape)
        return _Value(active, 1, root)

    def constant(self, array: Any) -> _Value:
        """An array that a program holds."""
        if id(array) not in self.constants:
            self.constants[id(array)] = array, self.fresh(jnp.shape(array))
        return self.constants[id(array)][1]

    def run(
        self, program: Jaxpr, constants: list[_Value], inputs: list[_Value], turns: int, scope: str
    ) -> list[_Value]:
        """Values of the program's results; turns: how often it is executed."""
        known: dict[Any, _Value] = dict(zip(program.constvars, constants, strict=True))
        known.update(zip(program.invars, inputs, strict=True))

        def value(variable: Any) -> _Value:
            return self.fresh() if isinstance(variable, Literal) else known[variable]

        for equation in program.eqns:
            values = [value(v) for v in equation.invars]
            results = self._equation(equation, values, turns, scope)
            known.update(zip(equation.outvars, results, strict=True))
        return [value(v) for v in program.outvars]

    def _equation(
        self, equation: Any, values: list[_Value], turns: int, scope: str
    ) -> list[_Value]:
        name = equation.primitive.name
        here = "/".join(part for part in (scope, str(equation.source_info.name_stack)) if part)
        if name in OPAQUE or (name in UNCOUNTED and any(v.active for v in values)):
            raise FlowError(
                f"the model calls {name} at {here or 'its top'}, whose multiplications cannot be counted; write "
                "it with jax.lax convolutions and matrix products"
            )
        if name == "scan":
            return self._scan(equation, values, turns, here)
        if name == "while":
            return self._while(equation, values, turns, here)
        if name == "cond":
            return self._cond(equation, values, turns, here)
        inner = list(_programs(equation.params))
        if inner:
            return self._call(equation, inner, values, turns, here)
        if name in NAMES:
            self._multiply(equation, values, turns, here)
        return self._derived(equation, values)

    def _derived(self, equation: Any, values: list[_Value]) -> list[_Value]:
        """Results of an ordinary operation: they come from its largest operand."""
        sizes = [math.prod(getattr(v.aval, "shape", ())) for v in equation.invars]
        largest = values[sizes.index(max(sizes))] if sizes else self.fresh()  # iota and the like
        active = any(v.active for v in values)
        copies = max((v.copies for v in values), default=1)
        return [_Value(active, copies, largest.root) for _ in equation.outvars]

    def _multiply(self, equation: Any, values: list[_Value], turns: int, here: str) -> None:
        if not any(v.active for v in values):
            return
        left, right = (v.aval.shape for v in equation.invars)
        out = math.prod(equation.outvars[0].aval.shape)
        name = equation.primitive.name
        if name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            macs = out * math.prod(left[axis] for axis in contracted)
        else:
            features = right[equation.params["dimension_numbers"].rhs_spec[0]]
            macs = out * math.prod(right) // features
        weights = 0
        for operand, shape in zip(values, (left, right), strict=True):
            if not operand.active:  # what is stored counts once, however often it is used or spread
                stored = min(self.left[operand.root], math.prod(shape) * operand.copies)
                self.left[operand.root] -= stored
                weights += stored
        self.found.append(
            Multiplication(
                name=self._name(here or NAMES[name]),
                macs=macs * turns,
                weights=weights,
                dense=name == "dot_general",
                weighted=not all(v.active for v in values),
            )
        )

    def _name(self, wanted: str) -> str:
        number = self.used[wanted] = self.used.get(wanted, 0) + 1
        return wanted if number == 1 else f"{wanted}#{number}"

    def _inner(self, program: Any, values: list[_Value], turns: int, here: str) -> list[_Value]:
        closed = isinstance(program, ClosedJaxpr)
        constants = [self.constant(c) for c in program.consts] if closed else []
        return self.run(program.jaxpr if closed else program, constants, values, turns, here)

    def _call(
        self, equation: Any, inner: list[Any], values: list[_Value], turns: int, here: str
    ) -> list[_Value]:
        """jit, checkpoint, custom derivatives: the first program is what runs forward."""
        count = len((inner[0].jaxpr if isinstance(inner[0], ClosedJaxpr) else inner[0]).invars)
        if count > len(values):
            raise FlowError(
                f"the model calls {equation.primitive.name} at {here or 'its top'}, an inner program that takes other "
                "operands than it is given; write it with jax.jit, jax.lax.scan or jax.checkpoint"
            )
        return self._inner(inner[0], values[len(values) - count :], turns, here)

    def _scan(self, equation: Any, values: list[_Value], turns: int, here: str) -> list[_Value]:
        p = equation.params
        fixed, carried, length = p["num_consts"], p["num_carry"], int(p["length"])
        carry = values[fixed : fixed + carried]
        each = [_Value(v.active, v.copies * length, v.root) for v in values[fixed + carried :]]
        carry = self._settle(
            lambda now: self._copy()._inner(p["jaxpr"], [*values[:fixed], *now, *each], 0, here),
            carry,
        )
        results = self._inner(p["jaxpr"], [*values[:fixed], *carry, *each], turns * length, here)
        return [_Value(v.active, 1, v.root) for v in results]

    def _while(self, equation: Any, values: list[_Value], turns: int, here: str) -> list[_Value]:
        p = equation.params
        tested, fixed = p["cond_nconsts"], p["body_nconsts"]
        constants, carry = values[tested : tested + fixed], values[tested + fixed :]
        trial = self._copy()
        carry = self._settle(
            lambda now: trial._inner(p["body_jaxpr"], [*constants, *now], 1, here), carry
        )
        if trial.found:
            raise FlowError(
                f"the model multiplies in a while loop at {here or 'its top'} whose turns no trace knows "
                f"({trial.found[0].name}); use jax.lax.scan, or fori_loop with constant bounds"
            )
        return carry

    def _cond(self, equation: Any, values: list[_Value], turns: int, here: str) -> list[_Value]:
        trials = [self._copy() for _ in equation.params["branches"]]
        results = [
            trial._inner(branch, values[1:], turns, here)
            for trial, branch in zip(trials, equation.params["branches"], strict=True)
        ]
        macs = [[(m.macs, m.dense) for m in trial.found] for trial in trials]
        if any(each != macs[0] for each in macs):
            raise FlowError(
                f"the branches of the condition at {here or 'the top'} cost differently, so the cost depends on the "
                "image; trace the branch that is to be priced"
            )
        self._inner(equation.params["branches"][0], values[1:], turns, here)
        active = values[0].active
        return [
            _Value(active or any(v.active for v in same), same[0].copies, same[0].root)
            for same in zip(*results, strict=True)
        ]

    def _copy(self) -> _Tracer:
        """A tracer for a trial: it names and counts nothing of this one's."""
        return _Tracer(roots=self.roots, left=dict(self.left), constants=dict(self.constants))

    @staticmethod
    def _settle(turn: Callable[[list[_Value]], list[_Value]], carry: list[_Value]) -> list[_Value]:
        """The carry with `active` as it is after any number of turns."""
        while True:
            after = turn(carry)[: len(carry)]
            grown = [
                _Value(before.active or now.active, before.copies, before.root)
                for before, now in zip(carry, after, strict=True)
            ]
            if grown == carry:
                return carry
            carry = grown


def _programs(parameters: Mapping[str, Any]) -> Iterator[Any]:
    for parameter in parameters.values():
        each = parameter if isinstance(parameter, tuple | list) else (parameter,)
        yield from (p for p in each if isinstance(p, ClosedJaxpr | Jaxpr))


def multiplications(
    function: Callable[..., Any], variables: Any, image: jax.ShapeDtypeStruct
) -> tuple[Multiplication, ...]:
    """All products of function(variables, image) that depend on the image, in program order.

    Raises:
        FlowError: a product that cannot be counted: in a loop of unknown length, in branches that differ, in foreign code.
    """
    traced = jax.make_jaxpr(function)(variables, image)
    tracer = _Tracer()
    inputs = [tracer.fresh(leaf.shape) for leaf in jax.tree.leaves(variables)]
    inputs.append(tracer.fresh(active=True))
    constants = [tracer.constant(c) for c in traced.consts]
    tracer.run(traced.jaxpr, constants, inputs, 1, "")
    return tuple(tracer.found)
