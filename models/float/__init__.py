"""The float definition of PokeBNN in Flax linen; variable names are those of the reference code."""

from models.float.mode import Mode
from models.float.network import PokeBNN
from models.float.pokeconv import PokeConvBlock

__all__ = ["Mode", "PokeBNN", "PokeConvBlock"]
