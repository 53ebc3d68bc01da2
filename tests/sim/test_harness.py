"""The harness, around a small stand-in that copies memory to the result stream and the taps."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwflow.errors import FlowError
from sim import model, runner
from sim.memory import MemoryTiming, for_fread

HERE = Path(__file__).parent
BEAT = 16
SCHEDULE, IMAGE, SECOND = 20, 40, 41
COUNT = 3


@pytest.fixture(scope="module")
def built() -> runner.BuiltModel:
    sources = {"echo_accelerator.sv": (HERE / "echo_accelerator.sv").read_text()}
    return model.build_model("echo", sources, memory_bytes=BEAT, memory_beats=64)


@pytest.fixture(scope="module")
def contents() -> tuple[bytes, bytes]:
    rng = np.random.default_rng(3)
    memory = bytearray(rng.bytes(IMAGE * BEAT))
    memory[SCHEDULE * BEAT : SCHEDULE * BEAT + 4] = SECOND.to_bytes(4, "little")
    return bytes(memory), rng.bytes(COUNT * 8 * BEAT)


def expected_words(memory: bytes, images: bytes, image: int) -> list[int]:
    area = memory + images[image * 8 * BEAT : (image + 1) * 8 * BEAT]
    beats = [
        area[i * BEAT : i * BEAT + 8]
        for i in (*range(SCHEDULE, SCHEDULE + 4), *range(SECOND, SECOND + 6))
    ]
    return [int.from_bytes(beat, "little") for beat in beats]


def run_harness(
    folder: Path,
    built: runner.BuiltModel,
    contents: tuple[bytes, bytes],
    timing: MemoryTiming,
    **options: Any,
) -> tuple[list[int], dict[int, int]]:
    """Result words and cycles of each image."""
    memory, images = contents
    (folder / "memory.bin").write_bytes(for_fread(memory, BEAT))
    (folder / "images.bin").write_bytes(for_fread(images, BEAT))
    plusargs = {
        "memory": "memory.bin",
        "memory_beats": IMAGE,
        "images": "images.bin",
        "image_address": IMAGE,
        "image_beats": 8,
        "image_count": COUNT,
        "schedule": SCHEDULE,
        "result": "result.bin",
        "frames": "frames.bin",
        "progress": "progress.txt",
        "limit": 2000,
        **timing.plusargs(),
        **options,
    }
    runner.run(
        built, "sim.benches.whole_network", folder=folder, plusargs=plusargs, timeout=60
    ).check()
    words = np.fromfile(folder / "result.bin", "<u8").tolist()
    frames = np.fromfile(folder / "frames.bin", "<u4").reshape(-1, 2)
    return words, {int(image): int(cycles) for image, cycles in frames}


@pytest.mark.parametrize(
    "timing",
    [
        MemoryTiming(latency=1),
        MemoryTiming(latency=20, bandwidth=Fraction(1, 3)),
        MemoryTiming(latency=3, bandwidth=Fraction(7, 8), stall=128, result_stall=100, seed=9),
    ],
    ids=["fast", "slow", "stalls"],
)
def test_delivers_memory_in_order(
    tmp_path: Path, built: runner.BuiltModel, contents: tuple[bytes, bytes], timing: MemoryTiming
) -> None:
    words, frames = run_harness(tmp_path, built, contents, timing)
    assert words == [word for image in range(COUNT) for word in expected_words(*contents, image)]
    assert list(frames) == [0, 1, 2]


def test_timing_is_as_asked(
    tmp_path: Path, built: runner.BuiltModel, contents: tuple[bytes, bytes]
) -> None:
    def cycles(**options: Any) -> int:
        return run_harness(tmp_path, built, contents, MemoryTiming(**options))[1][1]

    # The second request follows the first one's first beat, so both latencies are exposed.
    assert cycles(latency=21) == cycles(latency=11) + 20
    assert cycles(latency=1, bandwidth=Fraction(1, 4)) >= 4 * 9 > cycles(latency=1)


def test_one_image_and_taps(
    tmp_path: Path, built: runner.BuiltModel, contents: tuple[bytes, bytes]
) -> None:
    words, frames = run_harness(
        tmp_path, built, contents, MemoryTiming(), image_first=1, image_count=1, trace="t_"
    )
    assert words == expected_words(*contents, 1)
    assert list(frames) == [1]
    records = np.fromfile(tmp_path / "t_store.bin", "<u4").reshape(-1, 5)
    tapped = [
        int.from_bytes(record[:3].tobytes(), "little") >> 1 & (2**64 - 1) for record in records
    ]
    assert tapped == words
    assert set(records[:, 3].tolist()) == {1}
    assert records[-1, 4] == frames[1] - 1, "done follows the last word by one cycle"
    assert (tmp_path / "t_pool.bin").stat().st_size == 0


def test_complaints(
    tmp_path: Path, built: runner.BuiltModel, contents: tuple[bytes, bytes]
) -> None:
    with pytest.raises(AssertionError, match="more cycles than the limit"):
        run_harness(tmp_path, built, contents, MemoryTiming(), limit=5)
    with pytest.raises(AssertionError, match="images file is too short"):
        run_harness(tmp_path, built, contents, MemoryTiming(), image_first=COUNT)
    with pytest.raises(AssertionError, match="outside the memory"):
        run_harness(tmp_path, built, contents, MemoryTiming(), schedule=100_000)


def test_memory_timing_refuses() -> None:
    with pytest.raises(FlowError, match=r"latency 0 .* nearest valid: 1"):
        MemoryTiming(latency=0)
    with pytest.raises(FlowError, match="bandwidth 2"):
        MemoryTiming(bandwidth=Fraction(2))


def test_for_fread() -> None:
    assert for_fread(bytes(range(6)), 4) == bytes([3, 2, 1, 0, 0, 0, 5, 4])


def test_missing_tap() -> None:
    with pytest.raises(FlowError, match="no output tap_mean"):
        model.tap_bits("module accelerator(\n  output [3:0] tap_store);\nendmodule")
    with pytest.raises(FlowError, match="no module"):
        model.tap_bits("module other; endmodule")
