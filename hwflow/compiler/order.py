"""Merges the rings' streams into the one order in which the loader works."""

from __future__ import annotations

from collections import deque

from hwflow.compiler.stream import Item
from hwflow.config import AcceleratorConfig
from hwflow.errors import UnsuitableError
from hwflow.isa import INSTRUCTION_BYTES, Op
from hwflow.tokens import Token, TokenMachine


def order(items: list[Item], config: AcceleratorConfig) -> list[Item]:
    """The items in the order in which they are to be fetched; END, the last one, stays the last.

    The loader works in order, so an item whose ring is full holds up all others. A model of the
    consumers with coarse durations gives each ring's room over time; of the items whose ring has
    room the one needed first is next. Every item had room in a state that its predecessors alone
    bring about, so the order cannot deadlock, whatever the real durations.

    Raises:
        FlowError: the rings are too small for any order.
    """
    machine = TokenMachine(config)
    streams: dict[Token | None, deque[tuple[int, Item]]] = {}
    *body, end = items
    for need, item in enumerate(body):
        streams.setdefault(item.token, deque()).append((need, item))
    overhead = INSTRUCTION_BYTES // config.memory_bytes
    merged: list[Item] = []
    time = 0.0
    while len(merged) < len(body):
        machine.run(until=time)
        heads = [stream[0] for stream in streams.values() if stream]
        ready = [(n, i) for n, i in heads if _ready(machine, i)]
        if not ready:
            event = machine.next_event()
            if event is None:
                raise UnsuitableError(
                    f"target {config.name}: the rings are too small, the consumers wait for "
                    f"{machine.waiting()}; raise weight_words, mac_words or constant_words"
                )
            time = max(time, event)
            continue
        _, item = min(ready, key=lambda entry: entry[0])
        streams[item.token].popleft()
        merged.append(item)
        time += overhead
        if item.instruction["op"] == Op.LOAD:
            time += item.instruction["beats"]
            machine.run(until=time)
            if item.token is not None:
                machine.deliver(item.token, item.amount)
        else:
            machine.enqueue(item.instruction)
    return [*merged, end]


def _ready(machine: TokenMachine, item: Item) -> bool:
    """Whether the loader could finish the item at once."""
    if item.instruction.get("after", 0) > machine.layers_done:
        return False
    return item.token is None or machine.room(item.token) >= item.amount
