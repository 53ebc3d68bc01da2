"""Everything the loader has to bring, in the order of need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hwflow.compiler import scalar, weights
from hwflow.compiler.conv import Instruction, init_conv, poke_conv
from hwflow.compiler.plan import LayerPlan
from hwflow.compiler.spill import streamed
from hwflow.compiler.weights import Bytes
from hwflow.config import AcceleratorConfig
from hwflow.errors import UnsuitableError
from hwflow.isa import FcDest, Op, Ring
from hwflow.memories import Tensor, ceil_div, group_beats
from hwflow.tokens import RING_TOKENS, Token, TokenMachine, queue_of, ring_unit_bytes
from models.integer.params import IntegerNetwork, PokeConvParams

NIBBLE = 4
"""Bits of a weight of which two are packed into a byte."""
CHUNK_BEATS = 256
"""Most beats of one LOAD, where a word allows it: its 64-byte instruction is then below 3%."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """An instruction to dispatch, or a LOAD of `payload` whose address is not known yet."""

    instruction: Instruction
    payload: bytes
    token: Token | None
    amount: int


def queued(instruction: Instruction) -> Item:
    """The item of an instruction for one of the queues."""
    token = queue_of(instruction)
    return Item(instruction=instruction, payload=b"", token=token, amount=1)


class Streams:
    """Builds the items of a network's layers for one configuration."""

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        units = TokenMachine(config).capacities
        self._capacity = {
            ring: units[token] * ring_unit_bytes(config, ring)
            for ring, token in RING_TOKENS.items()
        }

    def _long(self, layer: LayerPlan) -> Iterator[tuple[int, Item]]:
        """LOADs of the long stream: the shortcut's groups that are not in main memory, in the order of use."""
        config = self._config
        for cg, tensor, word in streamed(layer, config):
            beats = group_beats(config, tensor.height * tensor.width)
            start = tensor.spill + (word - tensor.pitch) * beats
            limit = max(1, min(config.long_words // 2, CHUNK_BEATS // config.stream_beats))
            chunk = limit * config.stream_beats
            for at in range(0, beats, chunk):
                instruction = {
                    "op": int(Op.LOAD),
                    "layer": layer.number,
                    "ring": int(Ring.LONG),
                    "address": start + at,
                    "beats": min(chunk, beats - at),
                    "base": 0,
                    "words": 0,
                    "after": tensor.first + 1,
                }
                amount = instruction["beats"] // config.stream_beats
                yield (
                    cg,
                    Item(instruction=instruction, payload=b"", token=Token.LONG, amount=amount),
                )

    def _load(self, layer: int, ring: Ring, words: Bytes) -> Item:
        payload = words.tobytes()
        instruction = {
            "op": int(Op.LOAD),
            "layer": layer,
            "ring": int(ring),
            "address": 0,
            "beats": len(payload) // self._config.memory_bytes,
            "base": 0,
            "words": 0,
            "after": 0,
        }
        amount = len(payload) // ring_unit_bytes(self._config, ring)
        return Item(
            instruction=instruction, payload=payload, token=RING_TOKENS[ring], amount=amount
        )

    def _chunks(self, layer: int, name: str, ring: Ring, data: Bytes) -> Iterator[tuple[int, Item]]:
        """LOADs of whole groups, or of parts of one, each with the group it is first needed by."""
        groups, per_group, word_bytes = data.shape
        capacity = self._capacity[ring] // word_bytes
        if per_group > capacity:
            field = {Ring.WEIGHTS: "weight_words", Ring.MACS: "mac_words"}[ring]
            raise UnsuitableError(
                f"{name}: a channel group needs {per_group} words of the "
                f"{RING_TOKENS[ring].value}, target {self._config.name} has {capacity}; "
                f"raise {field}"
            )
        beats = CHUNK_BEATS * self._config.memory_bytes
        limit = max(1, min(capacity // 2, beats // word_bytes))
        if ring is Ring.CONSTANTS:
            limit -= limit % self._config.records_per_beat
        whole = max(1, limit // per_group)
        for group in range(0, groups, whole):
            words = data[group : group + whole].reshape(-1, word_bytes)
            size = limit if whole == 1 else len(words)
            for at in range(0, len(words), size):
                yield group, self._load(layer, ring, words[at : at + size])

    def image(self, tensor: Tensor, beats: int) -> Item:
        """The LOAD of the image; its address is that of the image area."""
        instruction = {
            "op": int(Op.LOAD),
            "layer": 0,
            "ring": int(Ring.BYTES),
            "address": 0,
            "beats": beats,
            "base": tensor.base,
            "words": tensor.words,
            "after": 0,
        }
        return Item(instruction=instruction, payload=b"", token=None, amount=0)

    def init_layer(self, network: IntegerNetwork, layer: LayerPlan) -> Iterator[Item]:
        """A PokeInit convolution: constants with s = 1.0 and 8-bit weights."""
        conv = network.init[layer.number]
        instruction = init_conv(conv, layer, self._config)
        channels = conv.out_shape[2]
        yield queued(instruction)
        if layer.number:
            yield queued(scalar.barrier(layer.number, layer.source.channels))
        yield queued(scalar.affine(layer.number, channels))
        records = weights.constant_records(None, conv.vector, self._config)
        data = weights.mac_conv_weights(conv.weights, bool(instruction["grouped"]), self._config)
        sources = [(Ring.CONSTANTS, records), (Ring.MACS, data)]
        yield from self._merged(layer.number, layer.name, sources)

    def poke_layer(self, conv: PokeConvParams, layer: LayerPlan) -> Iterator[Item]:
        """A PokeConv: its squeeze-and-excite, then scales and binary weights group by group."""
        config, se, number = self._config, conv.se, layer.number
        cin, hidden = se.fc1_weights.shape
        cout = conv.out_shape[2]
        instruction = poke_conv(conv, layer, config)
        nibbles = se.weight_bits == NIBBLE
        first, second = (
            scalar.fully_connected(number, dest, shape, params, not nibbles, config)
            for dest, shape, params in (
                (FcDest.HIDDEN, (cin, hidden), se.fc1),
                (FcDest.SCALE, (hidden, cout), se.fc2),
            )
        )
        mean = scalar.mean(number, cin, se.mean)
        yield queued(mean)
        if mean["records"]:
            records = weights.constant_records(se.mean, None, config)
            yield from self._merged(number, layer.name, [(Ring.CONSTANTS, records)])
        yield queued(first)
        fc1 = weights.matrix_weights(se.fc1_weights, nibbles, config)
        records = weights.constant_records(se.fc1, None, config)
        sources = [(Ring.MACS, fc1), (Ring.CONSTANTS, records)]
        yield from self._merged(number, layer.name, sources)
        yield queued(second)
        yield queued(instruction)
        fc2 = weights.matrix_weights(se.fc2_weights, nibbles, config)
        records = weights.constant_records(se.fc2, conv.vector, config)
        binary = weights.binary_weights(conv.weights, config)
        sources = [
            (Ring.MACS, fc2),
            (Ring.CONSTANTS, records),
            (Ring.WEIGHTS, binary),
        ]
        yield from self._merged(number, layer.name, sources, self._long(layer))

    def dense(self, network: IntegerNetwork) -> Iterator[Item]:
        """The last mean, the dense layer and END."""
        dense, config = network.dense, self._config
        number = 2 + len(network.convs)
        shape = dense.weights.shape
        yield queued(scalar.mean(number, shape[0], dense.mean))
        yield queued(
            scalar.fully_connected(
                number, FcDest.LOGITS, (shape[0], shape[1]), dense.logits, True, config
            )
        )
        data = weights.matrix_weights(dense.weights, False, config)
        records = weights.constant_records(dense.logits, None, config)
        sources = [(Ring.MACS, data), (Ring.CONSTANTS, records)]
        yield from self._merged(number, "dense", sources)
        yield queued(scalar.end(number))

    def _merged(
        self,
        number: int,
        name: str,
        sources: list[tuple[Ring, Bytes]],
        long: Iterable[tuple[int, Item]] = (),
    ) -> Iterator[Item]:
        """LOADs of several rings ordered by the channel group that needs them first."""
        keyed: list[tuple[int, int, Item]] = []
        for rank, (ring, data) in enumerate(sources):
            unit = self._config.cols if ring is Ring.CONSTANTS else 1
            for group, item in self._chunks(number, name, ring, data):
                keyed.append((group // unit, rank, item))
        keyed += [(group, len(sources), item) for group, item in long]
        keyed.sort(key=lambda entry: entry[:2])
        yield from (item for _, _, item in keyed)


def items(
    network: IntegerNetwork, layers: tuple[LayerPlan, ...], config: AcceleratorConfig
) -> list[Item]:
    """All items of a frame, earliest need first.

    Raises:
        FlowError: a channel group that does not fit a ring, or a field that is too narrow.
    """
    streams = Streams(config)
    image = layers[0].source
    size = image.height * image.width * image.words * config.cols
    # The first layer works on the image while it arrives, so what else it needs comes before.
    result = list(streams.init_layer(network, layers[0]))
    result.append(streams.image(image, ceil_div(size, config.memory_bytes)))
    result += streams.init_layer(network, layers[1])
    for conv, layer in zip(network.convs, layers[2:], strict=True):
        result += streams.poke_layer(conv, layer)
    result += streams.dense(network)
    return result
