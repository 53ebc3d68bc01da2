"""The integer network: the bit-exact reference of docs/numerics.md, and its export."""
