"""A small Liberty library whose tables are linear, `constant + by_slew * slew + by_load * load`: sums by hand are exact.

ns, pF, V, nW, pJ; supply 2 V, so that C V²/2 of 1 pF is 2 pJ. INV has its tables over (load, slew), the others over
(slew, load); related pins are quoted in some cells and not in others.
"""

from __future__ import annotations

from dataclasses import dataclass

VOLTAGE = 2.0
SLEWS = (0.01, 0.1, 1.0)
LOADS = (0.001, 0.01, 0.1)


@dataclass(frozen=True)
class Line:
    """A linear table."""

    constant: float
    by_slew: float = 0.0
    by_load: float = 0.0

    def at(self, slew: float, load: float = 0.0) -> float:
        """Its value; ns and pF in, ns or pJ out."""
        return self.constant + self.by_slew * slew + self.by_load * load


def table(name: str, line: Line, *, load_first: bool = False) -> str:
    axes = (LOADS, SLEWS) if load_first else (SLEWS, LOADS)
    rows = [
        ", ".join(f"{line.at(*((b, a) if load_first else (a, b))):.9g}" for b in axes[1])
        for a in axes[0]
    ]
    template = "load_slew" if load_first else "slew_load"
    values = ", \\\n ".join(f'"{row}"' for row in rows)
    return f"{name} ({template}) {{ values ( {values} ); }}\n"


def row(name: str, line: Line) -> str:
    values = ", ".join(f"{line.at(slew):.9g}" for slew in SLEWS)
    return f'{name} (slew_only) {{ values ("{values}"); }}\n'


DELAY = {
    ("INV", "A"): (Line(0.02, 0.1, 1.0), Line(0.01, 0.1, 2.0)),
    ("BUF", "A"): (Line(0.05, 0.1, 1.0), Line(0.06, 0.1, 1.0)),
    ("NAND2", "A"): (Line(0.03, 0.2, 2.0), Line(0.04, 0.1, 1.0)),
    ("NAND2", "B"): (Line(0.05, 0.2, 2.0), Line(0.06, 0.1, 1.0)),
    ("XOR2", "A"): (Line(0.07, 0.1, 1.0), Line(0.08, 0.1, 1.0)),
    ("XOR2", "B"): (Line(0.09, 0.1, 1.0), Line(0.10, 0.1, 1.0)),
    ("AND2", "A"): (Line(0.04, 0.1, 1.0), Line(0.05, 0.1, 1.0)),
    ("AND2", "B"): (Line(0.06, 0.1, 1.0), Line(0.07, 0.1, 1.0)),
    ("DFF", "CLK"): (Line(0.20, 0.1, 1.0), Line(0.25, 0.1, 1.0)),
}
"""(cell, from) -> (rise, fall) delay of its output."""

TRANSITION = {
    "INV": (Line(0.03, 0.2, 2.0), Line(0.02, 0.2, 1.0)),
    "BUF": (Line(0.05, 0.1, 1.0), Line(0.06, 0.1, 1.0)),
    "NAND2": (Line(0.04, 0.1, 2.0), Line(0.05, 0.1, 1.0)),
    "XOR2": (Line(0.06, 0.1, 1.0), Line(0.07, 0.1, 1.0)),
    "AND2": (Line(0.05, 0.1, 1.0), Line(0.04, 0.1, 1.0)),
    "DFF": (Line(0.08, 0.0, 1.0), Line(0.09, 0.0, 1.0)),
}
"""Cell -> (rise, fall) slew of its output."""

