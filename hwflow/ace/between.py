"""Rules for the equations that a network has between its modules.

Counts follow the definition: channels are reshaped first, then space is pooled. An implementation
that pools before it widens adds fewer numbers for the same result; the count stays that of the
definition, nine per element of the shortcut that is added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Count = tuple[str, str, int]
"""(layer, class of `ELEMENTWISE`, number)."""

MOVES = frozenset(
    {
        "broadcast_in_dim",
        "concatenate",
        "convert_element_type",
        "copy",
        "gather",
        "optimization_barrier",
        "pad",
        "reshape",
        "slice",
        "squeeze",
        "stop_gradient",
        "transpose",
    }
)
"""Primitives that move or relabel data: no operations, the first operand's origin is kept."""

SPATIAL = 3
"""Least axes of a tensor with height and width: (H, W, C) and any batch axis before."""


class BetweenModules:
    """Walks equations in program order; `layer` is the layer reached so far."""

    def __init__(self, layer_of: Callable[[str], str | None]) -> None:
        self._layer_of = layer_of
        self._origin: dict[int, int] = {}  # variable -> the variable it is a reshaped form of
        self._pooled: dict[int, int] = {}  # variable -> window of the pool it went through
        self._conv_input: int | None = None
        self._mean: tuple[int, int] | None = None  # (additions, multiplications) not yet owned
        self._reduced: set[int] = set()
        self.layer = ""

    def step(self, equation: Any, module: str) -> Iterator[Count]:
        """Counts of one equation; `module` is the child module it is in, "" for the network."""
        if module:
            yield from self._in_module(equation, module)
        else:
            yield from self._between(equation)

    def _in_module(self, equation: Any, module: str) -> Iterator[Count]:
        layer = self._layer_of(module)
        if layer is None:
            return
        if layer != self.layer:
            self.layer = layer
            inputs = [id(v) for v in equation.invars if self._axes(v) > SPATIAL]
            self._conv_input = self._root(inputs[0]) if inputs else None
        if self._mean is not None:
            adds, multiplies = self._mean
            self._mean = None
            if module.startswith("sefc1"):
                yield self.layer, "se_pool_add", adds
                yield self.layer, "se_pool_multiply", multiplies
            else:
                yield self.layer, "last_mean", adds

    def _between(self, equation: Any) -> Iterator[Count]:
        name = equation.primitive.name
        out = equation.outvars[0]
        called = str(equation.params.get("name", ""))
        if name in MOVES or (name in ("jit", "pjit") and called in ("_pad", "_where")):
            self._follow(equation)
        elif name == "dot_general":
            group = equation.invars[0].aval.shape[-1] // out.aval.shape[-1]
            yield self.layer, "channel_average_add", out.aval.size * group
            yield self.layer, "channel_average_multiply", out.aval.size
            self._follow(equation)
        elif name in ("reduce_window_sum", "reduce_window"):
            window = 1
            for size in equation.params["window_dimensions"]:
                window *= size
            self._follow(equation)
            self._pooled[id(out)] = window
        elif name == "reduce_sum":
            self._sum(equation)
        elif name == "div":
            self._follow(equation)
        elif name == "add":
            yield from self._add(equation)
        elif name == "mul":
            yield self.layer, "se_multiply", out.aval.size
        elif name == "custom_jvp_call":
            yield self.layer, "se_relu", out.aval.size
        elif name in ("jit", "pjit") and called == "clip":
            yield self.layer, "se_relu6", out.aval.size
        else:
            raise RuntimeError(
                f"the model's equation {name} {called} after layer {self.layer} is of no known "
                "class; add a rule to hwflow/ace/between.py"
            )

    def _sum(self, equation: Any) -> None:
        source, out = equation.invars[0], equation.outvars[0]
        if self._root(id(source)) not in self._reduced:
            self._mean = (source.aval.size, out.aval.shape[-1])
        self._reduced.add(id(out))

    def _add(self, equation: Any) -> Iterator[Count]:
        shortcut = equation.invars[1]
        out = equation.outvars[0]
        if self._axes(shortcut) == 0:  # the + 3 of the hard sigmoid, part of its relu6
            return
        local = self._root(id(shortcut)) == self._conv_input
        yield self.layer, "local_shortcut" if local else "long_shortcut", out.aval.size
        window = self._pooled.get(id(shortcut))
        if window is not None:
            yield self.layer, "average_pool", window * out.aval.size
        self._origin[id(out)] = id(out)

    def _follow(self, equation: Any) -> None:
        source = next((id(v) for v in equation.invars if self._axes(v)), None)
        if source is None:
            return
        for out in equation.outvars:
            self._origin[id(out)] = self._root(source)
            if source in self._pooled:
                self._pooled[id(out)] = self._pooled[source]

    def _root(self, variable: int) -> int:
        return self._origin.get(variable, variable)

    @staticmethod
    def _axes(variable: Any) -> int:
        return len(getattr(variable.aval, "shape", ()))
