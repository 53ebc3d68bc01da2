"""Gate-level simulation of units mapped to standard cells, with the library's delays."""

from sim.gates.simulate import simulate

__all__ = ["simulate"]
