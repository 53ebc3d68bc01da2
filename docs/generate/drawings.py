"""The drawings of docs/overview.md; every number on them comes from a target."""

from __future__ import annotations

from docs.generate.svg import Drawing
from hwflow import isa, timing
from hwflow.config import AcceleratorConfig, load_target

TARGET = "ecp5-25f"
"""The accelerator that is drawn: that of the board."""


def flow() -> str:
    """From a checkpoint to a board, by package."""
    d = Drawing(860, 330, "Data flow from models through hwflow to rtl_gen and sim")
    for x, w, name in (
        (10, 250, "models"),
        (270, 290, "hwflow"),
        (570, 280, "rtl_gen, sim"),
    ):
        d.box(x, 30, w, 290, fill="plain")
        d.text(x + w / 2, 22, name, size=14, bold=True, anchor="middle")
    d.box(30, 45, 210, 42, "float model\nhwflow train", "blue")
    d.box(30, 130, 210, 42, "integer network\nhwflow quantise", "blue")
    d.arrow((135, 87), (135, 130), label="fold, calibrate")
    d.box(30, 245, 210, 52, "expected values\nevery stored bit, signatures", "green")
    d.arrow((135, 172), (135, 245), label="numpy or JAX")
    d.box(290, 130, 120, 42, "compiler\nhwflow lower", "orange")
    d.arrow((240, 151), (290, 151))
    d.box(430, 45, 115, 42, "ACE\nhwflow ace", "yellow")
    d.arrow((240, 66), (430, 66), label="traced")
    d.box(430, 118, 115, 66, "schedule\nmemory image\nmanifest", "orange")
    d.arrow((410, 151), (430, 151))
    d.box(290, 245, 120, 52, "emulator\nhwflow emulate", "green")
    d.arrow((350, 172), (350, 245))
    d.box(430, 245, 115, 52, "cycle model\nhwflow cycles", "green")
    d.arrow((487, 184), (487, 245))
    d.box(590, 45, 240, 42, "accelerator's Verilog\nhwflow verilog", "rose")
    d.arrow((545, 136), (570, 136), (570, 66), (590, 66))
    d.text(578, 102, "target", size=11)
    d.box(590, 118, 110, 66, "board\nhwflow bitstream\nhwflow run", "rose")
    d.box(720, 118, 110, 66, "simulation\nhwflow sim", "rose")
    d.arrow((645, 87), (645, 118))
    d.arrow((775, 87), (775, 118))
    d.box(590, 245, 240, 52, "compared, reconciled\nhwflow reconcile, hwflow report", "green")
    d.arrow((775, 184), (775, 245), label="records")
    d.arrow((645, 184), (645, 245), label="records")
    d.arrow((240, 290), (270, 290), (270, 308), (580, 308), (580, 284), (590, 284))
    d.arrow((545, 262), (590, 262))
    return d.svg()


def accelerator() -> str:
    """Units, and the bits a cycle between them."""
    c = load_target(TARGET)
    bits = 8 * c.memory_bytes
    d = Drawing(980, 520, f"Block diagram of the accelerator, bits a cycle on target {c.name}")
    d.text(20, 26, f"Bits a cycle on target {c.name}: {_letters(c)}", size=13, bold=True)
    d.box(20, 50, 130, 60, "memory\nbeats of B bytes", "plain")
    d.box(220, 50, 130, 60, "loader\nLOADs, dispatch", "orange")
    d.arrow((220, 68), (150, 68), label="address")
    d.arrow((150, 94), (220, 94))
    d.text(185, 90, f"{bits}", size=11, anchor="middle")
    d.box(440, 40, 150, 34, "CONV queue", "plain", bold=False)
    d.box(440, 84, 150, 34, "scalar queue", "plain", bold=False)
    instruction = 8 * isa.INSTRUCTION_BYTES
    d.arrow((350, 57), (440, 57), label=f"{instruction}")
    d.arrow((350, 101), (440, 101), label=f"{instruction}")
    d.box(200, 165, 170, 44, "weight ring\nwords of C x K", "yellow")
    d.box(200, 225, 170, 44, "8-bit ring\nwords of R x C x Km bytes", "yellow")
    d.box(200, 285, 170, 44, "constant ring\nrecords", "yellow")
    d.arrow((285, 110), (285, 165))
    for y in (247, 307):
        d.arrow((230, 110), (230, 140), (180, 140), (180, y), (200, y))
    d.text(290, 140, f"{bits}", size=11)
    d.box(660, 40, 150, 78, "sequencer\nfor group, tile, tap, word:\none step a cycle", "orange")
    d.arrow((590, 57), (660, 57))
    d.box(440, 165, 150, 44, f"bit memory\n{c.banks} banks of K bits", "blue")
    d.box(440, 225, 150, 44, f"byte memory\n{c.banks} banks of C bytes", "blue")
    d.arrow((700, 118), (700, 146), (480, 146), (480, 165))
    d.text(600, 142, "addresses", size=11)
    d.box(660, 165, 150, 44, "binary array\nR x C PEs, systolic", "green")
    d.box(660, 225, 150, 44, "MAC array\nR x C PEs of Km", "green")
    d.arrow((590, 187), (660, 187), label=f"{c.rows * c.popcount_width}")
    d.arrow((590, 247), (660, 247), label=f"{8 * c.rows * c.mac_depth}")
    d.arrow((370, 178), (405, 178), (405, 156), (640, 156), (640, 174), (660, 174))
    d.text(388, 152, f"weights {c.cols * c.popcount_width}", size=11)
    d.arrow((370, 258), (405, 258), (405, 280), (640, 280), (640, 260), (660, 260))
    d.text(410, 293, f"weights {8 * c.mac_lanes}", size=11)
    group = 24 * c.vector_lanes
    d.box(660, 330, 150, 60, "vector lanes\nG x C: scale, shortcuts,\nDPReLU, saturate", "green")
    d.arrow((810, 187), (850, 187), (850, 345), (810, 345))
    d.arrow((810, 247), (850, 247))
    d.text(858, 300, f"group stream {group}", size=11)
    d.box(440, 320, 150, 80, "residual memories\nmain, side, pool\nG banks of C x s16", "blue")
    stored = 16 * c.vector_lanes
    d.arrow((590, 345), (660, 345), label=f"{stored}")
    d.arrow((660, 378), (590, 378))
    d.text(625, 394, f"{stored}", size=11, anchor="middle")
    d.box(660, 430, 150, 60, "channel sums\nmeans, 3x3 pool,\nsignature", "green")
    d.arrow((735, 390), (735, 430), label=f"{stored}")
    d.arrow((810, 370), (955, 370), (955, 128), (560, 128), (560, 165), dashed=True)
    d.text(862, 366, f"signs {c.vector_lanes}", size=11)
    d.box(200, 430, 170, 60, "scalar engine\nMEAN, FC, AFFINE, END", "orange")
    d.arrow((660, 460), (370, 460), label="sums, 32, a channel a cycle")
    d.arrow((250, 329), (250, 430), label=f"{isa.CONSTANT_BITS}, a record a cycle")
    d.arrow((370, 445), (400, 445), (400, 415), (700, 415), (700, 390))
    d.text(410, 411, "channel constants: p, n, q, ...", size=11)
    d.arrow((440, 110), (385, 110), (385, 400), (345, 400), (345, 430), dashed=True)
    d.text(304, 418, "instructions", size=11, anchor="middle")
    d.arrow((200, 475), (30, 475), label="results, 64")
    return d.svg()


