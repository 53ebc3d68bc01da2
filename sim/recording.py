"""Ports of units inside the accelerator, cycle by cycle, while a network runs.

The accelerator is generated with probes (rtl_gen/probe.py) and simulated as ever, every image compared with the integer
network; the probes of the chosen instances write their unit's ports to a file in every cycle of a frame.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwflow import interruption
from hwflow.compiler.program import Program
from hwflow.energy.stimulus import Bits
from hwflow.errors import FlowError
from hwflow.files import write_atomically
from models.integer.params import IntegerNetwork
from rtl_gen.accelerator import Accelerator
from rtl_gen.instances import emit
from rtl_gen.probe import PROBE, observing
from rtl_gen.verilog import TOP
from sim import runner
from sim.accelerator import kept_verilog
from sim.network import simulate

WORD_BITS = 32
ROOT = "harness.dut"
CONTEXT = "context.bin"
CHOICE = "probes.txt"
LAYERS = "layers.json"


@dataclass(frozen=True)
class Layer:
    """Cycles start..stop of a recording in which a layer of an image works; `name` as in the manifest."""

    image: int
    name: str
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Trace:
    """The ports of one instance.

    instance: its path below the accelerator. widths: of the ports, in the order in which they lie in a word.
    words: uint32 [cycles, words], bit 0 of the first port first.
    """

    instance: str
    widths: Mapping[str, int]
    words: npt.NDArray[np.uint32]

    @property
    def cycles(self) -> int:
        """Recorded cycles."""
        return len(self.words)

    def bits(self, port: str, start: int = 0, stop: int | None = None) -> Bits:
        """A port in cycles start..stop, uint8 [cycles, bits]."""
        low = self._low(port)
        first, last = low // WORD_BITS, (low + self.widths[port] - 1) // WORD_BITS + 1
        part = np.ascontiguousarray(self.words[start:stop, first:last])
        found = np.unpackbits(part.view(np.uint8), axis=1, bitorder="little")
        low -= first * WORD_BITS
        return np.ascontiguousarray(found[:, low : low + self.widths[port]])

    def flag(self, port: str, bit: int = 0) -> npt.NDArray[np.bool_]:
        """One bit of a port in every cycle."""
        at = self._low(port) + bit
        return (self.words[:, at // WORD_BITS] >> np.uint32(at % WORD_BITS) & 1).astype(np.bool_)

    def _low(self, port: str) -> int:
        low = 0
        for name, width in self.widths.items():
            if name == port:
                return low
            low += width
        raise KeyError(port)


@dataclass(frozen=True, eq=False)
class Recording:
    """What the frames of some images put on the ports of the chosen instances.

    instances: path -> uint32 [cycles, words]. layers: where each layer of each image works, in the order of start.
    cycle: uint32, of every recorded cycle, its number in the frame; each frame begins with 0.
    """

    program: Program
    instances: Mapping[str, npt.NDArray[np.uint32]]
    cycle: npt.NDArray[np.uint32]
    layers: tuple[Layer, ...]

    def trace(self, instance: str, widths: Mapping[str, int]) -> Trace:
        """An instance's words, with the widths of its unit's ports (rtl_gen.probe.values).

        Raises:
            FlowError: it was not recorded, or has another number of bits.
        """
        if instance not in self.instances:
            raise FlowError(
                f"no recording of {instance}; recorded: {', '.join(self.instances) or 'nothing'}"
            )
        words = self.instances[instance]
        bits = sum(widths.values())
        if words.shape[1] != -(-bits // WORD_BITS):
            raise FlowError(
                f"the recording of {instance} has {words.shape[1]} words a cycle, its unit {bits} bits; record it again"
            )
        return Trace(instance, widths, words)


def record(
    program: Program,
    network: IntegerNetwork,
    images: npt.NDArray[np.uint8],
    instances: Sequence[str],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Recording:
    """Run `images` (uint8 (N, H, W, c)) through the accelerator and record `instances`, or find them recorded.

    Recordings are kept beside the simulation models, under a hash of program, images, Verilog and instances.

    Args:
        program: the compiled network; its configuration is the accelerator's.
        network: what every image is compared with.
        images: run one after the other without a cycle between them.
        instances: paths of units below the accelerator that have probes, as `binary_pe`.
        progress: called a few times a second with images done and cycles.

    Raises:
        FlowError: the run differs from the integer network, or an instance has no probe.
    """
    config = program.config

    def text() -> str:
        with observing():
            return emit(Accelerator(config), TOP)

    files = {path: f"probe{number}.bin" for number, path in enumerate(instances)}
    sources = {**kept_verilog(config, "probed", text), "probes.sv": _probes()}
    state = hashlib.sha256(program.memory)
    for part in (images.tobytes(), *(text.encode() for text in (*sources.values(), *instances))):
        state.update(hashlib.sha256(part).digest())
    folder = runner.cache_folder() / f"recording-{config.name}-{state.hexdigest()[:20]}"
    run = folder / "run0"
    if not (folder / LAYERS).is_file():
        with interruption.replaces(folder):
            _run(program, network, images, files, sources, folder, progress)
    cycle = np.fromfile(run / CONTEXT, "<u4")
    words = {
        path: np.fromfile(run / file, "<u4").reshape(len(cycle), -1) for path, file in files.items()
    }
    layers = tuple(Layer(**each) for each in json.loads((folder / LAYERS).read_text()))
    return Recording(program, words, cycle, layers)


def _run(
    program: Program,
    network: IntegerNetwork,
    images: npt.NDArray[np.uint8],
    files: Mapping[str, str],
    sources: Mapping[str, str],
    folder: Path,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Simulates; the file of layers is written last, when all is well."""
    run = folder / "run0"
    run.mkdir(parents=True, exist_ok=True)
    for stale in run.glob("probe*.bin"):
        stale.unlink()
    lines = [f"{ROOT}.{path}.probe {file}\n" for path, file in files.items()]
    (run / CHOICE).write_text("".join(lines))
    result = simulate(
        program, images, folder=folder, network=network, sources=sources, progress=progress
    )
    if not result.passed:
        raise FlowError(
            f"the recorded run of {program.manifest.network} differs from the integer network: "
            f"{result.mismatches[0]}; run `hwflow sim` on the target to find where"
        )
    for path, file in files.items():
        if not (run / file).is_file():
            raise FlowError(
                f"{path} is no unit with a probe in {program.config.name}; name another"
            )
    begins = np.flatnonzero(np.fromfile(run / CONTEXT, "<u4") == 0)
    names = {layer.number: layer.name for layer in program.manifest.layers}
    layers: list[Layer] = []
    for frame, begin in zip(result.frames, begins.tolist(), strict=True):
        for each in frame.records.layers:
            first, last = each.counters["start"], each.counters["end"]
            layers.append(Layer(frame.image, names[each.layer], begin + first, begin + last + 1))
    write_atomically(folder / LAYERS, json.dumps([asdict(each) for each in layers]).encode())


