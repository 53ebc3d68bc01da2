"""FPGA boards: pins, clocks, top levels, bitstreams and what they report."""
