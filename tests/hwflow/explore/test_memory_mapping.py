"""What memories become on an ECP5: the formulas beside Yosys's own choice, over shapes around every threshold."""

import json
import random
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwflow.config import load_target
from hwflow.explore.memories import all_mapped, image_blocks
from hwflow.explore.memory_mapping import Mapped, Memory, mapped
from rtl_gen.synthesis.yosys import run_yosys

WIDTHS = (1, 8, 14, 16, 21, 25, 32, 33, 36, 48, 64, 96, 128, 152, 216, 256)
DEPTHS = (2, 8, 16, 17, 31, 32, 48, 64, 100, 128, 256, 400, 512, 513, 700, 1024, 1500, 2048, 4096)
MOST_BITS = 300_000
SHAPES = 60


def shapes() -> list[Memory]:
    """Words of any width, whole or with write enables; few words and many."""
    draw = random.Random(3)
    found: list[Memory] = []
    while len(found) < SHAPES:
        granule = draw.choice((0, 0, 8, 10, 16, 64))
        width, depth = draw.choice(WIDTHS), draw.choice(DEPTHS)
        if granule:
            width = granule * max(2, width // granule)
        if width * depth <= MOST_BITS:
            distributed = depth <= 64 and draw.random() < 0.2
            found.append(Memory(width, depth, granule, distributed))
    return found


def chosen_by_yosys(memories: list[Memory], folder: Path) -> list[tuple[int, int]]:
    """Block RAMs and distributed memories that Yosys makes of rtl_gen/ram.sv with these parameters."""
    ports, units = ["input clk"], [""]
    for n, memory in enumerate(memories):
        address, granule = (memory.depth - 1).bit_length(), memory.granule or memory.width
        ports += [
            f"input re{n}, input [{address - 1}:0] ra{n}, wa{n}",
            f"input [{memory.width // granule - 1}:0] we{n}, input [{memory.width - 1}:0] wd{n}",
            f"output [{memory.width - 1}:0] rd{n}",
        ]
        style = "distributed" if memory.distributed else "auto"
        units.append(
            f"hwflow_ram #(.WIDTH({memory.width}), .DEPTH({memory.depth}), .ADDRESS({address}), .GRANULE({granule}), "
            f'.STYLE("{style}")) u{n} (.clk(clk), .read_enable(re{n}), .read_address(ra{n}), .read_data(rd{n}), '
            f".write_enable(we{n}), .write_address(wa{n}), .write_data(wd{n}));"
        )
    unit = resources.files("rtl_gen").joinpath("ram.sv").read_text()
    text = f"{unit}\nmodule top({', '.join(ports)});\n" + "\n".join(units) + "\nendmodule\n"
    libraries = "-lib +/lattice/lutrams_trellis.txt -lib +/lattice/brams_16kd.txt"
    commands = [
        *("read_verilog -sv -D SYNTHESIS design.sv", "hierarchy -top top", "proc", "opt"),
        *("memory -nomap", "opt_clean", f"memory_libmap {libraries}", "write_json netlist.json"),
    ]
    run_yosys(commands, folder, inputs={"design.sv": text})
    modules = json.loads((folder / "netlist.json").read_text())["modules"]
    found: list[tuple[int, int]] = []
    for n in range(len(memories)):
        module = modules[modules["top"]["cells"][f"u{n}"]["type"]]
        kinds = [cell["type"] for cell in module["cells"].values()]
        blocks = sum(kind in {"$__DP16KD_", "$__PDPW16KD_"} for kind in kinds)
        found.append((blocks, kinds.count("$__TRELLIS_DPR16X4_")))
    return found


def test_the_formulas_are_yosys_choice(tmp_path: Path) -> None:
    memories = shapes()
    expected = chosen_by_yosys(memories, tmp_path)
    assert [(each.ebr, each.dpr) for each in map(mapped, memories)] == expected
    kinds = {(blocks > 0, distributed > 0) for blocks, distributed in expected}
    assert {(True, False), (False, True)} <= kinds


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (Memory(32, 128), Mapped(ebr=1)),
        (Memory(128, 1536, 16), Mapped(ebr=12, multiplexed=256)),
        (Memory(14, 16), Mapped(dpr=4, registers=14)),
        (Memory(8, 2), Mapped(dpr=2, registers=8)),
        (Memory(21, 64, distributed=True, count=2), Mapped(dpr=48, multiplexed=126, registers=42)),
    ],
)
def test_memories_by_hand(memory: Memory, expected: Mapped) -> None:
    assert mapped(memory) == expected


@given(st.integers(1, 256), st.integers(2, 8192), st.integers(1, 4))
def test_more_words_take_no_less(width: int, depth: int, times: int) -> None:
    """In bits of storage: a deeper memory may go from distributed memories to block RAM."""

    def bits(cells: Mapped) -> int:
        return cells.ebr * 18432 + cells.dpr * 64 + cells.registers

    small, large = mapped(Memory(width, depth)), mapped(Memory(width, 2 * depth, count=times))
    assert bits(small) >= width * depth
    assert bits(large) >= times * width * depth


def test_an_image_in_block_ram() -> None:
    """fmnist-tiny's: docs/board.md."""
    config = load_target("ecp5-25f")
    assert image_blocks(config, -(-113_248 // config.memory_bytes)) == 56
    assert image_blocks(config, -(-270_624 // config.memory_bytes)) == 134
    assert image_blocks(config, 0) == 0


def test_every_shipped_memory_is_mapped() -> None:
    assert sum(each.ebr for each in all_mapped(load_target("ecp5-25f")).values()) == 64
