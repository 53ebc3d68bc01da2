"""The folder of a training run: its identity, resumable state and log.

A run is known by its network, settings and data. `train_state.msgpack` holds the identity beside
the state, so that a state is never resumed as another run; `train_config.json` says the same to
people. Only the number of epochs may change, when asked for: the log gets a line that says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np

from hwflow import interruption
from hwflow.errors import FlowError
from hwflow.files import write_atomically
from models.checkpoint import ARRAYS
from models.config import PokeBNNConfig
from models.data import ImageSet
from models.train.config import TrainConfig
from models.train.step import TrainState

STATE = "train_state.msgpack"
LOG = "train_log.jsonl"
SETTINGS = "train_config.json"
CHANGED = "epochs_changed"
Identity = dict[str, Any]


@dataclass(kw_only=True)
class Run:
    """identity: what is trained. state: stored one, None before the first epoch.

    log: one entry for each epoch done, and one for each change of the number of epochs.
    """

    identity: Identity
    state: Any = None
    log: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def epochs_done(self) -> int:
        """Epochs that the state has seen."""
        return sum("epoch" in entry for entry in self.log)


def identify(
    config: PokeBNNConfig, settings: TrainConfig, data: ImageSet, test: ImageSet
) -> Identity:
    """Network, settings and SHA-256 of both image sets, as read back from JSON."""
    values = {
        "network": config.to_dict(),
        "training": settings.to_dict(),
        "data": {"train": data.sha256(), "test": test.sha256()},
    }
    return json.loads(json.dumps(values))


def differences(stored: Any, wanted: Any, name: str = "") -> list[str]:
    """One line for each field that differs: `training.seed is 0 there, 1 here`."""
    if isinstance(stored, dict) and isinstance(wanted, dict):
        lines: list[str] = []
        for key in sorted({*stored, *wanted}):
            inner = f"{name}.{key}" if name else str(key)
            lines += differences(stored.get(key), wanted.get(key), inner)
        return lines
    return [] if stored == wanted else [f"{name} is {stored} there, {wanted} here"]


def open_run(folder: Path, identity: Identity, change_epochs: bool) -> Run:
    """The run that `folder` holds, or a new one; writes nothing.

    Raises FlowError when the folder holds another run, a state that cannot be read, or a
    checkpoint without a state. With change_epochs the number of epochs may differ.
    """
    if not (folder / STATE).is_file():
        if (folder / ARRAYS).exists():
            raise FlowError(
                f"{folder}: holds a checkpoint but no {STATE} to resume; use another folder"
            )
        run = Run(identity=_settings_of(folder) or identity)
    else:
        run = _stored_run(folder / STATE)
    before, after = (part["training"]["epochs"] for part in (run.identity, identity))
    same = {**run.identity, "training": {**run.identity["training"], "epochs": after}}
    if found := differences(same if change_epochs else run.identity, identity):
        raise FlowError(
            f"{folder}: holds a different run: {'; '.join(found)}; use another folder or remove it"
        )
    done = run.epochs_done
    if done > after:
        raise FlowError(f"{folder}: {done} epochs are done, {after} wanted; give at least {done}")
    if before != after and run.state is not None:
        run.log.append({CHANGED: {"after_epoch": done, "from": before, "to": after}})
    run.identity = identity
    return run


def _settings_of(folder: Path) -> Identity | None:
    """The identity in the settings file of a run that was stopped in its first epoch."""
    path = folder / SETTINGS
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text())
        if type(values["training"]["epochs"]) is not int:
            raise ValueError("the number of epochs is none")
        return {name: values[name] for name in ("network", "training", "data")}
    except (ValueError, KeyError, TypeError) as error:
        raise FlowError(f"{path}: not the settings of a run; use another folder") from error


def _stored_run(path: Path) -> Run:
    try:
        stored: Any = flax.serialization.msgpack_restore(path.read_bytes())
        log = [json.loads(line) for line in stored["log"]]
        return Run(identity=json.loads(stored["identity"]), state=stored["state"], log=log)
    except Exception as error:  # msgpack raises many kinds on damaged bytes
        raise _unusable(path, error) from error


def restore(folder: Path, run: Run, fresh: TrainState) -> TrainState:
    """The run's stored state in the shape of `fresh`, or `fresh` itself when there is none."""
    if run.state is None:
        return fresh
    try:
        state: Any = flax.serialization.from_state_dict(fresh, run.state)
        if jax.tree.map(np.shape, state) != jax.tree.map(np.shape, fresh):
            raise ValueError("its arrays have other shapes")
    except Exception as error:  # flax raises many kinds on damaged trees
        raise _unusable(folder / STATE, error) from error
    return jax.tree.map(jnp.asarray, state)


def _unusable(path: Path, error: Exception) -> FlowError:
    return FlowError(f"{path}: cannot be resumed ({error}); remove it to start over")


def write_settings(folder: Path, run: Run) -> None:
    """The settings file: the identity, and where the number of epochs was changed."""
    changes = [entry[CHANGED] for entry in run.log if CHANGED in entry]
    text = json.dumps({**run.identity, CHANGED: changes}, indent=2, sort_keys=True) + "\n"
    write_atomically(folder / SETTINGS, text.encode())


def write_log(folder: Path, log: list[dict[str, Any]]) -> None:
    """One JSON object a line."""
    write_atomically(folder / LOG, "".join(json.dumps(entry) + "\n" for entry in log).encode())


def store(folder: Path, run: Run, state: TrainState) -> None:
    """The state with the identity and the log, and the log for people."""
    stored = {
        "identity": json.dumps(run.identity, sort_keys=True),
        "state": flax.serialization.to_state_dict(jax.tree.map(np.asarray, state)),
        "log": [json.dumps(entry) for entry in run.log],
    }
    packed = flax.serialization.msgpack_serialize(stored)
    with interruption.put_off():
        write_atomically(folder / STATE, packed)
        write_log(folder, run.log)
