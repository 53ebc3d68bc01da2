"""hwflow: compiler, cost models and command line of the PokeBNN accelerator flow."""
