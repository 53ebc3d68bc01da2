"""Nodes and initialisers of an ONNX graph, named by layer: `layer/value`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

COMMON = "common"
"""Prefix of the initialisers that layers share."""


class Scope:
    """A prefix of names, and the graph that is being built under it.

    A node has the name of its one output. Initialisers are unique by name.
    """

    def __init__(self, name: str = "", graph: Scope | None = None) -> None:
        self._prefix = f"{name}/" if name else ""
        self.nodes: list[NodeProto] = [] if graph is None else graph.nodes
        self.initialisers: dict[str, TensorProto] = {} if graph is None else graph.initialisers

    def inner(self, name: str) -> Scope:
        """The scope `name` within this one, of the same graph."""
        return Scope(self._prefix + name, self)

    def op(self, kind: str, name: str, *inputs: str, doc: str = "", **attributes: Any) -> str:
        """Appends a node of ONNX operator `kind`; the name of its output."""
        output = self._prefix + name
        node = helper.make_node(
            kind, list(inputs), [output], name=output, doc_string=doc or None, **attributes
        )
        self.nodes.append(node)
        return output

    def constant(self, name: str, values: npt.NDArray[Any], doc: str = "") -> str:
        """An initialiser of this scope."""
        return self._initialiser(self._prefix + name, values, doc)

    def common(self, name: str, values: npt.NDArray[Any]) -> str:
        """An initialiser that is the same for every layer."""
        full = f"{COMMON}/{name}"
        return full if full in self.initialisers else self._initialiser(full, values, "")

    def number(self, value: int) -> str:
        """An int32 scalar that is the same for every layer."""
        return self.common(str(value), np.array(value, np.int32))

    def axes(self, *axes: int) -> str:
        """A list of axes."""
        return self.common("_".join(["axes", *map(str, axes)]), np.array(axes, np.int64))

    def _initialiser(self, name: str, values: npt.NDArray[Any], doc: str) -> str:
        if name in self.initialisers:
            raise ValueError(f"initialiser {name} is there already")
        tensor = numpy_helper.from_array(np.ascontiguousarray(values).reshape(values.shape), name)
        tensor.doc_string = doc
        self.initialisers[name] = tensor
        return name
