"""Tracing any model: MACs and weights counted by hand beside what the trace finds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hwflow.ace.any_model import multiplications
from hwflow.ace.architectures import resnet50
from hwflow.ace.price import Multiplication, Widths, parse_override, price
from hwflow.ace.trace import count
from hwflow.ace.user_model import price_model
from hwflow.errors import FlowError
from models.config import PRESETS, StageConfig
from models.float.mode import Mode
from models.float.network import PokeBNN

RNG = np.random.default_rng(1)


def traced(function: Callable[[Any], Any], *shape: int) -> tuple[Multiplication, ...]:
    image = jax.ShapeDtypeStruct(shape, jnp.float32)
    return multiplications(lambda _, x: function(x), (), image)


def totals(found: tuple[Multiplication, ...]) -> tuple[int, int]:
    return sum(m.macs for m in found), sum(m.weights for m in found)


def array(*shape: int) -> jax.Array:
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def conv(x: jax.Array, w: jax.Array, stride: int = 1, groups: int = 1) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x,
        w,
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def test_convolutions_count_padded_taps() -> None:
    w = array(3, 3, 4, 8)
    assert totals(traced(lambda x: conv(x, w, 2), 1, 9, 9, 4)) == (25 * 9 * 4 * 8, 9 * 4 * 8)
    grouped = array(3, 3, 1, 8)
    assert totals(traced(lambda x: conv(x, grouped, 1, 4), 1, 6, 6, 4)) == (36 * 9 * 8, 72)


def test_products_of_activations_have_no_weights() -> None:
    w = array(16, 16)

    def attention(x: jax.Array) -> jax.Array:
        q = x @ w
        return jax.nn.softmax(q @ x.T) @ x

    found = traced(attention, 10, 16)
    assert [(m.macs, m.weights, m.weighted) for m in found] == [
        (10 * 256, 256, True),
        (10 * 10 * 16, 0, False),
        (10 * 10 * 16, 0, False),
    ]
    network = price("a", "traced", found, Widths(weight_bits=4, activation_bits=8), None)
    assert [o.weight_bits for o in network.operations] == [4, 8, 8]
    assert network.total_ace == 2560 * 32 + 3200 * 64


def test_loops_multiply() -> None:
    w, stacked = array(8, 8), array(5, 8, 8)
    shared = traced(lambda x: jax.lax.scan(lambda c, _: (c @ w, None), x, None, length=5)[0], 2, 8)
    assert totals(shared) == (5 * 2 * 64, 64)
    own = traced(lambda x: jax.lax.scan(lambda c, m: (c @ m, None), x, stacked)[0], 2, 8)
    assert totals(own) == (5 * 2 * 64, 5 * 64)
    counted = traced(lambda x: jax.lax.fori_loop(0, 7, lambda _, c: c @ w, x), 2, 8)
    assert totals(counted) == (7 * 2 * 64, 64)

    def nested(x: jax.Array) -> jax.Array:
        def outer(c: jax.Array, m: jax.Array) -> tuple[jax.Array, None]:
            return jax.lax.scan(lambda d, _: (d @ m, None), c, None, length=3)[0], None

        return jax.lax.scan(outer, x, stacked)[0]

    assert totals(traced(nested, 2, 8)) == (15 * 2 * 64, 5 * 64)


def test_the_carry_becomes_active_in_the_loop() -> None:
    # The carry begins as a constant and depends on the input from the second turn on.
    def function(x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda c, _: (x @ c, None), jnp.ones((8, 8)), None, length=3)[0]

    found = traced(function, 8, 8)
    assert [(m.macs, m.weights, m.weighted) for m in found] == [(3 * 512, 0, False)]


def test_nested_programs_are_seen() -> None:
    w = array(8, 8)

    @jax.custom_vjp
    def straight(x: jax.Array) -> jax.Array:
        return x @ w

    straight.defvjp(lambda x: (straight(x), None), lambda _, g: (g,))

    def function(x: jax.Array) -> jax.Array:
        x = jax.jit(lambda y: y @ w)(x)
        x = jax.checkpoint(lambda y: jnp.sin(y @ w))(x)
        x = jax.vmap(lambda row: row @ w)(x)
        return straight(x)

    assert totals(traced(function, 2, 8)) == (4 * 2 * 64, 64)


def test_stored_weights_count_once_and_slices_apart() -> None:
    w = array(2, 8, 8)
    assert totals(traced(lambda x: (x @ w[0]) @ w[1], 3, 8)) == (2 * 3 * 64, 128)
    binary = traced(lambda x: x @ jnp.where(w[0] >= 0, 1.0, -1.0), 3, 8)
    assert totals(binary) == (3 * 64, 64)
    # A product of parameters is folded before inference.
    assert totals(traced(lambda x: x @ (w[0] @ w[1]), 3, 8))[0] == 3 * 64


def test_conditions() -> None:
    w = array(8, 8)

    def same(x: jax.Array) -> jax.Array:
        return jax.lax.cond(x.sum() > 0, lambda y: y @ w, lambda y: -(y @ w), x)

    assert totals(traced(same, 2, 8)) == (128, 64)
    with pytest.raises(FlowError, match=r"branches .* cost differently"):
        traced(lambda x: jax.lax.cond(x.sum() > 0, lambda y: y @ w, lambda y: y, x), 2, 8)


def test_unknown_turns_are_refused() -> None:
    w = array(8, 8)

    def function(x: jax.Array) -> jax.Array:
        return jax.lax.while_loop(lambda c: c.sum() < 1, lambda c: c @ w, x)

    with pytest.raises(FlowError, match="while loop"):
        traced(function, 2, 8)
    halving = traced(
        lambda x: jax.lax.while_loop(lambda c: c.sum() > 1, lambda c: c / 2, x @ w), 2, 8
    )
    assert totals(halving) == (128, 64)


def test_foreign_code_is_refused() -> None:
    def function(x: jax.Array) -> jax.Array:
        return jax.pure_callback(lambda y: y, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    with pytest.raises(FlowError, match="pure_callback"):
        traced(function, 2, 8)


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda x: jnp.fft.fft(x).real, "fft"),
        (lambda x: jax.scipy.linalg.solve_triangular(x, x), "triangular_solve"),
        (jax.scipy.linalg.lu_factor, "lu"),
        (jnp.linalg.inv, "lu"),
        (jnp.linalg.qr, "qr"),
        (jnp.linalg.cholesky, "cholesky"),
    ],
)
def test_products_that_no_rule_counts_are_named(function: Callable[[Any], Any], named: str) -> None:
    w = array(4, 4)
    with pytest.raises(FlowError, match=f"the model calls {named} at"):
        traced(lambda x: function(x @ w), 4, 4)
    # Of a parameter it is done once, before inference.
    assert totals(traced(lambda x: x @ jnp.linalg.inv(w), 4, 4))[0] == 64


def test_agrees_with_the_models_own_count() -> None:
    config = dataclasses.replace(
        PRESETS["fmnist-tiny"], stages=(StageConfig(blocks=1, base_width=64, stride=1),)
    )
    model = PokeBNN(config, Mode())
    image = jax.ShapeDtypeStruct((1, *config.image_shape), jnp.bfloat16)
    variables = jax.eval_shape(model.init, jax.random.key(0), image)
    found = multiplications(lambda v, x: model.apply(v, x), variables, image)
    by_name = {m.name.rpartition("/")[2]: (m.macs, m.weights) for m in found}
    for operation in count(config).operations:
        # The float model writes its grouped convolution as elementwise products: no trace calls those MACs.
        if operation.name != "init_conv_group":
            assert by_name[operation.name] == (operation.macs, operation.weights), operation.name


class Bottleneck(nn.Module):
    width: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        s = (self.stride, self.stride)
        y = nn.relu(nn.BatchNorm(True)(nn.Conv(self.width, (1, 1), use_bias=False)(x)))
        y = nn.relu(nn.BatchNorm(True)(nn.Conv(self.width, (3, 3), s, use_bias=False)(y)))
        y = nn.BatchNorm(True)(nn.Conv(4 * self.width, (1, 1), use_bias=False)(y))
        if x.shape != y.shape:
            x = nn.BatchNorm(True)(
                nn.Conv(4 * self.width, (1, 1), s, use_bias=False, name="short")(x)
            )
        return nn.relu(x + y)


class ResNet50(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Conv(64, (7, 7), (2, 2), use_bias=False, name="stem")(x)
        x = nn.max_pool(nn.relu(nn.BatchNorm(True)(x)), (3, 3), (2, 2), "SAME")
        for stage, blocks in enumerate((3, 4, 6, 3)):
            for block in range(blocks):
                x = Bottleneck(64 * 2**stage, 2 if stage and not block else 1)(x)
        return nn.Dense(1000, name="head")(x.mean((1, 2)))


def test_a_traced_resnet_equals_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = Widths(weight_bits=8, activation_bits=8)
    table = resnet50(stride_in_3x3=True)
    found = price_model(f"{__name__}:ResNet50", (1, 224, 224, 3), widths)
    wanted = price("r", "table", table.multiplications, widths, table.other_parameters)
    assert (found.total_ace, found.weight_bytes) == (wanted.total_ace, wanted.weight_bytes)
    assert found.size_bytes == wanted.size_bytes
    assert found.macs == 4_089_184_256
    mixed = Widths(weight_bits=1, activation_bits=1, overrides=(parse_override("*/head=8x4"),))
    assert price_model(f"{__name__}:ResNet50", (1, 224, 224, 3), mixed).ace_by_width() == {
        "1x1": 4_087_136_256,
        "8x4": 2_048_000 * 32,
    }


def test_models_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pricedmodels.py").write_text(
        "import jax.numpy as jnp\nW = jnp.ones((4, 2))\n"
        "def good(x):\n    return x @ W\n"
        "def bad(x):\n    return x @ W @ W\n"
        "def empty(x):\n    return x + 1\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    widths = Widths(weight_bits=8, activation_bits=4)
    found = price_model("pricedmodels:good", (1, 4), widths)
    assert (found.total_ace, found.weight_bytes, found.size_bytes) == (8 * 32, 8, None)
    for name, said in (
        ("pricedmodels", "expected MODULE:FUNCTION"),
        ("nosuchmodule:f", "No module named"),
        ("pricedmodels:nothing", "has no nothing"),
        ("pricedmodels:number", "is a int"),
        ("pricedmodels:bad", "cannot be traced on an input of 1x4"),
        ("pricedmodels:empty", "neither convolutions nor matrix products"),
    ):
        with pytest.raises(FlowError, match=said):
            price_model(name, (1, 4), widths)
