"""The float model against data recorded from the public reference implementation.

tests/models/golden holds outputs of google/aqt (commit 9d1667e, `aqt/jax_legacy`) on random
networks, evaluated operation by operation. bfloat16 arrays are stored as their 16 bits.
"""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from models.config import BINARY_SCALE, IMAGENET_STAGES, PokeBNNConfig, PokeConvSpec
from models.float import Mode, PokeBNN, PokeConvBlock
from models.float.quantisers import channel_maximum

GOLDEN = Path(__file__).parent / "golden"
NETWORK = PokeBNNConfig(
    name="golden",
    image_size=(64, 64),
    image_channels=3,
    classes=10,
    width=0.125,
    stages=IMAGENET_STAGES,
    bounds="per_channel",
)
MAX_DIFFERENT = 0.0002
MAX_ULP = 16


def load(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(variables, recorded tensors as float32)."""
    variables: dict[str, Any] = {}
    recorded: dict[str, np.ndarray] = {}
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        for key in arrays.files:
            array = arrays[key]
            if array.dtype == np.uint16:
                array = array.view(ml_dtypes.bfloat16).astype(np.float32)
            if key.startswith("io/"):
                recorded[key.removeprefix("io/")] = array
            else:
                variables[key] = jnp.asarray(array)
    return unflatten_dict(variables, sep="/"), recorded


def bfloat(array: np.ndarray) -> jax.Array:
    return jnp.asarray(array, jnp.bfloat16)


def ulp_distance(ours: jax.Array, theirs: np.ndarray) -> np.ndarray:
    """Distance in bfloat16 steps; the two zeros are one value."""

    def ordinal(values: Any) -> np.ndarray:
        bits = np.asarray(values).astype(ml_dtypes.bfloat16).view(np.int16).astype(np.int32)
        return np.where(bits < 0, -(bits & 0x7FFF), bits)

    return np.abs(ordinal(ours) - ordinal(theirs))


def assert_close(ours: jax.Array, theirs: np.ndarray, operation: str) -> None:
    distance = ulp_distance(ours, theirs)
    share = np.count_nonzero(distance) / distance.size
    assert share <= MAX_DIFFERENT, f"{operation}: {100 * share:.3f}% of the elements differ"
    assert distance.max() <= MAX_ULP, f"{operation}: one differs by {distance.max()} ulp"


def assert_identical(ours: jax.Array, theirs: np.ndarray, what: str) -> None:
    different = np.count_nonzero(np.asarray(ours, np.float32) != theirs)
    assert different == 0, f"{what}: {different} of {theirs.size} elements differ"


@pytest.mark.parametrize("name", ["block_s1_shrink", "block_s2_expand"])
def test_pokeconv_equals_reference(name: str) -> None:
    variables, recorded = load(name)
    block = json.loads((GOLDEN / f"{name}.json").read_text())
    h, w, cin = block["x_shape"]
    stride = block["strides"][0]
    spec = PokeConvSpec(
        name=block["name"],
        block=0,
        j=int(block["name"][-1]),
        kernel=block["kernel_size"][0],
        stride=stride,
        in_shape=(h, w, cin),
        out_shape=(h // stride, w // stride, block["features"]),
        se_hidden=cin // 8,
        r1_shape=tuple(block["r1_shape"]) if block["r1_shape"] else None,
        dprelu_index=0,
    )
    x = bfloat(recorded["x"])
    planted = np.asarray(x[0, 0, 0, :6], np.float32)
    assert planted[0] == planted[1] == 0.0
    assert np.signbit(planted[1])
    r1 = bfloat(recorded["r1"]) if "r1" in recorded else None
    with jax.disable_jit():
        y, state = PokeConvBlock(spec, NETWORK, Mode()).apply(
            variables, x, r1, mutable=["intermediates"], capture_intermediates=True
        )
    assert_identical(y, recorded["y"], "output")
    captured = state["intermediates"]
    modules = [key for key in recorded if key.startswith("inter/")]
    assert len(modules) == 6
    for key in modules:
        module = key.removeprefix("inter/")
        assert_identical(captured[module]["__call__"][0], recorded[key], module)
    sums = np.asarray(captured[spec.conv_name]["sum"][0])
    assert np.abs(sums).max() <= spec.kernel**2 * cin
    scale = BINARY_SCALE * channel_maximum(variables["params"][spec.conv_name]["kernel"])
    assert_identical(bfloat(sums * scale), recorded[f"inter/{spec.conv_name}"], "sum")


@pytest.fixture(scope="module")
def network() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    return load("network")


def test_pokeinit_equals_reference(network: Any) -> None:
    variables, recorded = network
    with jax.disable_jit():
        y = PokeBNN(NETWORK, Mode()).apply(variables, bfloat(recorded["input"]), stop=0)
    assert_identical(y, recorded["poke_init_out"], "PokeInit")


@pytest.mark.parametrize("block", range(NETWORK.blocks))
def test_block_with_forced_input(network: Any, block: int) -> None:
    variables, recorded = network
    source = "poke_init_out" if block == 0 else f"block{block - 1}_out"
    with jax.disable_jit():
        y, state = PokeBNN(NETWORK, Mode()).apply(
            variables,
            bfloat(recorded[source]),
            start=block,
            stop=block + 1,
            mutable=["intermediates"],
            capture_intermediates=lambda module, _: (module.name or "").startswith("conv-"),
        )
    assert_close(y, recorded[f"block{block}_out"], "average pool or SE mean")
    for j in (1, 2, 3):
        conv = f"conv-resblock{block}-{j}"
        assert_identical(state["intermediates"][conv]["__call__"][0], recorded[conv], conv)


def test_logits_of_forced_last_block(network: Any) -> None:
    variables, recorded = network
    last = NETWORK.blocks
    with jax.disable_jit():
        logits = PokeBNN(NETWORK, Mode()).apply(
            variables, bfloat(recorded[f"block{last - 1}_out"]), start=last
        )
    assert_identical(logits, recorded["logits"], "logits")
