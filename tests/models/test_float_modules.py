"""Parts of the float model on hand-made values, and against XLA's own operations."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.config import PokeBNNConfig, StageConfig
from models.float import Mode, PokeBNN
from models.float.binary_conv import BinaryConv
from models.float.bounds import GetBounds
from models.float.convolution import Padding, convolve, convolve_grouped
from models.float.quant_layers import quantise_input
from models.float.quantisers import (
    binarise_activation,
    binarise_weight,
    quantise_positive,
    quantise_symmetric,
    quantise_weight,
    weight_levels,
)
from models.float.reshape_add import average_pool, channel_mean, reshape_add, widen

TINY = PokeBNNConfig(
    name="tiny",
    image_size=(9, 9),
    image_channels=1,
    classes=3,
    width=0.125,
    stages=(
        StageConfig(blocks=1, base_width=64, stride=1),
        StageConfig(blocks=1, base_width=128, stride=2),
    ),
    init_stride=1,
    mean=(0.3,),
    std=(0.4,),
)
RNG = np.random.default_rng(1)


def normal(*shape: int) -> jax.Array:
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def test_sign_of_zero_is_plus_one() -> None:
    x = jnp.asarray([0.0, -0.0, 1e-30, -1e-30], jnp.bfloat16)
    np.testing.assert_array_equal(
        np.asarray(binarise_activation(x, 3.0), np.float32), [1.5, 1.5, 1.5, -1.5]
    )
    w = jnp.asarray([[0.0, 2.0], [-0.0, -1.0], [-4.0, 0.0]], jnp.float32)
    np.testing.assert_array_equal(binarise_weight(w), [[2, 1], [2, -1], [-2, 1]])


def test_straight_through_gradients() -> None:
    x = jnp.asarray([-3.5, -3.0, -1.0, 0.0, 2.0, 3.01])

    def slope(f: Any) -> np.ndarray:
        return np.asarray(jax.grad(lambda v: jnp.sum(f(v) * 2.0))(x))

    np.testing.assert_array_equal(slope(lambda v: binarise_activation(v, 3.0)), [0, 2, 2, 2, 2, 0])
    bound = jnp.asarray([2.0])
    np.testing.assert_array_equal(
        slope(lambda v: quantise_symmetric(v, bound, 4)), [0, 0, 2, 2, 2, 0]
    )
    np.testing.assert_array_equal(
        slope(lambda v: quantise_positive(v, bound, 4)), [0, 0, 0, 2, 2, 0]
    )
    np.testing.assert_array_equal(slope(lambda v: quantise_weight(v[:, None], 8)), [2] * 6)
    np.testing.assert_array_equal(slope(lambda v: binarise_weight(v[:, None])), [2] * 6)


def test_levels_round_half_up_and_positive_rounds_down() -> None:
    bound = jnp.asarray(7.0 - 2.0**-23)
    x = jnp.asarray([0.5, -0.5, 1.5, -1.5, 9.0, -9.0])
    np.testing.assert_allclose(quantise_symmetric(x, bound, 4), [1, 0, 2, -1, 7, -7], rtol=1e-6)
    bound = jnp.asarray(16.0 - 2.0**-23)
    x = jnp.asarray([0.99, 1.0, 15.5, 99.0, -3.0])
    np.testing.assert_allclose(quantise_positive(x, bound, 4), [0, 1, 15, 15, 0], rtol=1e-6)


def test_weight_levels_are_per_output_channel() -> None:
    w = normal(3, 3, 5, 4) * jnp.asarray([0.1, 1.0, 10.0, 0.0])
    levels, t = weight_levels(w, 4)
    assert t.shape == (1, 1, 1, 4)
    assert np.abs(levels[..., :3]).max(axis=(0, 1, 2)).tolist() == [7, 7, 7]
    np.testing.assert_array_equal(levels[..., 3], 0)
    np.testing.assert_array_equal(levels, np.rint(levels))


def test_unset_bounds_do_not_quantise() -> None:
    x = normal(2, 1, 1, 4)
    np.testing.assert_array_equal(quantise_input(x, jnp.full((1, 1, 1, 1), -1.0), 4, "positive"), x)
    assert np.any(quantise_input(x, jnp.full((1, 1, 1, 1), 2.0), 4, "positive") != x)


@pytest.mark.parametrize("size", [6, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("kernel", "padding"), [(3, "SAME"), (1, "SAME"), (4, "VALID")])
def test_convolutions_equal_xla(size: int, stride: int, kernel: int, padding: Padding) -> None:
    x, w = normal(2, size, size, 6), normal(kernel, kernel, 6, 5)
    grouped = normal(kernel, kernel, 1, 12)

    def xla(kernel_array: jax.Array, groups: int) -> jax.Array:
        return jax.lax.conv_general_dilated(
            x,
            kernel_array,
            (stride, stride),
            padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
            precision="highest",
        )

    np.testing.assert_allclose(convolve(x, w, stride, padding), xla(w, 1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        convolve_grouped(x, grouped, stride, padding), xla(grouped, 6), rtol=1e-4, atol=1e-4
    )


def test_channel_mean_uses_consecutive_channels_and_drops_the_rest() -> None:
    r = jnp.arange(7.0).reshape(1, 1, 1, 7)
    np.testing.assert_array_equal(channel_mean(r, 3).ravel(), [0.5, 2.5, 4.5])


def test_tile_takes_any_ratio() -> None:
    r = jnp.arange(64.0).reshape(1, 1, 1, 64)
    wide = np.asarray(widen(r, 356, "tile")).ravel()
    np.testing.assert_array_equal(wide, np.arange(356) % 64)
    padded = np.asarray(widen(r, 70, "zero_pad")).ravel()
    np.testing.assert_array_equal(padded[64:], 0)


@pytest.mark.parametrize(("size", "corner_taps"), [(6, (9, 4)), (7, (4, 4))])
def test_average_pool_counts_padding(size: int, corner_taps: tuple[int, int]) -> None:
    # Even sizes are padded (0, 1), odd ones (1, 1): the first and last windows show which.
    pooled = np.asarray(average_pool(jnp.ones((1, size, size, 1)), 2))
    assert pooled[0, 0, 0, 0] == pytest.approx(corner_taps[0] / 9)
    assert pooled[0, -1, -1, 0] == pytest.approx(corner_taps[1] / 9)


def test_reshape_add_tiles_then_pools() -> None:
    y, r = normal(1, 3, 3, 8), normal(1, 6, 6, 4)
    expected = y + average_pool(jnp.concatenate([r, r], axis=-1), 2)
    np.testing.assert_array_equal(reshape_add(y, r, "tile"), expected)


@pytest.mark.parametrize("per_channel", [False, True])
def test_bounds_average_starts_from_the_first_batch(per_channel: bool) -> None:
    module = GetBounds(Mode(update_bounds=True), per_channel)
    first = jnp.asarray([[1.0, -5.0], [2.0, 0.0]])
    variables = module.init(jax.random.key(0), first)
    assert np.all(np.asarray(variables["get_bounds"]["bounds"]) == -1)
    for batch in (first, 3 * first):
        bound, variables = module.apply(variables, batch, mutable=["get_bounds"])
    expected = [[4.0, 10.0]] if per_channel else [[10.0]]
    np.testing.assert_allclose(bound, expected)
    for _ in range(30):
        bound, variables = module.apply(variables, 0 * first, mutable=["get_bounds"])
    assert 0 < float(bound.max()) < 1.0


def test_bounds_without_statistics_stay() -> None:
    module = GetBounds(Mode(update_bounds=True), per_channel=False)
    stored = {"get_bounds": {"bounds": jnp.full((1, 1), 2.0)}}
    bound, after = module.apply(stored, jnp.full((3, 4), 9.0), mutable=["get_bounds"])
    assert float(bound[0, 0]) == 2.0
    np.testing.assert_array_equal(after["get_bounds"]["bounds"], stored["get_bounds"]["bounds"])


def test_a_channel_of_zero_weights_has_a_sum() -> None:
    """sign(0) is +1, so S is the sum of the activations' signs over the valid taps."""
    layer = BinaryConv(Mode(dtype=jnp.float32), features=3, kernel=3, stride=1, clip_bound=3.0)
    x = normal(2, 5, 5, 4)
    variables = layer.init(jax.random.key(0), x)
    kernel = jnp.asarray(variables["params"]["kernel"]).at[..., 1].set(0.0)
    y, kept = layer.apply({"params": {"kernel": kernel}}, x, mutable=["intermediates"])
    found = np.asarray(kept["intermediates"]["sum"][0])
    signs = np.pad(np.where(np.asarray(x) >= 0, 1, -1), ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(signs, (3, 3), axis=(1, 2))
    weights = np.where(np.asarray(kernel) >= 0, 1, -1)
    np.testing.assert_array_equal(found, np.einsum("nhwcij,ijco->nhwo", windows, weights))
    assert not np.any(np.asarray(y)[..., 1])


@pytest.fixture(scope="module")
def tiny_variables() -> Any:
    model = PokeBNN(TINY, Mode(dtype=jnp.float32))
    variables = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 9, 9, 1)))
    variables.pop("intermediates", None)
    return variables


