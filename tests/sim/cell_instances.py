"""Instances of every ECP5 cell in one module, each with what it must give, from the descriptions of the cells.

Every instance takes bits of one random word x; its outputs are bits of one word y.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

INPUTS = 160


@dataclass
class Instance:
    """`text`: its Verilog, with `{out}` for the outputs as a concatenation's slice; bits: of the output.

    edge(x): what a rising clock edge does; value(x): the output for input x. known: whether the output is defined.
    """

    text: str
    bits: int
    value: Callable[[int], int]
    edge: Callable[[int], None] = field(default=lambda x: None)


def take(x: int, low: int, bits: int) -> int:
    return x >> low & (1 << bits) - 1


def lut(init: int, low: int) -> Instance:
    text = (
        f"LUT4 #(.INIT(16'h{init:x})) {{name}} (.A(x[{low}]), .B(x[{low + 1}]), .C(x[{low + 2}]), "
        f".D(x[{low + 3}]), .Z({{out}}));"
    )
    return Instance(text, 1, lambda x: init >> take(x, low, 4) & 1)


def pfumx() -> Instance:
    text = "PFUMX {name} (.ALUT(x[0]), .BLUT(x[1]), .C0(x[2]), .Z({out}));"
    return Instance(text, 1, lambda x: x & 1 if x >> 2 & 1 else x >> 1 & 1)


def l6mux21() -> Instance:
    text = "L6MUX21 {name} (.D0(x[0]), .D1(x[1]), .SD(x[2]), .Z({out}));"
    return Instance(text, 1, lambda x: x >> 1 & 1 if x >> 2 & 1 else x & 1)


def carry(inits: tuple[int, int], inject: tuple[str, str]) -> Instance:
    """Two full bits of a carry chain; x[0] the carry in, then A, B, C, D of each."""
    pins = ", ".join(
        f".{pin}{i}(x[{1 + 4 * i + 'ABCD'.index(pin)}])" for i in (0, 1) for pin in "ABCD"
    )
    text = (
        f"CCU2C #(.INIT0(16'h{inits[0]:x}), .INIT1(16'h{inits[1]:x}), "
        f'.INJECT1_0("{inject[0]}"), .INJECT1_1("{inject[1]}")) {{name}} '
        f"(.CIN(x[0]), {pins}, .S0({{out}}[0]), .S1({{out}}[1]), .COUT({{out}}[2]));"
    )

    def value(x: int) -> int:
        chain, sums = x & 1, 0
        for i in (0, 1):
            pins = take(x, 1 + 4 * i, 4)
            table, short = inits[i] >> pins & 1, inits[i] >> (pins & 3) & 1
            cut = inject[i] == "YES"
            sums |= (table ^ (0 if cut else chain)) << i
            chain = chain if table else (0 if cut else short)
        return sums | chain << 2

    return Instance(text, 3, value)


def multiplier(signed_a: int, signed_b: int) -> Instance:
    pins = ", ".join(
        [f".A{i}(x[{i}])" for i in range(18)]
        + [f".B{i}(x[{18 + i}])" for i in range(18)]
        + [f".C{i}(1'b0)" for i in range(18)]
        + [f".P{i}({{out}}[{i}])" for i in range(36)]
    )
    text = (
        f"MULT18X18D {{name}} ({pins}, .SIGNEDA(1'b{signed_a}), .SIGNEDB(1'b{signed_b}), "
        ".SOURCEA(1'b0), .SOURCEB(1'b0));"
    )

    def value(x: int) -> int:
        a, b = take(x, 0, 18), take(x, 18, 18)
        a -= a >> 17 << 18 if signed_a else 0
        b -= b >> 17 << 18 if signed_b else 0
        return a * b & (1 << 36) - 1

    return Instance(text, 36, value)


def registered_multiplier(operands: str, product: str) -> Instance:
    """A signed multiplier with registers at both operands, enabled by the clock enable `operands`, and at its product."""
    pins = ", ".join(
        [f".A{i}(x[{i}])" for i in range(18)]
        + [f".B{i}(x[{18 + i}])" for i in range(18)]
        + [f".P{i}({{out}}[{i}])" for i in range(36)]
        + [f".CE{i}(x[{36 + i}])" for i in range(4)]
    )
    parameters = ", ".join(
        f'.REG_{register}_CLK("CLK0"), .REG_{register}_CE("{enable}")'
        for register, enable in (("INPUTA", operands), ("INPUTB", operands), ("OUTPUT", product))
    )
    text = (
        f"MULT18X18D #({parameters}) {{name}} ({pins}, .SIGNEDA(1'b1), .SIGNEDB(1'b1), .SOURCEA(1'b0), "
        ".SOURCEB(1'b0), .CLK0(clk), .RST0(1'b0));"
    )
    held = [0, 0, 0]

    def edge(x: int) -> None:
        if take(x, 36 + int(product[-1]), 1):
            held[2] = held[0] * held[1]
        if take(x, 36 + int(operands[-1]), 1):
            held[0], held[1] = (n - (n >> 17 << 18) for n in (take(x, 0, 18), take(x, 18, 18)))

    return Instance(text, 36, lambda x: held[2] & (1 << 36) - 1, edge)


def flip_flop(cemux: str, regset: str) -> Instance:
    text = (
        f'TRELLIS_FF #(.CEMUX("{cemux}"), .REGSET("{regset}")) {{name}} '
        "(.CLK(clk), .LSR(x[0]), .CE(x[1]), .DI(x[2]), .M(1'b0), .Q({out}));"
    )
    state = [int(regset == "SET")]

    def edge(x: int) -> None:
        enabled = {"1": 1, "CE": x >> 1 & 1, "INV": ~x >> 1 & 1}[cemux]
        if x & 1:
            state[0] = int(regset == "SET")
        elif enabled:
            state[0] = x >> 2 & 1

    return Instance(text, 1, lambda x: state[0], edge)


def distributed(init: int) -> Instance:
    text = (
        f"TRELLIS_DPR16X4 #(.INITVAL(64'h{init:x})) {{name}} (.DI(x[3:0]), .WAD(x[7:4]), .WRE(x[8]), .WCK(clk), "
        ".RAD(x[12:9]), .DO({out}));"
    )
    words = [init >> 4 * i & 15 for i in range(16)]

    def edge(x: int) -> None:
        if x >> 8 & 1:
            words[take(x, 4, 4)] = take(x, 0, 4)

    return Instance(text, 4, lambda x: words[take(x, 9, 4)], edge)


class BlockRam:
    """The reference of a DP16KD: bits in a list, each access a list of places."""

    def __init__(
        self, widths: tuple[int, int], modes: tuple[str, str], first_words: list[int]
    ) -> None:
        self.widths, self.modes = widths, modes
        self.memory = [word >> bit & 1 for word in first_words for bit in range(18)]
        self.memory += [0] * (1024 * 18 - len(self.memory))
        self.out = [0, 0]

    def places(self, width: int, address: int) -> list[int]:
        if width >= 18:
            first = (address >> 4) // (width // 18) * (width // 18)
            return list(range(18 * first, 18 * first + width))
        if width == 9:
            return list(range(9 * (address >> 3), 9 * (address >> 3) + 9))
        offset = address & 7 & ~(width - 1)
        return list(range(9 * (address >> 3) + offset, 9 * (address >> 3) + offset + width))

    def edge(self, ports: list[tuple[int, int, int, int, int]]) -> None:
        """Ports A and B: (enable, write, reset, address, data)."""
        written: list[dict[int, int]] = [{}, {}]
        for port, (enable, write, _, address, data) in enumerate(ports):
            width = self.widths[port]
            if enable and write:
                for bit, place in enumerate(self.places(width, address)):
                    if width < 18 or address >> bit // 9 & 1:
                        written[port][place] = data >> bit & 1
        for port, (enable, write, reset, address, _) in enumerate(ports):
            other = written[1 - port]
            own = written[port] if self.modes[port] == "WRITETHROUGH" else {}
            if reset:
                self.out[port] = 0
            elif enable and (not write or self.modes[port] != "NORMAL"):
                places = self.places(self.widths[port], address)
                bits = [own.get(at, self.memory[at]) ^ (at in other) for at in places]
                self.out[port] = sum(bit << i for i, bit in enumerate(bits))
        for each in written:
            for place, bit in each.items():
                self.memory[place] = bit


def block_ram(widths: tuple[int, int], modes: tuple[str, str], rng: random.Random) -> Instance:
    """Both ports at random addresses of few words; x: 32 bits of control and address a port, then data."""
    first_words = [rng.getrandbits(18) for _ in range(16)]
    init = sum(word << 20 * i for i, word in enumerate(first_words))
    simple = 36 in widths
    reference = BlockRam(widths, modes, first_words)

    def controls(x: int) -> list[tuple[int, int, int, int, int]]:
        ports: list[tuple[int, int, int, int, int]] = []
        for port in (0, 1):
            low = 16 * port
            # Six address bits: 4 words. A simple dual port only writes at A and only reads at B.
            enable, write, reset = (take(x, low + i, 1) for i in range(3))
            address = take(x, low + 3, 6)
            if simple:
                write, reset = (1, 0) if port == 0 else (0, reset)
            elif port == 1:
                address |= 64  # at most one port writes a word
                write = 0
            ports.append((enable, write, reset, address & 63 if port else address, 0))
        data = take(x, 32, 36)
        narrow = data if widths[0] == 36 else data & 0x3FFFF
        ports[0] = (*ports[0][:4], narrow)
        return ports

    pins: list[str] = []
    for port, letter in enumerate("AB"):
        low = 16 * port
        write = {(0, True): "1'b1", (0, False): f"x[{low + 1}]"}.get((port, simple), "1'b0")
        reset = "1'b0" if simple and port == 0 else f"x[{low + 2}]"
        pins += [f".CLK{letter}(clk)", f".CE{letter}(x[{low}])", f".OCE{letter}(1'b1)"]
        pins += [f".WE{letter}({write})", f".RST{letter}({reset})"]
        pins += [f".CS{letter}{i}(1'b0)" for i in range(3)]
        pins += [
            f".AD{letter}{i}({f'x[{low + 3 + i}]' if i < 6 else chr(49) + chr(39) + 'b0'})"
            for i in range(14)
        ]
        pins += [f".DI{letter}{i}(x[{32 + 18 * port + i}])" for i in range(18)]
        pins += [f".DO{letter}{i}({{out}}[{18 * port + i}])" for i in range(18)]
    text = (
        f"DP16KD #(.DATA_WIDTH_A({widths[0]}), .DATA_WIDTH_B({widths[1]}), "
        f'.WRITEMODE_A("{modes[0]}"), .WRITEMODE_B("{modes[1]}"), .INITVAL_00(320\'h{init:x})) '
        f"{{name}} ({', '.join(pins)});"
    )

    def value(x: int) -> int:
        if widths[1] == 36:
            return reference.out[1]
        shown = 0 if simple else reference.out[0]
        return shown | reference.out[1] << 18

    return Instance(text, 36, value, lambda x: reference.edge(controls(x)))


def instances() -> list[Instance]:
    """All of them, fresh."""
    rng = random.Random(7)
    made = [lut(rng.getrandbits(16), 4 * i) for i in range(12)]
    made += [pfumx(), l6mux21()]
    made += [carry((0x96AA, 0x96AA), (one, two)) for one in ("YES", "NO") for two in ("YES", "NO")]
    made += [carry((rng.getrandbits(16), rng.getrandbits(16)), ("NO", "NO")) for _ in range(4)]
    made += [multiplier(a, b) for a in (0, 1) for b in (0, 1)]
    made += [registered_multiplier("CE0", "CE1"), registered_multiplier("CE3", "CE2")]
    made += [flip_flop(ce, value) for ce in ("1", "CE", "INV") for value in ("RESET", "SET")]
    made += [distributed(0), distributed(rng.getrandbits(64))]
    normal = ("NORMAL", "NORMAL")
    made += [block_ram((width, width), normal, rng) for width in (1, 2, 4, 9, 18, 36)]
    made += [block_ram((18, 18), (mode, mode), rng) for mode in ("WRITETHROUGH", "READBEFOREWRITE")]
    made += [
        block_ram(widths, normal, rng) for widths in ((18, 9), (9, 18), (36, 9), (4, 18), (9, 36))
    ]
    return made


def verilog() -> str:
    """The module `cells`: clk, x in, y out."""
    lines: list[str] = []
    low = 0
    for number, each in enumerate(instances()):
        lines.append(f"  wire [{each.bits - 1}:0] o{number};")
        lines.append(
            "  " + each.text.replace("{name}", f"i{number}").replace("{out}", f"o{number}")
        )
        lines.append(f"  assign y[{low + each.bits - 1}:{low}] = o{number};")
        low += each.bits
    head = f"module cells(input clk, input [{INPUTS - 1}:0] x, output [{low - 1}:0] y);"
    return "\n".join([head, *lines, "endmodule", ""])
