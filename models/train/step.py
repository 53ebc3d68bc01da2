"""One optimiser step, and evaluation, as jitted functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from models.config import PokeBNNConfig
from models.float import Mode, PokeBNN
from models.float.network import normalise
from models.train.config import TrainConfig

Tree = dict[str, Any]


class TrainState(NamedTuple):
    """step: int32. params, batch_stats, get_bounds: variable collections. optimiser: Optax's."""

    step: jax.Array
    params: Tree
    batch_stats: Tree
    get_bounds: Tree
    optimiser: optax.OptState


class Metrics(NamedTuple):
    """Means over a batch."""

    loss: jax.Array
    accuracy: jax.Array


def learning_rate(train: TrainConfig, steps: int) -> optax.Schedule:
    """Linear warm-up, then cosine or linear to 0 at `steps`."""
    warmup = min(train.warmup_steps, steps // 2)
    rest = max(steps - warmup, 1)
    if train.schedule == "cosine":
        decay = optax.cosine_decay_schedule(train.learning_rate, rest)
    else:
        decay = optax.linear_schedule(train.learning_rate, 0.0, rest)
    return optax.join_schedules(
        [optax.linear_schedule(0.0, train.learning_rate, warmup), decay], [warmup]
    )


def make_optimiser(train: TrainConfig, steps: int) -> optax.GradientTransformation:
    """Adam(0.9, 0.99); L2 of the kernels enters the gradient, as in the reference code."""

    def kernels(params: Tree) -> Tree:
        return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)

    return optax.chain(
        optax.add_decayed_weights(train.l2, mask=kernels),
        optax.adam(learning_rate(train, steps), b1=0.9, b2=0.99),
    )


def init_state(config: PokeBNNConfig, train: TrainConfig, steps: int) -> TrainState:
    """A freshly initialised state; the same seed gives the same values."""
    model = PokeBNN(config, Mode(dtype=jnp.float32))
    images = jnp.zeros((1, *config.image_shape), jnp.float32)
    variables = jax.jit(model.init)(jax.random.key(train.seed), images)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=variables["params"],
        batch_stats=variables["batch_stats"],
        get_bounds=variables["get_bounds"],
        optimiser=make_optimiser(train, steps).init(variables["params"]),
    )


def loss_function(
    logits: jax.Array, labels: jax.Array, teacher: jax.Array | None, train: TrainConfig
) -> jax.Array:
    """Mean over the batch of cross-entropy, mixed with KL(teacher || student) when given.

    teacher: the teacher's probabilities at `temperature`, (N, classes).
    """
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), train.label_smoothing)
    loss = jnp.mean(optax.softmax_cross_entropy(logits, targets))
    if teacher is None:
        return loss
    student = jax.nn.log_softmax(logits / train.temperature)
    divergence = jnp.mean(optax.kl_divergence(student, teacher)) * train.temperature**2
    return (1 - train.distillation) * loss + train.distillation * divergence


def make_train_step(
    config: PokeBNNConfig, train: TrainConfig, steps: int, update_bounds: bool
) -> Callable[[TrainState, jax.Array, jax.Array, jax.Array | None], tuple[TrainState, Metrics]]:
    """Jitted (state, uint8 images, labels, teacher probabilities or None) -> (state, metrics)."""
    mode = Mode(dtype=jnp.float32, train=True, update_bounds=update_bounds)
    model = PokeBNN(config, mode)
    optimiser = make_optimiser(train, steps)

    def step(
        state: TrainState, images: jax.Array, labels: jax.Array, teacher: jax.Array | None
    ) -> tuple[TrainState, Metrics]:
        x = normalise(images, config, mode)

        def objective(params: Tree) -> tuple[jax.Array, tuple[jax.Array, Tree]]:
            result: Any = model.apply(
                {
                    "params": params,
                    "batch_stats": state.batch_stats,
                    "get_bounds": state.get_bounds,
                },
                x,
                mutable=["batch_stats", "get_bounds"],
            )
            logits, updates = result
            return loss_function(logits, labels, teacher, train), (logits, updates)

        (loss, (logits, updates)), gradient = jax.value_and_grad(objective, has_aux=True)(
            state.params
        )
        change, optimiser_state = optimiser.update(gradient, state.optimiser, state.params)
        params: Any = optax.apply_updates(state.params, change)
        accuracy = jnp.mean(jnp.argmax(logits, axis=-1) == labels)
        new = TrainState(
            step=state.step + 1,
            params=params,
            batch_stats=updates["batch_stats"],
            get_bounds=updates["get_bounds"],
            optimiser=optimiser_state,
        )
        return new, Metrics(loss, accuracy)

    return jax.jit(step, donate_argnums=0)


@functools.cache
def make_predict(config: PokeBNNConfig) -> Callable[[Tree, jax.Array], jax.Array]:
    """Jitted (inference variables, uint8 images) -> predicted classes, float32 activations.

    One function for each configuration, so that it is compiled once.
    """
    mode = Mode(dtype=jnp.float32)
    model = PokeBNN(config, mode)

    def predict(variables: Tree, images: jax.Array) -> jax.Array:
        logits: Any = model.apply(variables, normalise(images, config, mode))
        return jnp.argmax(logits, axis=-1)

    return jax.jit(predict)


def make_batch_statistics(config: PokeBNNConfig) -> Callable[[Tree, jax.Array], Tree]:
    """Jitted (variables, uint8 images) -> `batch_stats` of this batch alone, bounds frozen."""
    mode = Mode(dtype=jnp.float32, train=True, momentum=0.0)
    model = PokeBNN(config, mode)

    def statistics(variables: Tree, images: jax.Array) -> Tree:
        x = normalise(images, config, mode)
        result: Any = model.apply(variables, x, mutable=["batch_stats"])
        return result[1]["batch_stats"]

    return jax.jit(statistics)
