"""An exported model in onnxruntime, held against the integer network value by value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from hwflow.onnx.network import FEATURES, IMAGE, LOGITS, add_outputs, serialise, value_names
from models.integer import layers
from models.integer.layers import Trace
from models.integer.network import map_images
from models.integer.params import IntegerNetwork

BATCH = 8
"""Images evaluated at a time."""
ERRORS_ONLY = 3
"""onnxruntime's level of messages."""
Ints = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class ValueEquality:
    """One value of `value_names` over all images: elements compared, and how many differ."""

    name: str
    elements: int
    differ: int

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differ

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready dictionary."""
        return {**asdict(self), "equal": self.equal}


class Model:
    """A model file in onnxruntime: its logits as they are, its stored values from a copy.

    The copy has the stored values as further outputs, and is otherwise the same.
    """

    def __init__(self, data: bytes, names: tuple[str, ...]) -> None:
        opened = onnx.load_from_string(data)
        add_outputs(opened, names)
        self._names = names
        self._file, self._opened = _session(data), _session(serialise(opened))

    def values(self, images: npt.NDArray[np.uint8]) -> dict[str, Ints]:
        """Every value by name, of uint8 (N, H, W, c)."""
        inputs = {IMAGE: images}
        stored = [name for name in self._names if name != LOGITS]
        found = dict(zip(stored, self._opened.run(stored, inputs), strict=True))
        return {**found, LOGITS: self._file.run([LOGITS], inputs)[0]}


def _session(data: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def trace_values(network: IntegerNetwork, trace: Trace) -> dict[str, Ints]:
    """The values of a trace by their names in the model, maps as (N, C, H, W)."""
    values: dict[str, Ints] = {FEATURES: trace.features, LOGITS: trace.logits}
    for conv, found in zip(network.init, trace.init, strict=True):
        values[f"{conv.name}/y"] = found.y.transpose(0, 3, 1, 2)
    for conv, found in zip(network.convs, trace.convs, strict=True):
        values[f"{conv.name}/mean"] = found.mean
        values[f"{conv.name}/hidden"] = found.hidden
        values[f"{conv.name}/scale"] = found.scale
        values[f"{conv.name}/y"] = found.y.transpose(0, 3, 1, 2)
    return values


def verify(
    data: bytes,
    network: IntegerNetwork,
    images: npt.NDArray[np.uint8],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[ValueEquality, ...]:
    """Compares every stored value of the model file `data` with the integer network's.

    The reference is evaluated in numpy. progress is called with (images done, of how many).
    """
    names = value_names(network)
    model = Model(data, names)
    differ, elements = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for start in range(0, len(images), BATCH):
        some = images[start : start + BATCH]
        wanted = trace_values(network, layers.forward(network, map_images(network, some)))
        for name, found in model.values(some).items():
            same_shape = found.shape == wanted[name].shape
            elements[name] += wanted[name].size
            unequal = found != wanted[name] if same_shape else np.ones(wanted[name].shape)
            differ[name] += int(np.count_nonzero(unequal))
        if progress:
            progress(start + len(some), len(images))
    return tuple(
        ValueEquality(name=name, elements=elements[name], differ=differ[name]) for name in names
    )
