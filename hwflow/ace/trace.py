"""Counting by tracing: the float model runs on shapes only, and what it does is counted.

Modules (convolutions, dense, batch norm, DPReLU) are seen as Flax calls them; what the network
does between modules (shortcuts, means, pools, the SE's scale) is read from the traced equations
whose scope is the network itself. An arithmetic equation that no rule knows is an error, so a
change of the model cannot slip past the counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from hwflow.ace.between import BetweenModules
from hwflow.ace.counts import AceReport, Operation
from models.config import PokeBNNConfig
from models.float.batch_norm import BatchNorm
from models.float.binary_conv import BinaryConv
from models.float.dprelu import DPReLU
from models.float.mode import Mode
from models.float.network import PokeBNN
from models.float.quant_layers import QuantConv, QuantDense

_SE_PREFIX = re.compile(r"^sefc[12]-")
_CONV_PREFIX = re.compile(r"^conv-")


def layer_of(module: str) -> str | None:
    """Layer that a convolution or dense module belongs to; None for any other module's name."""
    if module.startswith(("conv-", "sefc")):
        return _CONV_PREFIX.sub("", _SE_PREFIX.sub("", module))
    if module in ("init_conv", "init_conv_group"):
        return module
    return "dense" if module.startswith("Dense") else None


@dataclass(frozen=True)
class _Call:
    """One module call: its quantised operation, or an elementwise class and its count."""

    operation: Operation | None = None
    elementwise: tuple[str, int] | None = None


def _widths(module: nn.Module) -> int | None:
    if isinstance(module, BinaryConv):
        return 1
    return module.bits if isinstance(module, QuantConv | QuantDense) else None


def _record(module: nn.Module, out: jax.Array) -> _Call | None:
    bits = _widths(module)
    if bits is not None:
        kernel = module.get_variable("params", "kernel").shape
        weights = _size(kernel)
        name = str(module.name)
        layer = layer_of(name)
        if layer is None:
            raise RuntimeError(f"quantised module {name} belongs to no layer")
        return _Call(
            operation=Operation(
                name=name,
                layer=layer,
                weight_bits=bits,
                activation_bits=bits,
                weights=weights,
                macs=_size(out.shape[:-1]) * weights,
                dense=isinstance(module, QuantDense),
            )
        )
    if isinstance(module, BatchNorm):
        return _Call(elementwise=("batch_norm", _size(out.shape)))
    if isinstance(module, DPReLU):
        return _Call(elementwise=("dprelu", _size(out.shape)))
    return None


def _size(shape: tuple[int, ...]) -> int:
    total = 1
    for n in shape:
        total *= n
    return total


def count(config: PokeBNNConfig) -> AceReport:
    """Counts of one image through the network; no array is computed.

    Raises:
        RuntimeError: the model does something between its modules that no rule counts.
    """
    model = PokeBNN(config, Mode())
    image = jax.ShapeDtypeStruct((1, *config.image_shape), jnp.bfloat16)
    variables = jax.eval_shape(model.init, jax.random.key(0), image)
    calls: dict[str, _Call] = {}

    def watch(
        call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext
    ) -> Any:
        out = call(*args, **kwargs)
        if context.method_name == "__call__":
            recorded = _record(context.module, out)
            if recorded is not None:
                calls[str(context.module.name)] = recorded
        return out

    with nn.intercept_methods(watch):
        traced = jax.make_jaxpr(model.apply)(variables, image)

    between = BetweenModules(layer_of)
    elementwise: dict[str, dict[str, int]] = {}

    def add(layer: str, name: str, number: int) -> None:
        counts = elementwise.setdefault(layer, {})
        counts[name] = counts.get(name, 0) + number

    seen: set[str] = set()
    for equation in traced.jaxpr.eqns:
        _, _, inner = str(equation.source_info.name_stack).partition("/")
        module = inner.split("/")[0]
        for layer, name, number in between.step(equation, module):
            add(layer, name, number)
        if module and module not in seen:
            seen.add(module)
            call = calls.get(module)
            if call is not None and call.elementwise is not None:
                add(between.layer, *call.elementwise)
    return AceReport(
        network=config.name,
        operations=tuple(c.operation for c in calls.values() if c.operation is not None),
        elementwise=elementwise,
        parameters=sum(_size(leaf.shape) for leaf in jax.tree.leaves(variables["params"])),
    )
