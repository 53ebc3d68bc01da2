"""Exported networks in onnxruntime: every stored value equal, every kind of layer, faults seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from hwflow.cli.network import integer_network
from hwflow.onnx.network import (
    IMAGE,
    IR_VERSION,
    LOGITS,
    OPSET,
    build_model,
    serialise,
    value_names,
)
from hwflow.onnx.verify import trace_values, verify
from hwflow.paths import CALIBRATION, MODELS, TEST_IMAGES
from models.data import load_images
from models.integer import layers
from models.integer.network import map_images
from models.integer.params import IntegerNetwork, PokeConvParams
from models.integer.random import random_images, random_network, small_config
from tests.saturating import clipped

CIFAR10 = MODELS / "trained" / "cifar10-small" / "cifar10-small.network"


def eight_bit_means(network: IntegerNetwork) -> IntegerNetwork:
    """The network with s8 means in the squeeze-and-excite, 16 times as fine."""

    def wide(conv: PokeConvParams) -> PokeConvParams:
        mean = dataclasses.replace(
            conv.se.mean, shift=np.maximum(conv.se.mean.shift - 4, 0), lo=-127, hi=127
        )
        return dataclasses.replace(conv, se=dataclasses.replace(conv.se, mean=mean, act_bits=8))

    changed = dataclasses.replace(network, convs=tuple(map(wide, network.convs)))
    changed.validate()
    return changed


NETWORKS: dict[str, Callable[[], IntegerNetwork]] = {
    "default": lambda: random_network(1),
    "odd sizes, three channels, widths 9 to 24": lambda: random_network(
        2,
        small_config(image=(14, 10, 3), init_kernel=2, stages=((2, 9, 1), (1, 13, 2), (1, 24, 2))),
    ),
    "8-bit weights, a scale a channel": lambda: random_network(
        3, small_config(image=(8, 8, 1), init_stride=4, bounds="per_channel")
    ),
    "long shortcuts averaged and pooled": lambda: random_network(
        4, small_config(init_channels=12, init_out=108, stages=((1, 9, 2), (1, 16, 1)))
    ),
    "first stride 1, long shortcuts averaged, channels dropped": lambda: random_network(
        5,
        small_config(
            image=(6, 7, 2),
            init_stride=1,
            init_channels=12,
            init_out=108,
            stages=((1, 9, 1), (1, 8, 2)),
        ),
    ),
    "saturating": lambda: clipped(random_network(6)),
    "saturating at 8 bits": lambda: clipped(random_network(6, small_config(image=(8, 8, 1)), 8)),
    "12 bits, a mean that may exceed them": lambda: random_network(
        5, small_config(image=(8, 8, 1), init_out=48, stages=((1, 16, 1),)), 12
    ),
    "8-bit means": lambda: eight_bit_means(random_network(7)),
}


def found_kinds(network: IntegerNetwork) -> set[str]:
    """What of the arithmetic the network has."""
    kinds: set[str] = {f"se {c.se.weight_bits} x {c.se.act_bits}" for c in network.convs}
    starts = {c.block: c for c in network.convs if c.index == 1}
    for conv in network.convs:
        cin, cout = conv.in_shape[2], conv.out_shape[2]
        kinds.add(f"local {conv.local}{' pooled' if conv.pool_local else ''}")
        if conv.local == "mean" and cin % cout:
            kinds.add("channels dropped")
        if conv.r1_shift is not None:
            source = starts[conv.block].in_shape[2]
            how = "mean" if source > cout else "tile" if cout % source == 0 else "uneven tile"
            how = "identity" if source == cout else how
            if source // cout == 3:
                kinds.add("mean of three")
            kinds.add(f"long {how}{' pooled' if conv.pool_long else ''}")
        if len(conv.se.mean.alpha) > 1:
            kinds.add("mean constants a channel")
    return kinds


def images_of(network: IntegerNetwork, count: int = 3) -> np.ndarray:
    return random_images(9, count, network.image_shape)


def unequal(network: IntegerNetwork, model: ModelProto, count: int = 3) -> list[str]:
    """Names of the values that differ, in execution order."""
    rows = verify(serialise(model), network, images_of(network, count))
    assert [row.name for row in rows] == list(value_names(network))
    assert all(row.elements for row in rows)
    return [row.name for row in rows if not row.equal]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_value_of_random_networks_is_equal(name: str) -> None:
    network = NETWORKS[name]()
    assert unequal(network, build_model(network)) == []


def test_the_random_networks_have_every_kind_of_layer() -> None:
    assert set().union(*(found_kinds(make()) for make in NETWORKS.values())) >= {
        "se 4 x 4", "se 4 x 8", "se 8 x 4", "mean constants a channel",
        "local identity", "local identity pooled", "local mean", "local pad",
        "channels dropped", "mean of three",
        "long identity", "long tile", "long tile pooled", "long uneven tile",
        "long mean", "long mean pooled",
    }  # fmt: skip


def test_the_saturating_network_saturates() -> None:
    network = NETWORKS["saturating"]()
    trace = layers.forward(network, map_images(network, images_of(network)))
    assert sum(int(found.t_saturated.sum()) for found in trace.convs) > 100
    assert sum(int(found.y_saturated.sum()) for found in trace.convs) > 100
    assert any(conv.vector.acc_shift for conv in network.init)


def test_a_second_evaluator_agrees() -> None:
    """The standard's reference implementation, which shares no code with onnxruntime."""
    network = random_network(8, small_config(image=(8, 8, 1)))
    evaluator = ReferenceEvaluator(build_model(network, layers=True))
    images = images_of(network, 2)
    found = dict(zip(evaluator.output_names, evaluator.run(None, {IMAGE: images}), strict=True))
    wanted = trace_values(network, layers.forward(network, map_images(network, images)))
    assert set(found) == set(wanted) == set(value_names(network))
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def initialiser(model: ModelProto, name: str) -> TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def change(name: str, how: Callable[[np.ndarray], np.ndarray]) -> Callable[[ModelProto], None]:
    def fault(model: ModelProto) -> None:
        tensor = initialiser(model, name)
        values = numpy_helper.to_array(tensor)
        changed = how(values.copy()).astype(values.dtype)
        assert not np.array_equal(changed, values)
        tensor.CopyFrom(numpy_helper.from_array(changed, name))

    return fault


