"""A small float convolutional network whose soft predictions can teach the binary one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.progress import Progress

from hwflow.errors import FlowError
from hwflow.files import write_atomically
from models.config import PokeBNNConfig
from models.data import ImageSet
from models.float import Mode
from models.float.network import normalise
from models.train.augment import shift_and_flip
from models.train.config import TrainConfig
from models.train.progress import shown

Teacher = Callable[[jax.Array], jax.Array]
"""uint8 images (N, H, W, C) -> class probabilities (N, classes)."""
TEACHER = "teacher.msgpack"
WIDTHS = (32, 64, 128)
LEARNING_RATE = 2e-3


class TeacherNetwork(nn.Module):
    """Three stages of two 3x3 convolutions with group norm, halved in size between them."""

    classes: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits (N, classes) of normalised images (N, H, W, C)."""
        for stage, width in enumerate(WIDTHS):
            for index in range(2):
                stride = 2 if index == 0 and (stage > 0 or x.shape[1] > 16) else 1
                x = nn.Conv(width, (3, 3), strides=stride, use_bias=False)(x)
                x = nn.relu(nn.GroupNorm(num_groups=8)(x))
        return nn.Dense(self.classes)(jnp.mean(x, axis=(1, 2)))


def prepare_teacher(
    config: PokeBNNConfig,
    settings: TrainConfig,
    data: ImageSet,
    epochs: int,
    folder: Path,
    progress: Progress | None = None,
) -> Teacher:
    """Trains a teacher, or loads the one that `folder` already holds.

    The probabilities are at `settings.temperature`. Raises FlowError when a stored teacher is
    damaged or of another network, or epochs < 1.
    """
    if epochs < 1:
        raise FlowError(f"teacher of {epochs} epochs: expected at least 1")
    network = TeacherNetwork(config.classes)
    mode = Mode(dtype=jnp.float32)
    params: Any = network.init(
        jax.random.key(settings.seed), jnp.zeros((1, *config.image_shape), jnp.float32)
    )
    path = folder / TEACHER
    if path.exists():
        try:
            stored: Any = flax.serialization.from_bytes(params, path.read_bytes())
            if jax.tree.map(np.shape, stored) != jax.tree.map(np.shape, params):
                raise ValueError("its arrays have other shapes")
            params = stored
        except Exception as error:  # msgpack and flax raise many kinds on damaged bytes
            raise FlowError(
                f"{path}: not a teacher of this network ({error}); remove it"
            ) from error
    else:
        with shown(progress) as bar:
            params = _train(network, params, config, settings, data, epochs, bar)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, flax.serialization.to_bytes(params))

    def probabilities(images: jax.Array) -> jax.Array:
        logits: Any = network.apply(params, normalise(images, config, mode))
        return jax.nn.softmax(logits / settings.temperature)

    return jax.jit(probabilities)


def _train(
    network: TeacherNetwork,
    params: Any,
    config: PokeBNNConfig,
    settings: TrainConfig,
    data: ImageSet,
    epochs: int,
    bar: Progress,
) -> Any:
    per_epoch = len(data) // settings.batch_size
    schedule = optax.cosine_decay_schedule(LEARNING_RATE, max(epochs * per_epoch, 1))
    optimiser = optax.adamw(schedule, weight_decay=1e-4)
    mode = Mode(dtype=jnp.float32)

    @jax.jit
    def step(
        params: Any, state: optax.OptState, images: jax.Array, labels: jax.Array
    ) -> tuple[Any, optax.OptState]:
        def objective(values: Any) -> jax.Array:
            logits: Any = network.apply(values, normalise(images, config, mode))
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return jnp.mean(losses)

        change, state = optimiser.update(jax.grad(objective)(params), state, params)
        return optax.apply_updates(params, change), state

    state = optimiser.init(params)
    for epoch in range(epochs):
        rng = np.random.default_rng([settings.seed, epoch])
        order = rng.permutation(len(data))
        task = bar.add_task(f"teacher epoch {epoch + 1}/{epochs}", total=per_epoch, note="")
        for index in range(per_epoch):
            chosen = order[index * settings.batch_size : (index + 1) * settings.batch_size]
            images = shift_and_flip(data.images[chosen], rng, settings.shift, settings.flip)
            params, state = step(
                params, state, jnp.asarray(images), jnp.asarray(data.labels[chosen])
            )
            bar.update(task, completed=index + 1)
    return params
