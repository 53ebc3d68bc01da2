"""Quantisation-aware training of PokeBNN on a CPU."""
