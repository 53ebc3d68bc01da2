"""Whole frames through the AXI top, as $AXI_FRAMES (a JSON file) describes them: tests/sim/test_axi.py."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cocotb

from sim.benches.axi import AxiBench, field


@cocotb.test()
async def frames(dut: Any) -> None:
    """Write every image, start, wait for the interrupt, keep what the result buffer holds then."""
    settings = json.loads(Path(os.environ["AXI_FRAMES"]).read_text())
    bench = AxiBench(dut, stall=settings["stall"], seed=settings["seed"])
    await bench.reset()
    base, buffer = settings["memory_base"], settings["result_base"]
    bench.memory.bytes.write(base, Path(settings["memory"]).read_bytes())
    out: list[dict[str, Any]] = []
    for number, image in enumerate(settings["images"]):
        address = base + settings["image_address"] * settings["beat_bytes"]
        bench.memory.bytes.write(address, Path(image).read_bytes())
        place = buffer + number * settings["result_size"]
        await bench.set_addresses(
            schedule=settings["schedule"],
            memory=base,
            results=place,
            result_bytes=settings["result_size"],
        )
        before = bench.memory.written
        await bench.begin()
        waited = await bench.interrupted(settings["limit"])
        # What the interrupt promises is there without another look at the hardware.
        length = await bench.read("RESULT_BYTES")
        found = bench.memory.bytes.read(place, length)
        assert not await bench.status("error")
        assert await bench.status("done")
        assert not any(bench.memory.bytes.read(place + length, 64)), "written beyond the results"
        await bench.idle()
        out.append(
            {
                "results": found.hex(),
                "cycles": await bench.read("CYCLES_LOW"),
                "waited": waited,
                "written": bench.memory.written - before,
                "status": await bench.read("STATUS"),
                "dma": await bench.read("DMA"),
            }
        )
        assert await bench.read("IRQ_STATUS") == field("IRQ_STATUS", "done")
    assert await bench.read("FRAMES") == len(out)
    assert await bench.read("FRAMES_FAILED") == 0
    watch = bench.watch
    Path(settings["out"]).write_text(
        json.dumps(
            {
                "frames": out,
                "bursts": watch.bursts,
                "write_beats": watch.write_beats,
                "most_outstanding": watch.most_outstanding,
            }
        )
    )
