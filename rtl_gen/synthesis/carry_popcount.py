"""Differences of two words counted by carry cells: the module `hwflow_differences` for Lattice ECP5.

Yosys maps a popcount to full adders of two LUT4 each, behind an XOR for every bit. A half of a CCU2C is a full adder of
its own, with an XOR at each of two inputs: S = (A^B) ^ (C^D) ^ carry. What a carry chain costs is its first carry and
the exit of its last one; here one cell does both, for two chains at once:

```
cell   LUT4, generate   S                    carry out
link   0, A^B           the carry before it  A^B: a third bit for the next cell, whatever came before
add    A^B^C^D, A^B     sum bit              carry
```
So three bits of one weight become two in two cells (link, add), two further bits of each higher weight in one cell, and
bits of the input words cost no XOR of their own. 64 differences take 108 half cells; Yosys's adder tree takes 164 LUT4.

Source of the cell's logic: Lattice FPGA-TN-02204 (sysLOGIC), and the equations of Yosys's simulation model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LINK, ADD = "16'h0006", "16'h6996"
"""INIT of the two kinds of half cells; a link has its C and D at 1."""

LONGEST = 24
"""Half cells of a chain, about: three tiles. Longer ones are hard to place, shorter ones cost more ends."""


@dataclass(frozen=True)
class Bit:
    """A bit to be counted: a XOR b, Verilog expressions."""

    a: str
    b: str = "1'b0"


ZERO = Bit("1'b0")


@dataclass(frozen=True)
class HalfCell:
    """Half of a CCU2C: inputs A^B (`first`) and, of an adder, C^D (`second`); `sum`: net at S, if used."""

    first: Bit
    second: Bit | None
    sum: str | None


class _Chains:
    """Chains under construction; nets are bits of one Verilog vector."""

    def __init__(self) -> None:
        self.done: list[list[HalfCell]] = []
        self.nets = 0
        self._chain: list[HalfCell] = []
        self._carry: str | None = None

    def net(self) -> str:
        self.nets += 1
        return f"t[{self.nets - 1}]"

    def link(self, bit: Bit) -> None:
        """Let the carry so far out and start anew with `bit`."""
        if len(self._chain) >= LONGEST:
            self.end()
        self._chain.append(HalfCell(bit, None, self._carry))
        self._carry = None

    def add(self, first: Bit, second: Bit) -> str:
        """Net of the sum of both and the carry."""
        total = self.net()
        self._chain.append(HalfCell(first, second, total))
        return total

    def carry(self) -> str:
        """Net of the carry after the last cell."""
        self._carry = self.net()
        return self._carry

    def end(self) -> None:
        """Finish the chain."""
        if self._carry is not None or len(self._chain) % 2:
            self._chain.append(HalfCell(ZERO, None, self._carry))
        if len(self._chain) % 2:
            self._chain.append(HalfCell(ZERO, None, None))
        if self._chain:
            self.done.append(self._chain)
        self._chain, self._carry = [], None


Columns = dict[int, list[Bit]]
"""Bits by weight: log2 -> bits."""


def _level(columns: Columns, chains: _Chains) -> Columns:
    """One level: every column of three or more bits is cut to about two thirds; at last two-bit columns are added."""
    left = {weight: list(bits) for weight, bits in columns.items()}
    made: Columns = {weight: [] for weight in columns}
    last = all(len(bits) <= 2 for bits in columns.values())
    while True:
        start = next((w for w in sorted(left) if len(left[w]) >= (2 if last else 3)), None)
        if start is None:
            break
        chains.link(left[start].pop(0) if len(left[start]) >= 3 else ZERO)
        weight = start
        while True:
            bits = left.get(weight, [])
            pair = [bits.pop(0) if bits else ZERO for _ in range(2)]
            made.setdefault(weight, []).append(Bit(chains.add(pair[0], pair[1])))
            weight += 1
            if len(left.get(weight, [])) < (1 if last else 2):
                break
        made.setdefault(weight, []).append(Bit(chains.carry()))
    return {weight: left.get(weight, []) + made[weight] for weight in sorted(made)}


def differences(width: int, *, delay: int = 0) -> str:
    """Verilog of `hwflow_differences` for words of `width` bits; `delay` 1: a register half way, 0: none.

    Raises:
        ValueError: width below 2, or another delay.
    """
    if width < 2 or delay not in (0, 1):
        raise ValueError(f"differences of {width} bits with {delay} registers are not made")
    chains = _Chains()
    levels = [{0: [Bit(f"a[{i}]", f"b[{i}]") for i in range(width)]}]
    while any(len(bits) > 1 for bits in levels[-1].values()):
        levels.append(_level(levels[-1], chains))
    registers: list[tuple[str, str]] = []
    if delay:
        # Levels again, with registers after the middle one: the bits that cross are renamed.
        chains = _Chains()
        middle = len(levels) // 2
        columns = levels[0]
        for level in range(1, len(levels)):
            columns = _level(columns, chains)
            if level == middle:
                chains.end()
                columns = {
                    w: [_registered(bit, registers) for bit in bits] for w, bits in columns.items()
                }
        levels.append(columns)
    chains.end()
    out = width.bit_length()
    results = [levels[-1][w][0] if w in levels[-1] else ZERO for w in range(out)]
    lines = [
        f"// The differing bits of two words of {width} bits, counted by carry cells (rtl_gen/synthesis/carry_popcount.py).",
        "module hwflow_differences #(",
        f"    parameter WIDTH = {width}, parameter OUT = {out}, parameter DELAY = {delay}",
        ") (",
        "    input clk,",
        f"    input [{width - 1}:0] a, input [{width - 1}:0] b, output [{out - 1}:0] n",
        ");",
        f"  wire [{chains.nets - 1}:0] t;",
    ]
    if registers:
        lines.append(f"  reg [{len(registers) - 1}:0] r;")
        lines.append("  always @(posedge clk) begin")
        lines += [f"    r[{i}] <= {a} ^ {b};" for i, (a, b) in enumerate(registers)]
        lines.append("  end")
    for number, chain in enumerate(chains.done):
        lines += _cells(number, chain)
    lines += [f"  assign n[{w}] = {bit.a};" for w, bit in enumerate(results)]
    return "\n".join([*lines, "endmodule", ""])


def _registered(bit: Bit, registers: list[tuple[str, str]]) -> Bit:
    registers.append((bit.a, bit.b))
    return Bit(f"r[{len(registers) - 1}]")


def _cells(number: int, chain: list[HalfCell]) -> list[str]:
    lines: list[str] = []
    carry = ""
    for index, halves in enumerate(zip(chain[::2], chain[1::2], strict=True)):
        name = f"chain_{number}_{index}"
        parameters = ['.INJECT1_0("NO")', '.INJECT1_1("NO")']
        ports: list[str] = []
        for side, half in enumerate(halves):
            second = half.second or Bit("1'b1", "1'b1")
            parameters.append(f".INIT{side}({ADD if half.second else LINK})")
            ports += [
                f".A{side}({half.first.a}), .B{side}({half.first.b}), .C{side}({second.a}), "
                f".D{side}({second.b}), .S{side}({half.sum or ''})"
            ]
        lines += [
            f"  wire carry_{number}_{index};",
            f"  CCU2C #({', '.join(parameters)}) {name} (",
            f"    {', '.join(ports)}, .CIN({carry}), .COUT(carry_{number}_{index}));",
        ]
        carry = f"carry_{number}_{index}"
    return lines


def with_carry_cells(text: str, width: int, *, delay: int) -> str:
    """Generated Verilog `text` with its module `hwflow_differences` replaced by `differences`.

    Raises:
        ValueError: `text` has no such module.
    """
    module = re.compile(r"^(?://[^\n]*\n)*module hwflow_differences\b.*?^endmodule\n?", re.M | re.S)
    replaced, count = module.subn(lambda _: differences(width, delay=delay), text)
    if count != 1:
        raise ValueError(f"the Verilog has {count} modules hwflow_differences, expected 1")
    return replaced
