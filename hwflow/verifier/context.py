"""What the verifier's rules look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from hwflow.compiler.container import Header
from hwflow.compiler.manifest import Manifest
from hwflow.compiler.schedule import describe
from hwflow.config import AcceleratorConfig
from hwflow.isa import Op

Instruction = dict[str, int]


@dataclass(frozen=True)
class Context:
    """A decoded program: the schedule as stored in the memory image, and what came with it."""

    config: AcceleratorConfig
    manifest: Manifest
    header: Header
    memory: bytes
    instructions: list[Instruction]

    def of(self, *ops: Op) -> Iterator[tuple[str, Instruction]]:
        """(description, instruction) of every instruction with one of the opcodes."""
        for index, instruction in enumerate(self.instructions):
            if instruction["op"] in ops:
                name = self.manifest.layer_name(instruction["layer"])
                yield f"{describe(index, instruction)}, {name}", instruction

    @cached_property
    def convs(self) -> dict[int, Instruction]:
        """CONVs by layer number."""
        return {i["layer"]: i for i in self.instructions if i["op"] == Op.CONV}


@dataclass(frozen=True)
class Rule:
    """A property every schedule has; `check` yields one message for each violation."""

    name: str
    doc: str
    check: Callable[[Context], Iterator[str]]
