"""Keeps what images must give: evaluating a large network takes longer than reading its result.

A file an image, named by a hash of the network, the image, what the schedule asks for and the code
that defines the values. It is a zip of plain arrays (numpy's .npz): s16 tensors, int32 values, and `meta` as JSON.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hwflow.files import DAMAGED_ARCHIVE, write_atomically
from models.integer.params import IntegerNetwork
from sim.definition import definition_digest
from sim.expected import ExpectedImage, ExpectedLayer, Instruction, Ints, expected_images

FORMAT = 2
TENSORS = ("stored", "mean", "stored_mean", "pool")


def stored_expected(
    network: IntegerNetwork,
    convs: Mapping[int, Instruction],
    images: npt.NDArray[np.uint8],
    folder: Path,
) -> tuple[list[ExpectedImage], int, float]:
    """`expected_images`, each read from `folder` where it is kept there.

    Returns: the images, how many were kept, and the seconds that evaluating all of them took, now
    or when they were kept.

    Raises:
        FlowError: images of another shape or type.
    """
    found: list[ExpectedImage] = []
    kept, seconds = 0, 0.0
    for image in images:
        path = folder / f"{_key(network, convs, image)}.npz"
        one = _load(path)
        if one is None:
            began = time.monotonic()
            values = expected_images(network, convs, image[None])[0]
            one = values, time.monotonic() - began
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, _bytes(*one))
        else:
            kept += 1
        found.append(one[0])
        seconds += one[1]
    return found, kept, seconds


def _key(
    network: IntegerNetwork, convs: Mapping[int, Instruction], image: npt.NDArray[np.uint8]
) -> str:
    asked = [
        (layer, conv["mean_en"], conv["mean_shift"], conv["store_shift"], conv["pool_en"])
        for layer, conv in sorted(convs.items())
    ]
    described = json.dumps(
        [FORMAT, definition_digest(), network.content_hash(), image.shape, asked]
    )
    return hashlib.sha256(described.encode() + image.tobytes()).hexdigest()[:32]


def _bytes(image: ExpectedImage, seconds: float) -> bytes:
    arrays: dict[str, npt.NDArray[Any]] = {"logits": image.logits}
    layers: list[dict[str, Any]] = []
    for layer in image.layers:
        for name in TENSORS:
            tensor = getattr(layer, name)
            if tensor is not None:
                arrays[f"{layer.number}.{name}"] = tensor.astype(np.int16)
        for kind, values in layer.scalars.items():
            arrays[f"{layer.number}.scalar.{kind}"] = values
        layers.append(
            {
                "number": layer.number,
                "name": layer.name,
                "signature": layer.signature,
                "saturated": layer.saturated,
                "scalars": list(layer.scalars),
            }
        )
    described = {"seconds": seconds, "signature": image.signature, "layers": layers}
    meta = json.dumps(described).encode()
    stored = io.BytesIO()
    arrays["meta"] = np.frombuffer(meta, np.uint8)
    np.savez(stored, allow_pickle=False, **arrays)
    return stored.getvalue()


def _load(path: Path) -> tuple[ExpectedImage, float] | None:
    """What an image must give and the seconds that took; None when the file is not there or not whole."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as raw, np.load(raw) as file:
            meta = json.loads(file["meta"].tobytes())
            layers = tuple(_layer(file, entry) for entry in meta["layers"])
            image = ExpectedImage(
                layers=layers, logits=file["logits"], signature=int(meta["signature"])
            )
            return image, float(meta["seconds"])
    except DAMAGED_ARCHIVE:
        return None


def _layer(file: Mapping[str, npt.NDArray[Any]], entry: Mapping[str, Any]) -> ExpectedLayer:
    number = int(entry["number"])

    def tensor(name: str) -> Ints | None:
        key = f"{number}.{name}"
        return file[key].astype(np.int32) if key in file else None

    saturated = entry["saturated"]
    return ExpectedLayer(
        number=number,
        name=entry["name"],
        stored=tensor("stored"),
        mean=tensor("mean"),
        stored_mean=tensor("stored_mean"),
        pool=tensor("pool"),
        scalars={kind: file[f"{number}.scalar.{kind}"] for kind in entry["scalars"]},
        signature=entry["signature"],
        saturated=None if saturated is None else (int(saturated[0]), int(saturated[1])),
    )
