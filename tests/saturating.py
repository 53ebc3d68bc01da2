"""Networks in which values saturate."""

from __future__ import annotations

import dataclasses

import numpy as np

from models.integer.params import IntegerNetwork, PokeConvParams


def clipped(network: IntegerNetwork) -> IntegerNetwork:
    """The network with t and y so large that many saturate."""

    def loud(conv: PokeConvParams) -> PokeConvParams:
        vector = conv.vector
        loud = dataclasses.replace(
            vector,
            alpha_shift=np.maximum(vector.alpha_shift - 4, 0),
            out_shift=np.maximum(vector.out_shift - 3, 0),
        )
        return dataclasses.replace(conv, vector=loud)

    changed = dataclasses.replace(network, convs=tuple(map(loud, network.convs)))
    changed.validate()
    return changed