def _letters(c: AcceleratorConfig) -> str:
    return (
        f"R {c.rows}, C {c.cols}, K {c.popcount_width}, G {c.pixel_lanes}, Km {c.mac_depth}, "
        f"B {c.memory_bytes}"
    )


def systolic() -> str:
    """In which cycle each PE of the binary array has the same step."""
    c = load_target(TARGET)
    rows, cols = c.row_groups, c.cols
    d = Drawing(820, 340, f"Skew of the binary array on target {c.name}")
    left, top, w, h = 150, 92, 74, 44
    d.text(
        20, 24, f"Cycles after the first PE has a step ({c.name}: {rows} row groups of {c.pixel_lanes}, "
        f"{cols} columns)", size=13, bold=True,
    )  # fmt: skip
    for column in range(cols):
        x = left + column * w
        d.text(x + w / 2 - 3, 52, f"weights {column}", size=11, anchor="middle")
        d.arrow((x + w / 2 - 3, 58), (x + w / 2 - 3, top))
    fills = ("blue", "orange", "green", "yellow", "rose")
    for row in range(rows):
        y = top + row * h
        d.text(20, y + 22, f"pixels of group {row}", size=11)
        d.arrow((118, y + 17), (left, y + 17))
        for column in range(cols):
            late = row + column
            d.box(
                left + column * w, y, w - 6, h - 8, f"+{late}", fills[late % len(fills)], bold=False
            )
    bottom = top + rows * h
    d.text(
        20,
        bottom + 24,
        "Operands hop a column and a row group a cycle: PEs of one tint have the same cycle modulo 5.",
    )
    wait = cols + timing.binary_pe_latency(c)
    d.text(
        20, bottom + 44,
        f"Sums wait in a small memory a column; row groups leave together, {rows} cycles in a row, from C + "
        f"{timing.binary_pe_latency(c)} = {wait}",
    )  # fmt: skip
    d.text(
        20,
        bottom + 62,
        f"cycles after a tile's last step on: {c.pixel_lanes} pixel x {cols} channels a cycle.",
    )
    return d.svg()


def banks() -> str:
    """Why an odd number of banks: R pixels one or two apart lie in distinct ones."""
    c = load_target(TARGET)
    count = c.banks
    d = Drawing(820, 250, f"Pixels in banks on target {c.name}")
    d.text(
        20,
        24,
        f"Slot i (pixel y*W + x) lies in bank i mod {count}, row i div {count} (R {c.rows})",
        size=13,
        bold=True,
    )
    for at, (stride, first) in enumerate(((1, 3), (2, 3))):
        left = 30 + at * 400
        wanted = [first + stride * n for n in range(c.rows)]
        d.text(
            left, 54, f"stride {stride}: slots {', '.join(map(str, wanted))}", size=12, bold=True
        )
        for bank in range(count):
            d.text(left + 30 + bank * 68, 76, f"bank {bank}", size=11, anchor="middle", faint=True)
            for row in range(3):
                slot = row * count + bank
                fill = "orange" if slot in wanted else "plain"
                d.box(left + bank * 68, 84 + row * 42, 60, 34, str(slot), fill, bold=slot in wanted)
    d.text(20, 234, "One read a bank a cycle: the R taps of a step never meet, at either stride.")
    return d.svg()