def binary_pe(row: int, column: int) -> str:
    """The path of a binary PE."""
    return f"front_end.binary_array.binary_column_{column}.pe_{row}"


def mac_pe(row: int, column: int) -> str:
    """The path of an 8-bit PE."""
    return f"front_end.mac_array.mac_column_{column}.pe_{row}"


MAC_ARRAY = "front_end.mac_array"
"""The path of the array of 8-bit PEs."""


def lane(pixel: int, column: int) -> str:
    """The path of a vector lane."""
    return f"back_end.lane_{pixel}_{column}"


def bit_memory(*, shared: bool) -> str:
    """The path of the memory of the bit planes; shared: `AcceleratorConfig.shared_features`."""
    return f"front_end.features.{'memory' if shared else 'bit_memory'}"


def _probes() -> str:
    """The module of the probes, and what writes the frame's cycle beside them."""
    return f"""// Writes a unit's ports as whole 32-bit words in every cycle of a frame, if {CHOICE} names it:
// in each line a path and the file to write.
module {PROBE} #(
  parameter int WIDTH = 1
) (
  input logic clk,
  input logic [WIDTH-1:0] ports
);
  localparam int RECORD = (WIDTH + {WORD_BITS - 1}) / {WORD_BITS} * {WORD_BITS};
  string here, path, name;
  int choice, file = 0;
  initial begin
    here = $sformatf("%m");
    choice = $fopen("{CHOICE}", "r");
    while ($fscanf(choice, "%s %s", path, name) == 2) if (path == here) file = $fopen(name, "wb");
    $fclose(choice);
  end
  always @(posedge clk) if (file != 0 && harness.running) $fwrite(file, "%u", RECORD'(ports));
  final if (file != 0) $fclose(file);
endmodule

module recording_context;
  int file;
  initial file = $fopen("{CONTEXT}", "wb");
  always @(posedge harness.clk)
    if (harness.running) $fwrite(file, "%u", harness.frame_cycle);
  final $fclose(file);
endmodule

bind harness recording_context context_i();
"""
