"""Hyper-parameters of a training run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from hwflow.errors import FlowError


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything besides the network and the data that decides a run's result.

    learning_rate: peak of Adam(0.9, 0.99), after `warmup_steps` linear steps, then `schedule`
    down to 0. l2: factor of half the squared norm of all kernels. freeze_bounds_at: fraction of
    the run after which the activation bounds stop moving. shift: largest random translation,
    pixels. flip: random mirror image. distillation: weight of the KL to a teacher's softmax at
    `temperature` (0: labels only). label_smoothing: of the label term.
    """

    epochs: int = 16
    batch_size: int = 128
    learning_rate: float = 3e-3
    warmup_steps: int = 200
    schedule: Literal["cosine", "linear"] = "cosine"
    l2: float = 5e-5
    freeze_bounds_at: float = 0.6
    shift: int = 2
    flip: bool = True
    label_smoothing: float = 0.0
    distillation: float = 0.0
    temperature: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        def check(ok: bool, field: str, expected: str) -> None:
            if not ok:
                raise FlowError(
                    f"TrainConfig: {field}={getattr(self, field)!r}: expected {expected}"
                )

        check(self.epochs >= 1, "epochs", ">= 1")
        check(self.batch_size >= 1, "batch_size", ">= 1")
        check(self.learning_rate > 0, "learning_rate", "> 0")
        check(self.warmup_steps >= 0, "warmup_steps", ">= 0")
        check(self.schedule in ("cosine", "linear"), "schedule", "cosine or linear")
        check(self.l2 >= 0, "l2", ">= 0")
        check(0 <= self.freeze_bounds_at <= 1, "freeze_bounds_at", "0 to 1")
        check(self.shift >= 0, "shift", ">= 0")
        check(0 <= self.label_smoothing < 1, "label_smoothing", "0 to 1")
        check(0 <= self.distillation <= 1, "distillation", "0 to 1")
        check(self.temperature > 0, "temperature", "> 0")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary."""
        return dataclasses.asdict(self)
