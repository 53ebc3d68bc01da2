"""Compiles an integer network for a configuration."""

from __future__ import annotations

from dataclasses import replace

from hwflow.compiler import container, image, schedule
from hwflow.compiler.heads import place_heads
from hwflow.compiler.manifest import ImageInfo, LayerInfo, Manifest, TensorInfo, config_hash
from hwflow.compiler.order import order
from hwflow.compiler.plan import LayerPlan
from hwflow.compiler.program import Program, sha256
from hwflow.compiler.repeat import Repeat, repeated
from hwflow.compiler.spill import plan, stored_tensors
from hwflow.compiler.stream import items
from hwflow.config import AcceleratorConfig
from hwflow.errors import FlowError, suggestion
from hwflow.memories import Tensor
from hwflow.verifier.verify import verify
from models.integer.params import IntegerNetwork


def lower(
    network: IntegerNetwork, config: AcceleratorConfig, repeat: Repeat | None = None
) -> Program:
    """A verified program: the same bytes for the same network and configuration.

    repeat: a layer to be computed more than once.

    Raises:
        FlowError: the network breaks docs/numerics.md, needs something the hardware does not do,
            or does not fit; names the layer, the reason and what to change.
    """
    network.validate()
    if network.residual_bits != config.residual_bits:
        raise FlowError(
            f"network {network.name} stores elements of {network.residual_bits} bits, target {config.name} of "
            f"{config.residual_bits}; quantise it with --residual-bits {config.residual_bits}, or set residual_bits of "
            "the target"
        )
    layers = place_heads(plan(network, config), config)
    needed = items(network, layers, config)
    if repeat is not None:
        names = [layer.name for layer in layers]
        if repeat.layer not in names:
            near = suggestion(repeat.layer, names)
            known = ", ".join(names)
            raise FlowError(f"--repeat-layer {repeat.layer}: unknown{near}; known: {known}")
        needed = repeated(needed, names.index(repeat.layer), repeat.times, config)
    ordered = order(needed, config)
    instructions, areas = image.place(ordered, config)
    network_hash, target_hash = network.content_hash(), config_hash(config)
    header = container.Header(
        magic=container.SCHEDULE_MAGIC,
        beat_bytes=config.memory_bytes,
        instructions=len(instructions),
        schedule_address=container.HEADER_BYTES // config.memory_bytes,
        image_address=areas.image_address,
        image_beats=areas.image_beats,
        spill_beats=areas.spill_beats,
        network_hash=bytes.fromhex(network_hash)[: container.HASH_BYTES],
        config_hash=bytes.fromhex(target_hash)[: container.HASH_BYTES],
    )
    encoded = container.seal(header, schedule.encode(instructions))
    memory = image.assemble(ordered, instructions, header)
    manifest = Manifest(
        network=network.name,
        target=config.to_dict(),
        network_hash=network_hash,
        config_hash=target_hash,
        schedule_hash=sha256(encoded),
        memory_hash=sha256(memory),
        schedule_address=header.schedule_address,
        instructions=len(instructions),
        image=_image_info(network, layers[0].source, header),
        spill_address=areas.spill_address,
        spill_beats=areas.spill_beats,
        layers=_layer_table(network),
        tensors=_tensor_table(layers),
        classes=network.classes,
        logit_exponent=network.dense.logit_exponent,
    )
    program = Program(schedule=encoded, memory=memory, manifest=manifest)
    verify(program)
    return program


def _image_info(network: IntegerNetwork, tensor: Tensor, header: container.Header) -> ImageInfo:
    return ImageInfo(
        address=header.image_address,
        beats=header.image_beats,
        shape=tuple(network.image_shape),
        table=tuple(tuple(int(v) for v in row) for row in network.input_table),
        stride=network.init_stride,
        stored_shape=(tensor.height, tensor.width, tensor.channels),
        words=tensor.words,
    )


def _layer_table(network: IntegerNetwork) -> tuple[LayerInfo, ...]:
    layers = [
        LayerInfo(
            number=0, name=conv.name, kind="init", kernel=conv.kernel, stride=1,
            in_shape=tuple(conv.in_shape), out_shape=tuple(conv.out_shape),
        )
        for conv in network.init
    ]  # fmt: skip
    layers += [
        LayerInfo(
            number=0, name=conv.name, kind="conv", kernel=conv.kernel, stride=conv.stride,
            in_shape=tuple(conv.in_shape), out_shape=tuple(conv.out_shape),
        )
        for conv in network.convs
    ]  # fmt: skip
    layers.append(
        LayerInfo(
            number=0, name="dense", kind="dense", kernel=1, stride=1,
            in_shape=tuple(network.convs[-1].out_shape), out_shape=(1, 1, network.classes),
        )
    )  # fmt: skip
    return tuple(replace(layer, number=number) for number, layer in enumerate(layers))


def _tensor_table(layers: tuple[LayerPlan, ...]) -> tuple[TensorInfo, ...]:
    return tuple(
        TensorInfo(
            name=t.name, memory=t.memory.value, shape=(t.height, t.width, t.channels),
            words=t.words, pitch=t.pitch, base=t.base, rows=t.rows, first=t.first, last=t.last,
            spill=t.spill,
        )
        for t in stored_tensors(layers)
    )  # fmt: skip
