"""The control registers as Markdown, C header and SVD, and the top's FuseSoC core file; same input, same bytes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping

from hwflow.registers import (
    MAP_VERSION,
    REGISTERS,
    WORD_BITS,
    WORD_BYTES,
    Access,
    Field,
    Register,
    hash_words,
)

PREFIX = "HWFLOW"
SPAN = 4096
_SVD_ACCESS = {
    Access.READ: "read-only",
    Access.WRITE: "read-write",
    Access.PULSE: "write-only",
    Access.CLEAR: "read-write",
}


def markdown() -> str:
    """The text of docs/registers.md."""
    lines = [
        "# Registers of the AXI top",
        "",
        "Generated from `hwflow/registers.py`; `hwflow verilog --top axi` writes it with the Verilog.",
        "",
        "AXI4-Lite, 32 bits, 4 KB. The two lowest address bits are ignored; a write changes the bytes that",
        "have their strobe, so narrow and unaligned accesses work within a word. Reads and writes of addresses",
        "that are not in the table are answered with SLVERR and do nothing. Writes to read-only registers are",
        "ignored, with OKAY.",
        "",
        "A frame: memory image at MEMORY_BASE, image bytes in its image area, a buffer at RESULT_BASE, then",
        "CONTROL.start. On `irq` (or STATUS.done) RESULT_BYTES bytes of 64-bit little-endian result words are in",
        "the buffer. Addresses are taken at `start`; those of the next frame may be written while one runs.",
        "",
        "| offset | register | bits | field | access | after reset | meaning |",
        "|---|---|---|---|---|---|---|",
    ]
    for register in REGISTERS:
        where = f"{register.offset:#05x}"
        name = register.name
        if register.count > 1:
            where += f"..{register.offsets[-1]:#05x}"
            name += f"[{register.count}]"
        if register.word is None:
            lines.append(f"| {where} | {name} | | | | | {register.meaning} |")
            where = name = ""
        for field in register.fields:
            bits = f"{field.low + field.bits - 1}..{field.low}" if field.bits > 1 else field.low
            label = "" if register.word else f"`{field.name}`"
            reset = "as generated" if field.reset is None else f"{field.reset:#x}"
            access = field.access.value
            lines.append(
                f"| {where} | {name} | {bits} | {label} | {access} | {reset} | {field.meaning} |"
            )
    return "\n".join(lines) + "\n"


def c_header(target: str, hashes: Mapping[str, str]) -> str:
    """Offsets, masks and the words that a driver compares; hashes: register name -> SHA-256 in hexadecimal."""
    guard = f"{PREFIX}_REGISTERS_H"
    lines = [
        f"/* Registers of the AXI top for target {target}; generated, do not edit. */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        f"#define {PREFIX}_SPAN {SPAN:#x}u",
    ]
    for register in REGISTERS:
        lines += ["", f"/* {register.meaning} */", _define(register.name, register.offset)]
        if register.count > 1:
            lines.append(_define(f"{register.name}_COUNT", register.count))
        for field in () if register.word else register.fields:
            name = f"{register.name}_{field.name.upper()}"
            mask = ((1 << field.bits) - 1) << field.low
            lines.append(f"{_define(f'{name}_MASK', mask)} /* {field.meaning} */")
            lines.append(_define(f"{name}_SHIFT", field.low))
        value = register.reset
        if value and register.fields[0].access is Access.READ:
            lines.append(_define(f"{register.name}_VALUE", value))
        if register.name in hashes:
            words = ", ".join(f"{word:#010x}u" for word in hash_words(hashes[register.name]))
            lines.append(f"#define {PREFIX}_{register.name}_VALUES {{ {words} }}")
    return "\n".join([*lines, "", f"#endif /* {guard} */"]) + "\n"


def _define(name: str, value: int) -> str:
    return f"#define {PREFIX}_{name} {value:#x}u"


def svd() -> str:
    """CMSIS-SVD 1.3 of a device with this one peripheral at address 0."""
    version = f"{MAP_VERSION >> 16}.{MAP_VERSION & 0xFFFF}"
    device = ET.Element(
        "device",
        {
            "schemaVersion": "1.3",
            "xmlns:xs": "http://www.w3.org/2001/XMLSchema-instance",
            "xs:noNamespaceSchemaLocation": "CMSIS-SVD.xsd",
        },
    )
    _elements(
        device,
        name="HWFLOW",
        version=version,
        description="Accelerator for binary networks. The base address is the system's to choose.",
        addressUnitBits=8,
        width=WORD_BITS,
        size=WORD_BITS,
        access="read-write",
        resetValue="0x00000000",
        resetMask="0xFFFFFFFF",
    )
    peripheral = ET.SubElement(ET.SubElement(device, "peripherals"), "peripheral")
    _elements(
        peripheral,
        name="ACCELERATOR",
        version=version,
        description="Control registers",
        baseAddress="0x00000000",
    )
    block = ET.SubElement(peripheral, "addressBlock")
    _elements(block, offset="0x0", size=f"{SPAN:#x}", usage="registers")
    registers = ET.SubElement(peripheral, "registers")
    for register in REGISTERS:
        _svd_register(ET.SubElement(registers, "register"), register)
    ET.indent(device)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(device, encoding="unicode")}\n'


def _svd_register(element: ET.Element, register: Register) -> None:
    access = register.fields[0].access
    if register.count > 1:
        _elements(element, dim=register.count, dimIncrement=WORD_BYTES)
    reset = register.reset
    _elements(
        element,
        name=f"{register.name}%s" if register.count > 1 else register.name,
        description=register.meaning,
        addressOffset=f"{register.offset:#x}",
        size=WORD_BITS,
        access=_SVD_ACCESS[access],
        resetValue=f"{reset or 0:#010x}",
        resetMask="0x00000000" if reset is None else "0xffffffff",
    )
    if access is Access.CLEAR:
        _elements(element, modifiedWriteValues="oneToClear")
    fields = ET.SubElement(element, "fields")
    for field in register.fields:
        _svd_field(ET.SubElement(fields, "field"), field)


def _svd_field(element: ET.Element, field: Field) -> None:
    _elements(
        element,
        name=field.name,
        description=field.meaning,
        bitOffset=field.low,
        bitWidth=field.bits,
        access=_SVD_ACCESS[field.access],
    )


def _elements(parent: ET.Element, **texts: str | int) -> None:
    for name, text in texts.items():
        ET.SubElement(parent, name).text = str(text)


def core_file(top: str, target: str) -> str:
    """A FuseSoC core file (CAPI2) for the files beside it, with a lint target."""
    name = "".join(letter if letter.isalnum() else "_" for letter in target)
    return f"""CAPI=2:
name: "hwflow::accelerator_axi_{name}:{MAP_VERSION >> 16}.{MAP_VERSION & 0xFFFF}"
description: "Accelerator for binary networks, target {target}: AXI4 master, AXI4-Lite registers"

filesets:
  rtl:
    files:
      - {top}.sv
    file_type: systemVerilogSource
  lint:
    files:
      - waivers.vlt
    file_type: vlt
  software:
    files:
      - {top}.h: {{is_include_file: true}}
      - {top}.svd
      - {top}.json
      - registers.md
    file_type: user

targets:
  default:
    filesets: [rtl]
    toplevel: {top}
  lint:
    filesets: [lint, rtl]
    flow: lint
    flow_options:
      tool: verilator
    toplevel: {top}
"""
