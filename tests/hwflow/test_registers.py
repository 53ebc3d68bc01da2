"""The register table and what is generated from it."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from hwflow.register_files import c_header, core_file, markdown, svd
from hwflow.registers import ADDRESS_BITS, REGISTERS, WORD_BITS, WORD_BYTES, Access, hash_words

ROOT = Path(__file__).parents[2]
DIGEST = "0123456789abcdef" * 4


def test_table() -> None:
    """Registers and fields do not overlap and stay in their space."""
    taken: set[int] = set()
    for register in REGISTERS:
        for offset in register.offsets:
            assert offset % WORD_BYTES == 0
            assert 0 <= offset < 1 << ADDRESS_BITS
            assert offset not in taken, register.name
            taken.add(offset)
        bits: set[int] = set()
        for field in register.fields:
            mine = set(range(field.low, field.low + field.bits))
            assert mine <= set(range(WORD_BITS)) and not mine & bits, (register.name, field.name)
            bits |= mine
    assert len({register.name for register in REGISTERS}) == len(REGISTERS)


def test_committed_document() -> None:
    committed = (ROOT / "docs" / "registers.md").read_text()
    assert committed == markdown(), "write docs/registers.md anew: hwflow.register_files.markdown()"


def test_c_header(tmp_path: Path) -> None:
    """A C compiler takes it, twice, and the offsets are the table's."""
    header = c_header("name", {"TARGET_HASH": DIGEST, "BUILD_HASH": DIGEST})
    (tmp_path / "registers.h").write_text(header)
    names = [register.name for register in REGISTERS]
    values = ", ".join(f"HWFLOW_{name}" for name in names)
    program = (
        '#include <stdio.h>\n#include "registers.h"\n#include "registers.h"\n'
        f"int main(void) {{ unsigned hash[] = HWFLOW_TARGET_HASH_VALUES, offsets[] = {{ {values} }};\n"
        f'for (int i = 0; i < {len(names)}; i++) printf("%u ", offsets[i]);\n'
        'printf("%08x %u", hash[7], HWFLOW_STATUS_DONE_MASK); return 0; }\n'
    )
    (tmp_path / "program.c").write_text(program)
    command = ["cc", "-Wall", "-Wextra", "-Werror", "-std=c99", "program.c", "-o", "program"]
    subprocess.run(command, cwd=tmp_path, check=True)
    printed = subprocess.run(
        [tmp_path / "program"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [int(value) for value in printed[:-2]] == [register.offset for register in REGISTERS]
    assert printed[-2:] == [DIGEST[-8:], "4"]


ORDER = {
    "device": "name version description addressUnitBits width size access resetValue resetMask peripherals",
    "peripheral": "name version description baseAddress addressBlock registers",
    "register": "dim dimIncrement name description addressOffset size access resetValue resetMask"
    " modifiedWriteValues fields",
    "field": "name description bitOffset bitWidth access",
}
"""Elements in the order that CMSIS-SVD.xsd demands, of those that are used."""


def test_svd() -> None:
    """Order and values that the CMSIS-SVD schema allows; registers and fields are the table's."""
    device = ET.fromstring(svd().encode())
    assert device.tag == "device" and device.get("schemaVersion") == "1.3"
    for tag, names in ORDER.items():
        for element in device.iter(tag):
            order = [names.split().index(child.tag) for child in element]
            assert order == sorted(set(order)), element.findtext("name")
    for element in device.iter():
        if element.tag == "name":
            assert re.fullmatch(r"[A-Za-z_]\w*(%s)?", element.text or ""), element.text
        elif element.tag == "access":
            assert element.text in ("read-only", "write-only", "read-write")
        elif element.tag in ("addressOffset", "resetValue", "resetMask", "baseAddress"):
            assert 0 <= int(element.text or "", 0) < 1 << 32
    found = list(device.iter("register"))
    assert len(found) == len(REGISTERS)
    for element, register in zip(found, REGISTERS, strict=True):
        assert int(element.findtext("addressOffset") or "", 0) == register.offset
        assert int(element.findtext("dim") or "1") == register.count
        fields = list(element.iter("field"))
        assert [field.findtext("name") for field in fields] == [f.name for f in register.fields]
        assert [int(field.findtext("bitOffset") or "") for field in fields] == [
            f.low for f in register.fields
        ]
        clears = element.findtext("modifiedWriteValues") == "oneToClear"
        assert clears == (register.fields[0].access is Access.CLEAR)


def test_core_file() -> None:
    core = yaml.safe_load(core_file("top", "my-target").partition("\n")[2])
    assert core["name"] == "hwflow::accelerator_axi_my_target:1.0"
    assert set(core["targets"]["lint"]["filesets"]) <= set(core["filesets"])
    assert all(target["toplevel"] == "top" for target in core["targets"].values())


def test_hash_words() -> None:
    assert hash_words(DIGEST)[0] == 0x01234567
    with pytest.raises(ValueError, match="invalid literal"):
        hash_words("short")
