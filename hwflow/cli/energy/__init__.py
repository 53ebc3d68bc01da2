"""`hwflow energy`: the commands about energy, one a file."""
