"""Rules on the fields of single instructions: geometry, formulas, alignment, limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

from hwflow import numerics
from hwflow.compiler.container import HEADER_BYTES
from hwflow.compiler.counts import out_channels
from hwflow.isa import INSTRUCTION_BYTES, FcDest, Op, Residual, Ring, Store
from hwflow.memories import ceil_div
from hwflow.spilling import group_beats, spilled_groups, streamed_groups
from hwflow.tokens import RING_TOKENS, TokenMachine, group_units, ring_unit_bytes
from hwflow.verifier.context import Context, Instruction


def _expect(
    where: str, instruction: Mapping[str, int], expected: Mapping[str, int]
) -> Iterator[str]:
    for name, value in expected.items():
        if instruction[name] != value:
            yield f"{where}: {name} is {instruction[name]}, expected {value}"


def _between(where: str, what: str, value: int, low: int, high: int) -> Iterator[str]:
    if not low <= value <= high:
        yield f"{where}: {what} is {value}, expected {low}..{high}"


def framing(context: Context) -> Iterator[str]:
    """Instructions of each layer."""
    ends = [i for i, e in enumerate(context.instructions) if e["op"] == Op.END]
    if ends != [len(context.instructions) - 1]:
        yield f"schedule: END at {ends}, expected once, as the last instruction"
    order = [layer for layer, _ in groupby(i["layer"] for _, i in context.of(Op.CONV))]
    if order != list(range(len(order))) or not order:
        yield f"schedule: CONV layers {order}, expected 0, 1, 2, .. in order"
    dense = len(order)
    for where, instruction in context.of(Op.MEAN, Op.FC, Op.AFFINE, Op.END, Op.LOAD):
        yield from _between(where, "layer", instruction["layer"], 0, dense)
    for where, conv in context.of(Op.CONV):
        yield from _as_in_manifest(context, where, conv)
    images = [i for _, i in context.of(Op.LOAD) if i["ring"] == Ring.BYTES]
    if len(images) != 1:
        yield f"schedule: {len(images)} LOADs into the byte memory, expected 1"


def _as_in_manifest(context: Context, where: str, conv: Instruction) -> Iterator[str]:
    known = {layer.number: layer for layer in context.manifest.layers}.get(conv["layer"])
    if known is None:
        yield f"{where}: the manifest has no such layer"
        return
    expected = {
        "kernel": known.kernel,
        "stride2": known.stride - 1,
        "in_h": known.in_shape[0],
        "in_w": known.in_shape[1],
        "out_h": known.out_shape[0],
        "out_w": known.out_shape[1],
        "groups": ceil_div(known.out_shape[2], context.config.cols),
    }
    yield from _expect(where, conv, expected)


def loads(context: Context) -> Iterator[str]:
    """Addresses, alignment and destination of LOADs."""
    config, header = context.config, context.header
    schedule_end = ceil_div(
        HEADER_BYTES + INSTRUCTION_BYTES * header.instructions, config.memory_bytes
    )
    image_end = header.image_address + header.image_beats
    end_of_file = image_end + header.spill_beats
    for where, load in context.of(Op.LOAD):
        ring, beats = Ring(load["ring"]), load["beats"]
        end = load["address"] + beats
        yield from _between(where, "beats", beats, 1, 1 << 24)
        if ring is Ring.BYTES:
            if (load["address"], beats) != (header.image_address, header.image_beats):
                yield f"{where}: loads beats {load['address']}..{end - 1}, not the image area"
            yield from _expect(where, load, {"after": 0})
            continue
        yield from _expect(where, load, {"base": 0, "words": 0})
        if ring is Ring.LONG:
            yield from _long_load(context, where, load)
            continue
        yield from _expect(where, load, {"after": 0})
        if load["address"] < schedule_end or end > header.image_address:
            yield (
                f"{where}: beats {load['address']}..{end - 1} are outside the payloads "
                f"{schedule_end}..{header.image_address - 1}"
            )
        unit = ring_unit_bytes(config, ring)
        if beats * config.memory_bytes % unit:
            yield f"{where}: {beats} beats are no whole units of {unit} bytes"
    if end_of_file * config.memory_bytes != len(context.memory):
        yield f"memory.bin: {len(context.memory)} bytes, its last area ends at beat {end_of_file}"


def _in_spill_area(
    context: Context, where: str, what: str, first: int, beats: int
) -> Iterator[str]:
    start = context.header.image_address + context.header.image_beats
    end = start + context.header.spill_beats
    if first < start or first + beats > end:
        yield f"{where}: {what} {first}..{first + beats - 1} lies outside the spill area {start}..{end - 1}"


def _long_load(context: Context, where: str, load: Instruction) -> Iterator[str]:
    config, beats = context.config, load["beats"]
    if not config.long_words:
        yield f"{where}: target {config.name} has no long stream; its long_words is 0"
        return
    yield from _in_spill_area(context, where, "beats", load["address"], beats)
    if beats % config.stream_beats:
        yield f"{where}: {beats} beats are no whole words of {config.stream_word_bytes} bytes"


def convolutions(context: Context) -> Iterator[str]:
    """Formulas of a CONV's fields."""
    config = context.config
    for where, conv in context.of(Op.CONV):
        mac, grouped = bool(conv["mac"]), bool(conv["grouped"])
        depth = config.mac_depth if mac else config.popcount_width
        stride, kernel = 1 + conv["stride2"], conv["kernel"]
        for name in ("in_h", "in_w", "out_h", "out_w", "kernel", "words", "groups"):
            yield from _between(where, name, conv[name], 1, 1 << 16)
        if not all(conv[name] for name in ("out_h", "out_w", "kernel", "words", "groups")):
            continue
        yield from _between(where, "last_k", conv["last_k"], 1, 1 if grouped else depth)
        yield from _between(where, "last_cols", conv["last_cols"], 1, config.cols)
        for axis, pad in (("h", "pad_top"), ("w", "pad_left")):
            geometry = (conv[f"out_{axis}"], conv[pad])
            same = numerics.same_padding(conv[f"in_{axis}"], kernel, stride)[:2]
            valid = ((conv[f"in_{axis}"] - kernel) // stride + 1, 0)
            if geometry not in (same, valid):
                yield (
                    f"{where}: out_{axis}, {pad} are {geometry}, expected {same} (SAME) or "
                    f"{valid} (VALID)"
                )
        cin = (conv["words"] - 1) * depth + conv["last_k"]
        if mac and not grouped:
            yield from _expect(where, conv, {"src_words": ceil_div(cin, config.cols)})
        if not mac:
            yield from _expect(where, conv, {"src_words": conv["words"], "grouped": 0})
        steps = kernel * kernel * conv["words"]
        if grouped:
            yield from _expect(where, conv, {"words": 1})
            inputs = ceil_div(out_channels(conv, config), 1 << conv["group_shift"])
            yield from _expect(where, conv, {"src_words": ceil_div(inputs, config.cols)})
        weight_words = ceil_div(steps, config.rows) if mac else steps
        yield from _expect(
            where,
            conv,
            {
                "weight_words": weight_words,
                "interval": config.row_groups,
                **_tiles(conv, config.rows),
            },
        )
        if not conv["row_aligned"] and (stride != 1 or conv["in_w"] != conv["out_w"]):
            yield f"{where}: linear tiles need stride 1 and equal widths of input and output"
        yield from _outputs(context, where, conv)


def _tiles(conv: Instruction, rows: int) -> dict[str, int]:
    width = conv["out_w"]
    if conv["row_aligned"]:
        return {"tiles": conv["out_h"] * ceil_div(width, rows), "row_div": 0, "row_mod": 0}
    return {
        "tiles": ceil_div(conv["out_h"] * width, rows),
        "row_div": rows // width,
        "row_mod": rows % width,
    }


def _outputs(context: Context, where: str, conv: Instruction) -> Iterator[str]:
    config = context.config
    cout = out_channels(conv, config)
    yield from _between(where, "output channels", cout, 1, config.channel_limit)
    if conv["store"] not in tuple(Store):
        yield f"{where}: store is {conv['store']}, expected 0 none, 1 main, 2 side, 3 bytes, 4 pool or 5 means"
    yield from _pitches(context, where, conv)
    if conv["bits_en"]:
        expected = {"bits_words": ceil_div(cout, config.popcount_width)}
        yield from _expect(where, conv, expected)
        if config.shared_features and conv["store"] == Store.BYTES:
            yield f"{where}: writes bits and bytes, which have one memory on {config.name}"
    if conv["mean_en"]:
        yield from _between(where, "mean_shift", conv["mean_shift"], 1, 3)
        group = config.cols << conv["mean_shift"]
        least = ceil_div(cout, group)
        yield from _between(where, "mean_groups", conv["mean_groups"], least, 511)
        taken = (Store.MAIN, Store.MEANS) if conv["mean_main"] else (Store.SIDE,)
        if conv["store"] in taken:
            memory = taken[0].name.lower()
            yield f"{where}: writes its output and its channel means into the {memory} memory"
    if conv["store"] == Store.MEANS:
        yield from _between(where, "store_shift", conv["store_shift"], 1, 3)
    else:
        yield from _expect(where, conv, {"store_shift": 0})
    for shift in (conv["mean_shift"], conv["store_shift"]):
        if config.cols % (1 << shift):
            yield f"{where}: means of {1 << shift} channels cross channel groups"
    if conv["pool_en"]:
        size, stride = numerics.POOL_SIZE, numerics.POOL_STRIDE
        pool_h, top, _ = numerics.same_padding(conv["out_h"], size, stride)
        pool_w, left, _ = numerics.same_padding(conv["out_w"], size, stride)
        expected = {"pool_h": pool_h, "pool_w": pool_w, "pool_top": top, "pool_left": left}
        yield from _expect(where, conv, expected)
        yield from _between(where, "width of pooled rows", conv["out_w"], 1, config.line_pixels)
        if conv["store"] == Store.POOL:
            yield f"{where}: writes its output and its pool into the pool memory"
    if conv["r_src"] != Residual.NONE and conv["r_src"] == conv["r1_src"]:
        yield f"{where}: r and r1 are both read from {Residual(conv['r_src']).name}"
    for operand in ("r", "r1"):
        if conv[f"{operand}_src"] != Residual.NONE:
            yield from _between(where, f"{operand}_groups", conv[f"{operand}_groups"], 1, 511)


def _pitches(context: Context, where: str, conv: Instruction) -> Iterator[str]:
    """Words of a pixel in memory, and what goes beyond: external memory needs its paths and linear tiles."""
    config = context.config
    means = config.cols << conv["store_shift"]
    groups = ceil_div(out_channels(conv, config), means)
    least = 0 if conv["store"] in (Store.NONE, Store.MAIN) else groups
    most = 0 if conv["store"] == Store.NONE else groups
    yield from _between(where, "store_pitch", conv["store_pitch"], least, most)
    from_main = [o for o in ("r", "r1") if conv[f"{o}_src"] == Residual.MAIN]
    if not from_main:
        yield from _expect(where, conv, {"main_pitch": 0})
    spilled, streamed = spilled_groups(conv), streamed_groups(conv)
    if spilled:
        beats = spilled * group_beats(conv, config)
        yield from _in_spill_area(context, where, "spilled output", conv["spill_address"], beats)
    else:
        yield from _expect(where, conv, {"spill_address": 0})
    if not spilled and not streamed:
        return
    if not config.long_words:
        yield f"{where}: activations in external memory, but target {config.name} has long_words 0"
    if conv["row_aligned"]:
        yield f"{where}: activations in external memory need linear tiles"


def scalars(context: Context) -> Iterator[str]:
    """Lengths of MEAN, FC and AFFINE against the CONV before and the one they serve."""
    config, convs = context.config, context.convs
    hidden = -1
    count = -1
    scaled: set[int] = set()
    for where, entry in context.of(Op.MEAN, Op.FC, Op.AFFINE):
        layer, op = entry["layer"], Op(entry["op"])
        served, before = convs.get(layer), convs.get(layer - 1)
        channels = out_channels(served, config) if served else -1
        if op is Op.MEAN and layer in scaled:  # between two passes of the layer
            yield from _expect(where, entry, {"count": channels, "alpha": 0, "records": 0})
        elif op is Op.MEAN:
            count = entry["count"]
            if before is None or not before["sums_en"]:
                yield f"{where}: layer {layer - 1} keeps no channel sums"
            else:
                yield from _expect(where, entry, {"count": out_channels(before, config)})
            if entry["records"]:
                yield from _expect(where, entry, dict.fromkeys(("alpha", "beta", "shift"), 0))
        elif op is Op.AFFINE:
            yield from _expect(where, entry, {"count": channels})
        else:
            dest = FcDest(entry["dest"]) if entry["dest"] <= FcDest.LOGITS else None
            if dest is None:
                yield f"{where}: dest is {entry['dest']}, expected 0..2"
            yield from _expect(where, entry, {"inputs": hidden if entry["hidden"] else count})
            yield from _expect(where, entry, {"steps": ceil_div(entry["inputs"], config.fc_inputs)})
            yield from _between(where, "outputs", entry["outputs"], 1, 1 << 16)
            if dest is FcDest.SCALE:
                scaled.add(layer)
                yield from _expect(where, entry, {"outputs": channels})
                if served is not None and served["mac"]:
                    yield f"{where}: promises scales too early for a CONV on the MAC array; use AFFINE"
            if dest is FcDest.HIDDEN:
                hidden = entry["outputs"]
                yield from _between(where, "outputs", hidden, 1, config.channel_limit)


def constants_hazard(context: Context) -> Iterator[str]:
    """A layer's constants are written after the layer before used its own."""
    waited: int = 0
    for where, entry in context.of(Op.MEAN, Op.FC, Op.AFFINE):
        op, layer = Op(entry["op"]), entry["layer"]
        if op is Op.MEAN:
            waited = layer
        elif (op is Op.AFFINE or entry["dest"] == FcDest.SCALE) and waited < layer:
            yield f"{where}: writes constants before a MEAN waited for layer {layer - 1}"


def ring_fit(context: Context) -> Iterator[str]:
    """A channel group's words fit its ring."""
    capacities = TokenMachine(context.config).capacities
    for where, entry in context.of(Op.CONV, Op.FC):
        conv = entry["op"] == Op.CONV
        ring = Ring.WEIGHTS if conv and not entry["mac"] else Ring.MACS
        units = group_units(entry)
        limit = capacities[RING_TOKENS[ring]]
        if units > limit:
            name = RING_TOKENS[ring].value
            what = "half words" if ring is Ring.MACS else "words"
            yield f"{where}: a group has {units} {what}, the {name} holds {limit}"