INTERNAL = {
    ("INV", "A", ""): (Line(0.010, 0.02, 0.1), Line(0.004, 0.01, -0.1)),
    ("BUF", "A", ""): (Line(0.015, 0.03, 0.1), Line(0.016, 0.03, 0.1)),
    ("NAND2", "A", ""): (Line(0.020, 0.03, 0.2), Line(0.006, 0.02, 0.1)),
    ("NAND2", "B", ""): (Line(0.030, 0.04, 0.3), Line(0.008, 0.03, 0.2)),
    ("XOR2", "A", "B"): (Line(0.050, 0.1, 0.1), Line(0.060, 0.1, 0.1)),
    ("XOR2", "A", "!B"): (Line(0.070, 0.1, 0.1), Line(0.080, 0.1, 0.1)),
    ("XOR2", "B", ""): (Line(0.090, 0.2, 0.1), Line(0.100, 0.2, 0.1)),
    ("AND2", "A", ""): (Line(0.011, 0.1, 0.1), Line(0.012, 0.1, 0.1)),
    ("AND2", "B", ""): (Line(0.013, 0.1, 0.1), Line(0.014, 0.1, 0.1)),
    ("DFF", "CLK", ""): (Line(0.200, 0.1, 0.2), Line(0.300, 0.1, 0.2)),
}
"""(cell, related pin, when) -> (rise, fall) energy of its output."""

HIDDEN = {
    ("NAND2", "A", "!B"): (Line(0.001, 0.01), Line(0.002, 0.01)),
    ("XOR2", "B", ""): (Line(0.003, 0.01), Line(0.004, 0.01)),
    ("DFF", "D", "CLK"): (Line(0.020, 0.1), Line(0.030, 0.1)),
    ("DFF", "D", "!CLK"): (Line(0.040, 0.1), Line(0.050, 0.1)),
    ("DFF", "CLK", "D * Q"): (Line(0.006, 0.1), Line(0.007, 0.1)),
    ("DFF", "CLK", "!D * !Q"): (Line(0.008, 0.1), Line(0.009, 0.1)),
}
"""(cell, pin, when) -> (rise, fall) energy of an input; the flip-flop's clock only where it changes nothing."""

CAPACITANCE = {
    ("INV", "A"): 0.010,
    ("BUF", "A"): 0.011,
    ("NAND2", "A"): 0.012,
    ("NAND2", "B"): 0.014,
    ("XOR2", "A"): 0.020,
    ("XOR2", "B"): 0.022,
    ("AND2", "A"): 0.015,
    ("AND2", "B"): 0.016,
    ("DFF", "D"): 0.017,
    ("DFF", "CLK"): 0.018,
}
"""pF."""

FUNCTION = {
    "INV": "!A",
    "BUF": "A",
    "NAND2": "!(A B)",
    "XOR2": "A ^ B",
    "AND2": "(A * B)",
    "DFF": "IQ",
}
OUTPUT = {"INV": "Y", "BUF": "Y", "NAND2": "Y", "XOR2": "Y", "AND2": "Y", "DFF": "Q"}
SENSE = {
    "INV": "negative_unate",
    "BUF": "positive_unate",
    "NAND2": "negative_unate",
    "AND2": "positive_unate",
}
AREA = {"INV": 1.0, "BUF": 2.0, "NAND2": 2.0, "XOR2": 5.0, "AND2": 3.0, "DFF": 9.0}

LEAKAGE = {
    "INV": {"": 1.0},
    "BUF": {"": 2.0},
    "NAND2": {"A&B": 4.0, "!A&!B": 1.0, "": 2.0},
    "XOR2": {"": 5.0},
    "AND2": {"": 3.0},
    "DFF": {"Q": 8.0, "!Q": 6.0},
}
"""Cell -> when -> nW."""

HEADER = """library (small) {
  time_unit : "1ns"; voltage_unit : "1V"; leakage_power_unit : "1nW"; current_unit : "1mA";
  capacitive_load_unit (1, pf); nom_voltage : 2.0; delay_model : table_lookup;
"""
TEMPLATES = f"""
  lu_table_template (slew_load) {{ variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("{", ".join(map(str, SLEWS))}"); index_2 ("{", ".join(map(str, LOADS))}"); }}
  lu_table_template (load_slew) {{ variable_1 : total_output_net_capacitance; variable_2 : input_net_transition;
    index_1 ("{", ".join(map(str, LOADS))}"); index_2 ("{", ".join(map(str, SLEWS))}"); }}
  power_lut_template (slew_only) {{ variable_1 : input_transition_time; index_1 ("{", ".join(map(str, SLEWS))}"); }}
"""


