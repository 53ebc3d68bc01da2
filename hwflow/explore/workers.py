"""Who evaluates points: this process, processes of this machine, or a Dask cluster."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwflow.errors import FlowError
from hwflow.explore.evaluate import Evaluator, Result, Setup
from hwflow.explore.space import Point
from hwflow.interruption import Interrupted

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

Batch = Sequence[Point]
Run = Callable[[Sequence[Batch]], Iterator[tuple[int, list[Result]]]]
"""Evaluates batches: (number of the batch, its results), in any order."""

PATIENCE = 5
"""Seconds to wait for a scheduler."""
ATTEMPTS = 3
"""Times that a batch is started again after its worker was lost."""

_evaluators: dict[str, Evaluator] = {}
"""This process's evaluator by the hash of its setup: what it remembers serves the batches that follow."""


def evaluate_batch(setup: Setup, digest: str, points: Batch) -> list[Result]:
    """The results of a batch; digest: of the setup."""
    if digest not in _evaluators:
        _evaluators.clear()
        _evaluators[digest] = Evaluator(setup)
    return [_evaluators[digest].point(point) for point in points]


@contextmanager
def here(setup: Setup, digest: str) -> Generator[Run]:
    """Evaluates in this process."""

    def run(batches: Sequence[Batch]) -> Iterator[tuple[int, list[Result]]]:
        for number, batch in enumerate(batches):
            yield number, evaluate_batch(setup, digest, batch)

    yield run


def processes(count: int) -> LocalCluster:
    """A Dask cluster of so many processes of this machine, a point at a time each."""
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,  # pyright: ignore[reportArgumentType]
        silence_logs=logging.CRITICAL,
    )


@contextmanager
def local(setup: Setup, digest: str, count: int) -> Generator[Run]:
    """Evaluates in so many processes of this machine."""
    from distributed import Client

    with processes(count) as cluster, Client(cluster) as client:
        try:
            yield on(client, setup, digest)
        except Interrupted:
            _quiet_tracker()
            raise


def _quiet_tracker() -> None:
    """Starts multiprocessing's tracker of semaphores again, which an interruption has ended, with nothing to say.

    It would complain of every semaphore that the one before knew.
    """
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            os.dup2(nowhere.fileno(), 2)
            resource_tracker.ensure_running()
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def remote(setup: Setup, digest: str, address: str) -> Generator[Run]:
    """Evaluates on the cluster of a scheduler.

    Raises:
        FlowError: no scheduler answers there.
    """
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, TimeoutError, ValueError) as error:
        raise FlowError(
            f"--scheduler {address}: no Dask scheduler answers within {PATIENCE} s; start one with `dask scheduler`, or "
            "leave the option out to use this machine"
        ) from error
    with client:
        if not client.scheduler_info()["workers"]:
            raise FlowError(
                f"--scheduler {address}: it has no workers; start some with `dask worker {address}`"
            )
        yield on(client, setup, digest)


def on(client: Client, setup: Setup, digest: str) -> Run:
    """Evaluates on a client's workers; what a lost worker had is evaluated by another.

    Raises (from the run):
        FlowError: batches whose workers are lost again and again.
    """

    def run(batches: Sequence[Batch]) -> Iterator[tuple[int, list[Result]]]:
        from distributed import KilledWorker, as_completed

        # A task, not scattered data: the scheduler can make it again where its worker is lost.
        shared = client.submit(_same, setup, key=f"setup-{digest}")
        futures: dict[Any, int] = {
            client.submit(
                evaluate_batch, shared, digest, batch, pure=False, retries=ATTEMPTS
            ): number
            for number, batch in enumerate(batches)
        }
        try:
            for future, results in as_completed(list(futures), with_results=True):
                yield futures[future], results
        except KilledWorker as error:
            raise FlowError(
                "a batch of points lost its worker again and again; give fewer --workers, they may lack memory"
            ) from error

    return run


def _same(setup: Setup) -> Setup:
    return setup
