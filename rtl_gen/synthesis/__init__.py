"""Synthesis: the generated Verilog as a netlist of an FPGA's cells, by Yosys, and what it takes of the part."""
