"""The accelerator as an AXI peripheral: AXI4 master for memory and results, AXI4-Lite registers, an interrupt."""
