"""Plants a fault in generated Verilog: a wrapper around one module that falsifies one output."""

from __future__ import annotations

import re


def plant(verilog: str, module: str, port: str, falsified: str) -> str:
    """`verilog` with output `port` of `module` replaced by `falsified`, an expression of `good`.

    `module` is matched at the end of the (possibly escaped) module name.

    Raises:
        ValueError: no such module or output, or several such modules.
    """
    pattern = rf"^module (\\?[\w.$]*{re.escape(module)}\s?)\((.*?)\);(.*?)^endmodule"
    found = list(re.finditer(pattern, verilog, re.MULTILINE | re.DOTALL))
    if len(found) != 1:
        raise ValueError(f"{len(found)} modules match {module!r}")
    name, ports, body = (found[0][i] for i in (1, 2, 3))
    declared = re.findall(
        r"^\s*(input|output)\s+(?:reg\s+|wire\s+)?(\[\d+:0\])?\s*(\\\S+ |\w+)\s*;",
        body,
        re.MULTILINE,
    )
    width = next((w for kind, w, each in declared if kind == "output" and each == port), None)
    if width is None:
        raise ValueError(
            f"{module} has no output {port!r}; it has {[each for _, _, each in declared]}"
        )
    inner = f"{re.sub(r'[^0-9A-Za-z_]', '_', name)}_intact"
    connections = ", ".join(
        f".{each}({'good' if each == port else each})" for _, _, each in declared
    )
    wrapper = [f"module {name}({ports});"]
    wrapper += [f"  {kind} {w} {each};" for kind, w, each in declared]
    wrapper += [
        f"  wire {width} good;",
        f"  {inner} intact({connections});",
        f"  assign {port} = {falsified};",
    ]
    wrapper += ["endmodule", ""]
    intact = f"module {inner}({ports});{body}endmodule"
    return (
        verilog[: found[0].start()] + intact + "\n" + "\n".join(wrapper) + verilog[found[0].end() :]
    )
