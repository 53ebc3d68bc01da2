"""The integer network as an ONNX model of standard integer operators, equal in every bit."""

from __future__ import annotations

import importlib.util

from hwflow.errors import FlowError, get_extra


def require(*packages: str) -> None:
    """Raises FlowError unless these packages of the extra `onnx` can be imported."""
    for name in packages:
        if importlib.util.find_spec(name) is None:
            raise FlowError(f"package {name} is missing; {get_extra('onnx')}")
