"""Integer networks as files, and the proof of the contract from the parameters."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwflow.errors import FlowError
from models.integer.params import IntegerNetwork
from models.integer.random import random_network, small_config


@pytest.fixture(scope="module")
def net() -> IntegerNetwork:
    return random_network(11)


def changed(value: Any, path: str, new: Any) -> Any:
    """A copy of a dataclass tree with `path` (fields and indices, dotted) replaced by `new`.

    `new` is a value, or a function of the old one.
    """
    head, _, rest = path.partition(".")
    if isinstance(value, tuple):
        index = int(head)
        item = changed(value[index], rest, new)
        return (*value[:index], item, *value[index + 1 :])
    old = getattr(value, head)
    if not rest:
        return dataclasses.replace(value, **{head: new(old) if callable(new) else new})
    return dataclasses.replace(value, **{head: changed(old, rest, new)})


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return [x for n in names for x in leaves(getattr(value, n), f"{path}.{n}")]
    if isinstance(value, tuple):
        return [x for i, item in enumerate(value) for x in leaves(item, f"{path}.{i}")]
    return [(path, value)]


def test_save_and_load_give_the_same_network_and_bytes(net: IntegerNetwork, tmp_path: Path) -> None:
    net.save(tmp_path / "a.npz")
    loaded = IntegerNetwork.load(tmp_path / "a.npz")
    loaded.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert loaded.content_hash() == net.content_hash()
    for (path, wanted), (_, found) in zip(leaves(net), leaves(loaded), strict=True):
        assert type(found) is type(wanted), path
        if isinstance(wanted, np.ndarray):
            assert found.dtype == wanted.dtype, path
            np.testing.assert_array_equal(found, wanted, err_msg=path)
        else:
            assert found == wanted, path
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_every_parameter_is_in_the_hash(net: IntegerNetwork) -> None:
    hashes = {net.content_hash()}
    edits: list[tuple[str, Any]] = [
        ("name", "other"),
        ("convs.2.r_shift", lambda x: x + 1),
        ("convs.0.weights", lambda w: ~w),
        ("convs.1.se.fc2.beta", lambda b: b + 1),
        ("dense.logit_exponent", 3),
        ("input_table", lambda t: np.roll(t, 1)),
    ]
    for path, new in edits:
        hashes.add(changed(net, path, new).content_hash())
    assert len(hashes) == len(edits) + 1


def test_missing_short_and_damaged_files(net: IntegerNetwork, tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    with pytest.raises(FlowError, match=r"net\.npz: not found"):
        IntegerNetwork.load(path)
    net.save(path)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for length in [0, 1, 100, len(data) // 2, len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(FlowError, match=r"net\.npz: not a usable integer network"):
            IntegerNetwork.load(path)
    for position in rng.integers(0, len(data), 60):
        damaged = bytearray(data)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            # A few bits of a zip file (time stamps) carry no content.
            assert IntegerNetwork.load(path).content_hash() == net.content_hash()
        except FlowError as error:
            assert "net.npz" in str(error)
    path.write_bytes(b"PK not a zip file")
    with pytest.raises(FlowError, match="export it again"):
        IntegerNetwork.load(path)


def test_a_loaded_network_is_validated(net: IntegerNetwork, tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    changed(net, "convs.0.r_shift", 23).save(path)
    with pytest.raises(FlowError, match=r"resblock0-1: r_shift is 23"):
        IntegerNetwork.load(path)


def at(index: int, value: int) -> Any:
    """Sets one element."""

    def edit(array: Any) -> Any:
        copy = array.copy()
        copy[index] = value
        return copy

    return edit


@pytest.mark.parametrize(
    ("path", "new", "message"),
    [
        ("convs.1.vector.pos", at(3, 32765), r"resblock0-2: pos is 32765, expected -32764\.\."),
        ("convs.1.vector.alpha", at(0, 40000), r"resblock0-2: alpha is 40000"),
        ("convs.1.vector.beta", at(0, 1 << 23), r"resblock0-2: beta is 8388608"),
        ("convs.1.vector.alpha_shift", at(0, 31), r"alpha_shift is 31, expected 0\.\.30"),
        ("convs.1.vector.out_shift", at(0, -1), r"out_shift is -1"),
        ("convs.1.vector.bias_y", at(0, -32769), r"bias_y is -32769"),
        ("convs.1.vector.out_bits", 8, r"resblock0-2: out_bits is 8, expected 16"),
        ("convs.1.vector.offset", lambda o: o.astype(np.int64), r"offset is int64\[8\]"),
        ("convs.4.weights", lambda w: w[..., 1:], r"resblock1-2: weights is bool\[3, 3, 16, 15\]"),
        ("convs.4.in_exponent", 99, r"resblock1-2: in_exponent is 99"),
        ("convs.4.local", "pad", r"resblock1-2: local is pad, expected identity"),
        ("convs.4.pool_local", False, r"resblock1-2: pool_local is False, expected True"),
        ("convs.4.stride", 3, r"resblock1-2: stride is 3"),
        ("convs.3.local_group", 4, r"resblock1-1: local_group is 4, expected 2"),
        ("convs.5.long_channels", 16, r"resblock1-3: long_channels is 16, expected 32"),
        ("convs.5.r1_shift", 9, r"resblock1-3: r1_shift is 9"),
        ("convs.5.pool_long", False, r"resblock1-3: pool_long is False"),
        ("convs.5.se.fc1_weights", lambda w: w + 8, r"resblock1-3 SE: fc1_weights"),
        ("convs.5.se.mean.hi", 8, r"resblock1-3 SE mean: range is \(-7, 8\)"),
        ("convs.5.se.mean.acc_shift", 0, r"resblock1-3 SE mean: acc_shift is 0, expected 4"),
        ("convs.5.se.fc2.beta", at(0, (1 << 31) - 1), r"SE fc2: \|alpha\*x'\| \+ \|beta\|"),
        ("convs.5.se.act_bits", 5, r"act_bits is 5, expected 4 or 8"),
        ("init.0.kernel", 3, r"init_conv: out_shape"),
        (
            "init.0.vector.acc_shift",
            0,
            r"init_conv: shifted accumulator is \d+, expected 0\.\.32767",
        ),
        ("init.1.groups", 3, r"init_conv_group: channels modulo groups"),
        ("init_stride", 5, r"image: height and width modulo init_stride"),
        ("input_table", lambda t: t[1:], r"image: input_table is int8\[255, 1\]"),
        ("dense.logits.alpha", at(0, -32769), r"dense: alpha is -32769"),
        ("dense.weights", lambda w: w.T, r"dense: weights is int8\[10, 64\]"),
        ("classes", 9, r"dense: weights is int8\[64, 10\], expected int8\[64, 9\]"),
    ],
)
def test_each_violation_is_named(net: IntegerNetwork, path: str, new: Any, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        changed(net, path, new).validate()


def test_v_is_proved_for_the_worst_input(net: IntegerNetwork) -> None:
    loud = changed(net, "convs.1.vector.alpha", lambda a: np.full_like(a, 32767))
    loud = changed(loud, "convs.1.vector.alpha_shift", lambda a: np.full_like(a, 1))
    loud.validate()  # 72 taps * 32767 / 2 is within s24
    with pytest.raises(FlowError, match=r"resblock0-2: \|v\| is \d+, expected 0\.\.8388607"):
        changed(loud, "convs.1.vector.beta", at(0, (1 << 23) - 1)).validate()


def test_wide_layers_validate() -> None:
    random_network(0, small_config(init_out=64, stages=((1, 64, 1),))).validate()
