"""cocotb test modules: one per unit, and `whole_network`."""
