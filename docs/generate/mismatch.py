"""The example of docs/mismatch.md: a weight that is wrong, and the signatures that follow from it."""

from __future__ import annotations

import dataclasses

import numpy as np

from docs.generate.worked_example import SEED, TARGET
from hwflow.compiler.lower import lower
from hwflow.emulator.run import emulate_program
from hwflow.signature import signature
from models.integer import layers
from models.integer.network import map_images
from models.integer.random import random_images, random_network, small_config

FAULTY = 1
"""The convolution with the wrong weight; layer FAULTY + 2."""


def example() -> str:
    """A line a layer: signature expected, signature found, stored values that differ."""
    network = random_network(SEED, small_config(image=(8, 8, 1)))
    conv = network.convs[FAULTY]
    weights = np.array(conv.weights)
    weights[1, 1, 0, 0] ^= True
    convs = list(network.convs)
    convs[FAULTY] = dataclasses.replace(conv, weights=weights)
    faulty = dataclasses.replace(network, convs=tuple(convs))
    images = random_images(SEED, 1, network.image_shape)
    wanted = layers.forward(network, map_images(network, images))
    found = emulate_program(lower(faulty, TARGET), images)
    names = [*(each.name for each in network.init), *(each.name for each in network.convs)]
    lines = [f"{'layer':<19}{'expected':<10}{'found':<10}{'differ':>6}  of"]
    for number, trace in enumerate((*wanted.init, *wanted.convs)):
        made = found.layers[number]
        expected = signature(trace.y[0])
        differ = int((made.y[0] != trace.y[0]).sum())
        name = f"{number} {names[number]}"
        row = f"{name:<19}{expected:08x}  {made.signatures[0]:08x}  {differ:>6}  {trace.y[0].size}"
        lines.append(row)
    right = found.logits.argmax() == wanted.logits.argmax()
    lines.append(f"class of the image: {'the same' if right else 'another'}")
    return "\n".join(lines)
