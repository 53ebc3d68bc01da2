"""Evaluates points that are not known yet, and walks from the best of them to the best around."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hwflow.explore.evaluate import TIMED, Result
from hwflow.explore.pareto import ranked
from hwflow.explore.space import Point, Space
from hwflow.explore.store import Store, point_key
from hwflow.explore.workers import Batch, Run

BATCH = 50
"""Points of a task: half a second of work."""

Progress = Callable[[int, int], None]
"""Is told how many points are evaluated, of how many."""


def evaluate_all(
    points: Sequence[Point], setup: str, store: Store, run: Run, progress: Progress
) -> list[Result]:
    """Results in the order of `points`; what the store has is taken from there, the rest is put there.

    setup: hash of what points are evaluated with.
    """
    keys = [point_key(point, setup) for point in points]
    missing = {key: p for key, p in zip(keys, points, strict=True) if store.get(key) is None}
    # Designs with the same schedule come together, so that a worker makes it once.
    order = sorted(missing, key=lambda key: tuple(str(missing[key][name]) for name in TIMED))
    batches = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
    tasks: list[Batch] = [[missing[key] for key in batch] for batch in batches]
    done = len(points) - len(missing)
    progress(done, len(points))
    if tasks:
        for number, results in run(tasks):
            store.put(list(zip(batches[number], results, strict=True)))
            done += len(results)
            progress(done, len(points))
    return [_known(store, key) for key in keys]


def _known(store: Store, key: str) -> Result:
    found = store.get(key)
    assert found is not None
    return found


def refine(
    space: Space,
    results: Sequence[Result],
    evaluate: Callable[[Sequence[Point]], list[Result]],
    *,
    changes: int,
    least_binary_macs: int = 0,
    least_top1: float = 0.0,
) -> list[Result]:
    """Results with those on the way from the best one to one that no design beats by so many changes of a parameter.

    Of two designs the better is the one that `ranked` has first.
    """
    known = {tuple(each["point"].values()): each for each in results}
    best = ranked(list(known.values()), least_binary_macs, least_top1)[:1]
    while best:
        around = space.neighbours(best[0]["point"], changes)
        fresh = [point for point in around if tuple(point.values()) not in known]
        known |= {tuple(each["point"].values()): each for each in evaluate(fresh)}
        better = ranked(list(known.values()), least_binary_macs, least_top1)[:1]
        if better[0] is best[0] or better[0]["point"] == best[0]["point"]:
            break
        best = better
    return list(known.values())
