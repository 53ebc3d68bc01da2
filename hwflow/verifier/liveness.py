"""Rule on tokens: the schedule ends, whatever the timing, and leaves every ring empty."""

from __future__ import annotations

from collections.abc import Iterator

from hwflow.isa import Op, Ring
from hwflow.tokens import RING_TOKENS, TokenMachine, queue_of, ring_unit_bytes
from hwflow.verifier.context import Context


def tokens(context: Context) -> Iterator[str]:
    """Runs loader and consumers as far as each goes.

    Consumption depends on tokens only, so one order of events stands for all.
    """
    config = context.config
    machine = TokenMachine(config)
    for where, instruction in context.of(*Op):
        if instruction["op"] != Op.LOAD:
            machine.run()
            if machine.room(queue_of(instruction)) < 1:
                yield f"{where}: deadlock, its queue is full and the consumers wait for " + (
                    machine.waiting()
                )
                return
            machine.enqueue(instruction)
            continue
        ring = Ring(instruction["ring"])
        if ring is Ring.BYTES:
            continue
        token = RING_TOKENS[ring]
        machine.run()
        if instruction["after"] > machine.layers_done:
            yield (
                f"{where}: deadlock, it waits for layer {instruction['after'] - 1} and the consumers wait for "
                f"{machine.waiting()}"
            )
            return
        word = ring_unit_bytes(config, ring)
        left = instruction["beats"] * config.memory_bytes // word
        while left:
            machine.run()
            fits = min(left, machine.room(token))
            if not fits:
                yield (
                    f"{where}: deadlock, the {token.value} is full and the consumers wait for "
                    f"{machine.waiting()}"
                )
                return
            machine.deliver(token, fits)
            left -= fits
    machine.run()
    if not machine.finished:
        yield f"schedule: never ends, the consumers wait for {machine.waiting()}"
        return
    for token, level in machine.levels.items():
        if level:
            yield f"schedule: {level} left over: {token.value}"