def counted_padding(model: ModelProto) -> None:
    """Padded taps as -1, as XNOR hardware without a mask would have them."""
    nodes = model.graph.node
    at = next(i for i, node in enumerate(nodes) if node.name == "resblock0-2/S")
    conv = nodes[at]
    (pads,) = (attribute for attribute in conv.attribute if attribute.name == "pads")
    top, left, bottom, right = pads.ints
    around = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
    for name, values in (("around", around), ("minus", np.array(-1, np.int8))):
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    pads.ints[:] = [0, 0, 0, 0]
    nodes.insert(at, helper.make_node("Pad", [conv.input[0], "around", "minus"], ["padded"]))
    nodes[at + 1].input[0] = "padded"


def flipped(values: np.ndarray) -> np.ndarray:
    values[0] = -values[0]
    return values


FAULTS = {
    "one filter's signs": (change("resblock0-2/weights", flipped), "resblock0-2/y"),
    "alpha": (change("resblock1-1/alpha", lambda a: a + 200), "resblock1-1/y"),
    "no half": (change("resblock0-3/mt_shifted/half", np.zeros_like), "resblock0-3/y"),
    "se bias": (change("resblock1-2/hidden/beta", lambda b: b * 0), "resblock1-2/hidden"),
    "pool by 8": (change("common/3641", lambda r: r * 0 + 4096), "resblock1-2/y"),
    "zero point": (change("common/zero_point", lambda z: z - 1), "init_conv/y"),
    "padding counted": (counted_padding, "resblock0-2/y"),
    "dense": (change("dense/weights", np.flipud), "logits"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_seen_where_it_is(name: str) -> None:
    network = random_network(1)
    model = build_model(network)
    fault, first = FAULTS[name]
    fault(model)
    assert unequal(network, model)[0] == first


def test_names_and_metadata() -> None:
    network = random_network(1)
    model = build_model(network)
    prefixes = {name.rsplit("/", 1)[0] for name in value_names(network) if "/" in name}
    prefixes |= {"common", "input", "dense", "features", "logits"}
    names = [node.name for node in model.graph.node]
    names += [tensor.name for tensor in model.graph.initializer]
    assert {name.split("/")[0] for name in names} == prefixes
    assert len(set(names)) == len(names)
    assert {node.domain for node in model.graph.node} == {""}
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)]
    assert model.ir_version == IR_VERSION
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["hwflow.network_sha256"] == network.content_hash()
    assert properties["hwflow.version"] == model.producer_version
    shaped = {value.name for value in model.graph.value_info} | {LOGITS}
    assert {output for node in model.graph.node for output in node.output} == shaped
    exponents = {conv.name: conv.out_exponent for conv in network.convs}
    documents = {value.name: value.doc_string for value in model.graph.value_info}
    for layer, exponent in exponents.items():
        assert documents[f"{layer}/y"].endswith(f"X * 2**-{exponent}")


def test_weights_are_the_networks_own() -> None:
    """Binary ones as int8 -1 and +1; those of 8-bit convolutions as uint8, 128 higher.

    Processors without a dot-product instruction add pairs of uint8 x int8 products in 16 bits,
    saturated: large operands must both be uint8.
    """
    network = random_network(1)
    model = build_model(network)
    for conv in network.convs:
        stored = numpy_helper.to_array(initialiser(model, f"{conv.name}/weights"))
        assert stored.dtype == np.int8
        np.testing.assert_array_equal(stored.transpose(2, 3, 1, 0), np.where(conv.weights, 1, -1))
    for conv in network.init:
        stored = numpy_helper.to_array(initialiser(model, f"{conv.name}/weights"))
        assert stored.dtype == np.uint8
        np.testing.assert_array_equal(
            stored.transpose(2, 3, 1, 0).astype(np.int32) - 128, conv.weights
        )


def test_same_network_same_bytes_and_only_the_outputs_differ_with_layers() -> None:
    network = random_network(1)
    plain, more = build_model(network), build_model(network, layers=True)
    assert serialise(plain) == serialise(build_model(network))
    assert [value.name for value in plain.graph.output] == [LOGITS]
    assert [value.name for value in more.graph.output] == list(value_names(network))
    assert list(plain.graph.node) == list(more.graph.node)
    assert list(plain.graph.initializer) == list(more.graph.initializer)
    assert unequal(network, more) == []


def test_trained_cifar10() -> None:
    network = IntegerNetwork.load(CIFAR10)
    assert unequal(network, build_model(network), count=1) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fmnist-tiny", "fmnist-small"])
def test_trained_fashion_mnist(name: str) -> None:
    network = integer_network(MODELS / "trained" / name, CALIBRATION)
    images = load_images(TEST_IMAGES).images
    rows = verify(serialise(build_model(network)), network, images)
    assert all(row.equal for row in rows)
