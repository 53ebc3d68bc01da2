"""Published networks: our counts beside what their authors state."""

from __future__ import annotations

import pytest

from hwflow.ace.architectures import ARCHITECTURES, reactnet_a, resnet50
from hwflow.ace.price import Multiplication, Widths, parse_override, price
from hwflow.ace.published import published, published_networks
from hwflow.errors import FlowError


def test_reactnet_a_as_published() -> None:
    network = published("reactnet-a").priced()
    # The authors: 4.82e9 BOPs, 0.12e8 FLOPs, 0.87e8 OPs; the PokeBNN paper: 7.9e9 ACE.
    assert network.binary_macs == 4_816_896_000
    assert network.macs - network.binary_macs == 11_862_016
    assert network.cpu64 == 4_816_896_000 / 64 + 11_862_016
    assert round(network.cpu64 / 1e8, 2) == 0.87
    assert network.total_ace == 7_853_572_096
    assert round(network.total_ace / 1e9, 1) == 7.9
    # What 7.9 is not: first and last layer at 8x8 or at 32x32.
    for bits, ace in ((8, 5.6), (32, 17.0)):
        ends = tuple(parse_override(f"{name}={bits}x{bits}") for name in ("first", "fc"))
        widths = Widths(weight_bits=1, activation_bits=1, overrides=ends)
        other = price("r", "table", reactnet_a().multiplications, widths, None)
        assert round(other.total_ace / 1e9, 1) == ace


def test_resnet_50_as_published() -> None:
    # torchvision: 25,557,032 parameters, 4.089 GMACs; OpenVINO's binary one: 7218 M binary, 960 M float operations.
    table = resnet50(stride_in_3x3=True)
    assert sum(m.weights for m in table.multiplications) + table.other_parameters == 25_557_032
    assert sum(m.macs for m in table.multiplications) == 4_089_184_256
    binary = published("resnet-50-binary-openvino").priced()
    assert 2 * binary.binary_macs // 1_000_000 == 7218
    assert round(2 * (binary.macs - binary.binary_macs) / 1e6, -1) == 960
    for bits in (8, 4, 1):
        assert published(f"resnet-50-{bits}bit").priced().total_ace == 4_089_184_256 * bits * bits


@pytest.mark.slow
def test_counts_are_those_that_were_published() -> None:
    for network in published_networks():
        if network.published_ace is not None:
            counted = network.priced().total_ace
            assert round(counted / 1e9, 1) == round(network.published_ace / 1e9, 1), network.name


def test_every_accuracy_has_a_source() -> None:
    rows = published_networks()
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert len(row.source) > 20
        assert row.top1 is None or 50 < row.top1 < 100
        assert bool(row.preset) != (row.architecture in ARCHITECTURES)


def test_unusable_widths_are_refused() -> None:
    layers = [Multiplication(name="conv1", macs=4, weights=2, dense=False)]
    for text in ("conv1", "conv1=8", "conv1=8x", "=8x8", "conv1=axb"):
        with pytest.raises(FlowError, match="expected PATTERN=WxA"):
            parse_override(text)
    with pytest.raises(FlowError, match="65 bits"):
        Widths(weight_bits=65, activation_bits=1)
    with pytest.raises(FlowError, match="0 bits"):
        Widths(weight_bits=1, activation_bits=1, overrides=(("x", 1, 0),))
    with pytest.raises(FlowError, match="no operation has such a name; there are conv1"):
        price(
            "n", "t", layers, Widths(weight_bits=1, activation_bits=1, overrides=(("fc", 8, 8),)), 0
        )
    with pytest.raises(FlowError, match=r"known: pokebnn-0\.5x"):
        published("alexnet")
