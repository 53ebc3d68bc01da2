"""The PokeBNN network: float definition, training, checkpoints, data and the integer reference."""
