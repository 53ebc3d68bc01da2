"""ACE: what a network costs, counted by tracing its float model."""

from hwflow.ace.counts import AceReport, Operation
from hwflow.ace.trace import count

__all__ = ["AceReport", "Operation", "count"]
