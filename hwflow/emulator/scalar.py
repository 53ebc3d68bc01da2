"""MEAN, FC and AFFINE."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hwflow import numerics
from hwflow.emulator.memory import unpack_nibbles
from hwflow.emulator.state import ArrayCounts, State
from hwflow.isa import FcDest
from hwflow.memories import ceil_div
from hwflow.tokens import group_units, padding_records

Instruction = dict[str, int]
Ints = npt.NDArray[np.int32]


def run_mean(entry: Instruction, state: State) -> Ints:
    """Means (N, count) of the channel sums, into vector memory A."""
    count = entry["count"]
    names = ("alpha", "beta", "shift")
    if entry["records"]:
        records = state.take_constants(count)
        state.constant_ring.take(padding_records(count, state.config))
        arrays = {name: records[f"scalar_{name}"] for name in names}
    else:
        arrays = {name: np.array([entry[name]], np.int32) for name in names}
    constants = numerics.ScalarParams(
        acc_shift=entry["acc_shift"], lo=entry["lo"], hi=entry["hi"], **arrays
    )
    means = numerics.scalar(state.sums[:, :count], constants)
    state.vectors["means"][:, :count] = means
    state.sum_tokens -= ceil_div(count, state.config.cols)
    return means


def run_fc(entry: Instruction, state: State) -> tuple[Ints, ArrayCounts]:
    """Outputs (N, outputs) to vector memory B, the channel constants or the logits."""
    config, steps, outputs = state.config, entry["steps"], entry["outputs"]
    source = state.vectors["hidden" if entry["hidden"] else "means"]
    operands = source[:, : steps * config.fc_inputs].astype(np.float64)
    groups = ceil_div(outputs, config.cols)
    results: list[Ints] = []
    for group in range(groups):
        data = state.mac_ring.take(group_units(entry)).tobytes()
        words = np.frombuffer(data if entry["wide"] else unpack_nibbles(data), np.int8)
        split = words.reshape(steps, config.rows, config.cols, config.mac_depth)
        weights = split.transpose(0, 1, 3, 2).reshape(-1, config.cols).astype(np.float64)
        sums = (operands @ weights).astype(np.int32)
        first = group * config.cols
        count = min(config.cols, outputs - first)
        records = state.take_constants(count)
        constants = numerics.ScalarParams(
            acc_shift=entry["acc_shift"],
            alpha=records["scalar_alpha"],
            beta=records["scalar_beta"],
            shift=records["scalar_shift"],
            lo=entry["lo"],
            hi=entry["hi"],
        )
        values = numerics.scalar(sums[:, :count], constants)
        if entry["dest"] == FcDest.HIDDEN:
            state.vectors["hidden"][:, first : first + count] = values
        elif entry["dest"] == FcDest.SCALE:
            _set_constants(state, first, records, values)
            state.scale_tokens += 1
        results.append(values)
    state.constant_ring.take(padding_records(outputs, config))
    depth = steps * config.fc_inputs
    counts = ArrayCounts(
        issue=groups * steps,
        useful=entry["inputs"] * outputs,
        masked=0,
        k_padding=(depth - entry["inputs"]) * outputs,
        channel_padding=depth * (groups * config.cols - outputs),
        pixel_padding=0,
    )
    return np.concatenate(results, axis=1), counts


def run_affine(entry: Instruction, state: State) -> None:
    """Constants of `count` channels with s = 1.0."""
    cols = state.config.cols
    for first in range(0, entry["count"], cols):
        count = min(cols, entry["count"] - first)
        records = state.take_constants(count)
        one = np.full((state.images, count), numerics.SE_ONE, np.int32)
        _set_constants(state, first, records, one)
        state.scale_tokens += 1
    state.constant_ring.take(padding_records(entry["count"], state.config))


def _set_constants(state: State, first: int, records: dict[str, Ints], s: Ints) -> None:
    lanes = slice(first, first + s.shape[1])
    fields = {name: v for name, v in records.items() if not name.startswith("scalar_")}
    pair = numerics.affine_pair(
        numerics.VectorParams(acc_shift=0, out_bits=state.config.residual_bits, **fields), s
    )
    for name, values in state.constants.items():
        values[lanes] = records[name]
    for name, values in pair._asdict().items():
        state.pairs[name][:, lanes] = values