def test_storing_kernels_as_bfloat16_changes_nothing(tiny_variables: Any) -> None:
    model = PokeBNN(TINY, Mode(dtype=jnp.float32))

    def rounded(path: Any, leaf: jax.Array) -> jax.Array:
        if path[-1].key == "kernel":
            return leaf.astype(jnp.bfloat16).astype(jnp.float32)
        return leaf

    x = normal(4, 9, 9, 1)
    apply = jax.jit(model.apply)
    np.testing.assert_array_equal(
        apply(tiny_variables, x),
        apply(jax.tree_util.tree_map_with_path(rounded, tiny_variables), x),
    )


def test_training_and_inference_forward_agree(tiny_variables: Any) -> None:
    """With the batch's own statistics stored, inference computes what training computed."""
    x = normal(8, 9, 9, 1)
    training = PokeBNN(TINY, Mode(dtype=jnp.float32, train=True, update_bounds=True, momentum=0.0))
    logits, updates = jax.jit(
        lambda v: training.apply(v, x, mutable=["batch_stats", "get_bounds"])
    )(tiny_variables)
    inference = PokeBNN(TINY, Mode(dtype=jnp.float32))
    again = jax.jit(inference.apply)({**tiny_variables, **updates}, x)
    np.testing.assert_allclose(logits, again, rtol=1e-5, atol=1e-6)


def test_third_gammas_start_at_zero(tiny_variables: Any) -> None:
    for spec in TINY.poke_convs():
        gamma = np.asarray(tiny_variables["params"][spec.bn_name]["scale"])
        assert np.all(gamma == (0.0 if spec.j == 3 else 1.0))
