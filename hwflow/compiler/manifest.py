"""The manifest: what a host and a person need to know about a build."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from hwflow import isa
from hwflow.config import AcceleratorConfig
from hwflow.errors import FlowError

FORMAT = "hwflow-build"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ImageInfo:
    """The image area and how a uint8 image becomes its bytes (docs/packing.md).

    shape: (height, width, channels) of the uint8 image; table: 256 rows of s8 values, one a
    channel; stride: of space-to-depth; stored_shape: after it; words: of C bytes a pixel.
    """

    address: int
    beats: int
    shape: tuple[int, ...]
    table: tuple[tuple[int, ...], ...]
    stride: int
    stored_shape: tuple[int, ...]
    words: int


@dataclass(frozen=True, kw_only=True)
class LayerInfo:
    """What a layer number is. kind: init, conv or dense; shapes (height, width, channels)."""

    number: int
    name: str
    kind: str
    kernel: int
    stride: int
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """Where a tensor lives: rows base..base+rows-1 of every bank of `memory`.

    A pixel has `words` words; the first `pitch` are there, the others from beat `spill` of the spill area on.
    It is written by layer `first` (-1: the loader) and last read by layer `last`.
    """

    name: str
    memory: str
    shape: tuple[int, ...]
    words: int
    pitch: int
    base: int
    rows: int
    first: int
    last: int
    spill: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Addresses are in beats of memory.bin; hashes are SHA-256 in hexadecimal.

    memory_hash and schedule_hash are of the files memory.bin and schedule.bin.
    """

    network: str
    target: dict[str, Any]
    network_hash: str
    config_hash: str
    schedule_hash: str
    memory_hash: str
    schedule_address: int
    instructions: int
    image: ImageInfo
    spill_address: int
    spill_beats: int
    layers: tuple[LayerInfo, ...]
    tensors: tuple[TensorInfo, ...]
    classes: int
    logit_exponent: int

    @property
    def config(self) -> AcceleratorConfig:
        """The configuration the build is for."""
        return AcceleratorConfig.from_dict(self.target, source="manifest.json: target")

    def layer_name(self, number: int) -> str:
        """Name of a layer number."""
        return next((i.name for i in self.layers if i.number == number), f"layer {number}")

    def to_json(self) -> str:
        """Deterministic text, with a digest of the rest in `sha256`."""
        body = dataclasses.asdict(self)
        document = {
            "format": FORMAT,
            "version": isa.VERSION,
            "sha256": _digest(body),
            "build": body,
        }
        return json.dumps(document, indent=1, sort_keys=True) + "\n"

    @staticmethod
    def from_json(text: str, source: str = "manifest.json") -> Manifest:
        """Inverse of `to_json`.

        Raises:
            FlowError: not a manifest, of another version, or altered.
        """
        remedy = "run `hwflow lower` again"
        try:
            document = json.loads(text)
            if document["format"] != FORMAT:
                raise ValueError(f"format is {document['format']!r}, expected {FORMAT!r}")
            if document["version"] != isa.VERSION:
                raise ValueError(f"version is {document['version']}, expected {isa.VERSION}")
            body = document["build"]
            if _digest(body) != document["sha256"]:
                raise ValueError("its content does not match its checksum")
            fields: dict[str, Any] = dict(body)
            fields["image"] = _build(ImageInfo, body["image"])
            fields["layers"] = tuple(_build(LayerInfo, item) for item in body["layers"])
            fields["tensors"] = tuple(_build(TensorInfo, item) for item in body["tensors"])
            return Manifest(**fields)
        except (ValueError, KeyError, TypeError) as error:
            raise FlowError(f"{source}: not a usable manifest ({error}); {remedy}") from error


def config_hash(config: AcceleratorConfig) -> str:
    """SHA-256 (hex) of a configuration's fields."""
    return _digest(config.to_dict())


def _digest(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _build(kind: type[T], values: dict[str, Any]) -> T:
    return kind(**{name: _tuples(value) for name, value in values.items()})


def _tuples(value: object) -> object:
    return tuple(_tuples(v) for v in cast(list[object], value)) if type(value) is list else value
