"""Cycle model: the accelerator's control, without its data, cycle by cycle.

Datapaths are rigid pipelines (docs/architecture.md), so cycles depend only on the control of loader, sequencer and
scalar engine. Each class here holds the registers of one unit and steps them as the RTL does; latencies come from
hwflow/timing.py. With a memory of fixed latency the model equals the RTL in every cycle.
"""

from hwflow.cycle_model.model import FrameTiming, LayerTiming, ScalarTiming, simulate_cycles

__all__ = ["FrameTiming", "LayerTiming", "ScalarTiming", "simulate_cycles"]