def liberty(
    *, header: str = HEADER, power: bool = True, without: tuple[str, ...] = (), rails: bool = False
) -> str:
    """The library's text.

    power: with tables of internal power. without: cells that are left out. rails: XOR2 has its energies halved over
    two rails.
    """
    cells = "".join(cell(name, power=power, rails=rails) for name in AREA if name not in without)
    return header + TEMPLATES + cells + "}\n"


def cell(name: str, *, power: bool, rails: bool) -> str:
    pins = [pin for owner, pin in CAPACITANCE if owner == name]
    parts = [f"cell ({name}) {{ area : {AREA[name]};\n"]
    for when, value in LEAKAGE[name].items():
        condition = f'when : "{when}"; ' if when else ""
        parts.append(f"leakage_power () {{ {condition}value : {value}; }}\n")
    if name == "DFF":
        parts.append('ff (IQ, IQN) { next_state : "D"; clocked_on : "CLK"; }\n')
    for pin in pins:
        clock = "clock : true; " if pin == "CLK" else ""
        capacitance = CAPACITANCE[name, pin]
        parts.append(f"pin ({pin}) {{ direction : input; {clock}capacitance : {capacitance};\n")
        if power:
            parts += [
                "internal_power () { "
                + (f'when : "{when}"; ' if when else "")
                + row("rise_power", rise)
                + row("fall_power", fall)
                + "}\n"
                for (owner, of, when), (rise, fall) in HIDDEN.items()
                if (owner, of) == (name, pin)
            ]
        if pin == "D":
            parts.append(
                'timing () { related_pin : "CLK"; timing_type : setup_rising;'
                'rise_constraint (scalar) { values ("0.1"); } fall_constraint (scalar) { values ("0.15"); } }\n'
            )
        parts.append("}\n")
    parts.append(f'pin ({OUTPUT[name]}) {{ direction : output; function : "{FUNCTION[name]}";\n')
    load_first = name == "INV"
    for (owner, pin), delays in DELAY.items():
        if owner != name:
            continue
        kind = "rising_edge" if pin == "CLK" else "combinational"
        sense = SENSE.get(name, "non_unate")
        quoted = pin if name == "NAND2" else f'"{pin}"'
        parts.append(
            f"timing () {{ related_pin : {quoted}; timing_type : {kind}; timing_sense : {sense};\n"
        )
        lines = zip(("cell_rise", "cell_fall"), delays, strict=True)
        slews = zip(("rise_transition", "fall_transition"), TRANSITION[name], strict=True)
        parts += [table(each, line, load_first=load_first) for each, line in (*lines, *slews)]
        parts.append("}\n")
    if power:
        parts += _internal(name, load_first=load_first, rails=rails and name == "XOR2")
    parts.append("}\n}\n")
    return "".join(parts)


def _internal(name: str, *, load_first: bool, rails: bool) -> list[str]:
    parts: list[str] = []
    for (owner, pin, when), lines in INTERNAL.items():
        if owner != name:
            continue
        condition = f'when : "{when}"; ' if when else ""
        for rail in ("VDD", "VSS") if rails else ("",):
            share = 0.5 if rails else 1.0
            of = f'related_pg_pin : "{rail}"; ' if rail else ""
            parts.append(f'internal_power () {{ related_pin : "{pin}"; {condition}{of}\n')
            for each, line in zip(("rise_power", "fall_power"), lines, strict=True):
                scaled = Line(line.constant * share, line.by_slew * share, line.by_load * share)
                parts.append(table(each, scaled, load_first=load_first))
            parts.append("}\n")
    return parts
