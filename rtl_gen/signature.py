"""The layer signature: a sum of CRC-32 over messages of four channels (docs/numerics.md).

The CRC of a message of fixed length is affine over GF(2): a constant XOR what each message bit flips.
So a unit XORs one 16-entry table per four message bits: LUTs in hardware, lookups in a simulator
(crc.sv; 32 masked parities, or cases, take Verilator several times as long).
"""

from __future__ import annotations

import zlib
from functools import cache
from importlib import resources

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwflow.config import AcceleratorConfig
from hwflow.numerics import STORED_BITS
from hwflow.signature import GROUP
from rtl_gen import instances
from rtl_gen.interfaces import GROUP_BITS, SLOT_BITS

INDEX_BITS = 32
WORD_BITS = GROUP * STORED_BITS
MESSAGE_BYTES = 13
SIGN_BYTE = 12
CRC_BITS = 32
NIBBLE = 4


def _crc(bits: int) -> int:
    return zlib.crc32(bits.to_bytes(MESSAGE_BYTES, "little"))


@cache
def nibble_tables() -> tuple[int, tuple[tuple[int, ...], ...]]:
    """(CRC of index 0 and four zeros, for every four bits of word ‖ index what each value flips in it).

    Tables 0..15 are those of the four elements, 16.. those of the index, low bits first. A sign bit belongs
    to its element's highest bit: the message's last byte holds its complement.
    """
    origin = _crc(0x0F << (8 * SIGN_BYTE))
    zero = _crc(0)
    effects: list[int] = []
    for bit in range(WORD_BITS):
        message = 1 << (INDEX_BITS + bit)
        if bit % STORED_BITS == STORED_BITS - 1:
            message |= 1 << (8 * SIGN_BYTE + bit // STORED_BITS)
        effects.append(_crc(message) ^ zero)
    effects += [_crc(1 << bit) ^ zero for bit in range(INDEX_BITS)]
    tables: list[tuple[int, ...]] = []
    for at in range(0, len(effects), NIBBLE):
        table = [0]
        for effect in effects[at : at + NIBBLE]:
            table += [entry ^ effect for entry in table]
        tables.append(tuple(table))
    return origin, tuple(tables)


class CrcUnit(wiring.Component):
    """The CRC-32 of one message, one cycle later; 0 for a message that does not exist.

    Ports: index; word: four elements; exists; crc.
    """

    exists: Signal
    index: Signal
    word: Signal
    crc: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "exists": In(1),
                "index": In(INDEX_BITS),
                "word": In(WORD_BITS),
                "crc": Out(CRC_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """One table per four bits, all XORed: crc.sv in `emit`."""
        m = Module()
        origin, tables = nibble_tables()
        message = Cat(self.word, self.index)
        if instances.emitting():
            text = resources.files("rtl_gen").joinpath("crc.sv").read_text()
            instances.source("hwflow_crc", text)
            entries = [entry for table in tables for entry in table]
            packed = sum(entry << (CRC_BITS * at) for at, entry in enumerate(entries))
            m.submodules.tables = Instance(
                "hwflow_crc",
                p_NIBBLES=len(tables),
                p_ORIGIN=Const(origin, CRC_BITS),
                p_TABLES=Const(packed, CRC_BITS * len(entries)),
                i_clk=ClockSignal(),
                i_exists=self.exists,
                i_message=message,
                o_crc=self.crc,
            )
            return m
        crc: Value = Const(origin, CRC_BITS)
        for at, table in enumerate(tables):
            flips = Signal(CRC_BITS, name=f"flips_{at}")
            with m.Switch(message.word_select(at, NIBBLE)):
                for value, entry in enumerate(table):
                    with m.Case(value):
                        m.d.comb += flips.eq(entry)
            crc = crc ^ flips
        m.d.sync += self.crc.eq(Mux(self.exists, crc, 0))
        return m


class Signature(wiring.Component):
    """Sum of the CRCs of G pixels x C channels a cycle since `clear`.

    Ports:
        clear: starts a sum; nothing may be in flight.
        messages: ceil(Cout / 4), constant in a layer.
        slot, cg: of the elements that come `AHEAD` cycles later.
        elements: the stored elements. exist: per pixel and group of four columns, whether the message exists.
        value: the sum, `latency` cycles after the last elements.
    """

    AHEAD = 2

    clear: Signal
    messages: Signal
    slot: Signal
    cg: Signal
    exist: Signal
    value: Signal

    def __init__(self, config: AcceleratorConfig) -> None:
        self.pixels = config.pixel_lanes
        self.units = config.cols // GROUP
        super().__init__(
            {
                "clear": In(1),
                "messages": In(16),
                "slot": In(SLOT_BITS),
                "cg": In(GROUP_BITS),
                "elements": In(data.ArrayLayout(signed(STORED_BITS), config.vector_lanes)),
                "exist": In(config.vector_lanes // GROUP),
                "value": Out(CRC_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Index arithmetic, V/4 CRC units, a registered adder tree, the accumulator."""
        m = Module()
        # Without a reset the product's register can be the multiplier's.
        product = Signal(INDEX_BITS, reset_less=True)
        cg = Signal(GROUP_BITS, reset_less=True)
        m.d.sync += [product.eq(self.slot * self.messages), cg.eq(self.cg)]
        unit = instances.repeat(CrcUnit(), "hwflow_crc_unit") if instances.emitting() else None
        level: list[Signal] = []
        for pixel in range(self.pixels):
            for column in range(self.units):
                at = pixel * self.units + column
                crc = Signal(CRC_BITS, name=f"crc_{at}")
                # A register for each unit: a sum in front of the tables would make its path the longest.
                index = Signal(INDEX_BITS, name=f"index_{at}", reset_less=True)
                within = cg * self.units + column
                m.d.sync += index.eq(product + within + self.messages * pixel)
                word = Value.cast(self.elements).word_select(at, WORD_BITS)
                if unit is not None:
                    m.submodules[f"crc_{at}"] = unit.instance(
                        exists=self.exist[at],
                        index=index,
                        word=word,
                        crc=crc,
                    )
                else:
                    m.submodules[f"crc_{at}"] = single = CrcUnit()
                    m.d.comb += [
                        single.exists.eq(self.exist[at]),
                        single.index.eq(index),
                        single.word.eq(word),
                        crc.eq(single.crc),
                    ]
                level.append(crc)
        depth = 0
        while len(level) > 1:
            sums = [Signal(CRC_BITS, name=f"sum{depth}_{i}") for i in range(len(level) // 2)]
            for i, total in enumerate(sums):
                m.d.sync += total.eq(level[2 * i] + level[2 * i + 1])
            level = sums
            depth += 1
        with m.If(self.clear):
            m.d.sync += self.value.eq(0)
        with m.Else():
            m.d.sync += self.value.eq(self.value + level[0])
        return m
