"""Places tensors in the feature memories by lifetime."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hwflow.config import AcceleratorConfig
from hwflow.errors import UnsuitableError
from hwflow.memories import Memory, Tensor, capacity


@dataclass(frozen=True)
class Full:
    """Why a tensor cannot be placed: what lives in its memory then, rows needed in all, rows there."""

    tensor: Tensor
    live: tuple[Tensor, ...]
    needed: int
    limit: int


class CapacityError(UnsuitableError):
    """A memory is too small; `full` says what would have to move."""

    def __init__(self, config: AcceleratorConfig, full: Full) -> None:
        self.full = full
        memory = full.tensor.memory.value
        super().__init__(
            f"{full.tensor.name}: needs {full.needed} rows of the {memory} memory with everything "
            f"alive then, target {config.name} has {full.limit}; "
            f"raise {memory}_rows by {max(1, full.needed - full.limit)}, share the target's memory out anew with "
            "`hwflow fit`, or reduce the image"
        )


class Allocator:
    """First fit, from alternating ends of a memory.

    So a tensor and its successor meet in the middle: whatever their sizes, they fit if their sum
    does. Tensors must be placed in the order of their first layers.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self._placed: dict[Memory, list[Tensor]] = {memory: [] for memory in Memory}
        self._top = dict.fromkeys(Memory, False)

    def place(self, tensor: Tensor, *, over: Tensor | None = None) -> Tensor:
        """The tensor with its base set.

        `over`: an operand that the writing layer reads element by element, replaced in place when
        this layer is its last reader and its layout is the same.

        Raises:
            CapacityError: the memory is too small; names the memory, the need and the field to raise.
        """
        placed = self._in_place(tensor, over) or self._fit(tensor)
        self._placed[tensor.memory].append(placed)
        return placed

    @staticmethod
    def _in_place(tensor: Tensor, over: Tensor | None) -> Tensor | None:
        if over is None or over.memory is not tensor.memory or over.last != tensor.first:
            return None
        layout = (tensor.height, tensor.width, tensor.pitch)
        if (over.height, over.width, over.pitch) != layout:
            return None
        return replace(tensor, base=over.base)

    def _fit(self, tensor: Tensor) -> Tensor:
        memory, rows = tensor.memory, tensor.rows
        limit = capacity(self._config, memory)
        live = [t for t in self._placed[memory] if t.last >= tensor.first and t.rows]
        edges = sorted({(t.base, t.base + t.rows) for t in live})
        starts = [0, *(end for _, end in edges)]
        ends = [*(base for base, _ in edges), limit]

        def free(base: int) -> bool:
            clear = all(base + rows <= low or high <= base for low, high in edges)
            return base >= 0 and base + rows <= limit and clear

        bottom = [base for base in sorted(starts) if free(base)]
        top = [end - rows for end in sorted(ends, reverse=True) if free(end - rows)]
        if not bottom:
            needed = sum(high - low for low, high in edges) + rows
            raise CapacityError(self._config, Full(tensor, tuple(live), needed, limit))
        base = top[0] if self._top[memory] else bottom[0]
        self._top[memory] = not self._top[memory]
        return replace(tensor, base=base)
