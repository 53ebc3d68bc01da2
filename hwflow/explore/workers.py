"""Who evaluates points: this process, processes of this machine, or a Dask cluster."""

from __future__ import annotations

import logging
import os
import socket
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING

from hwflow.errors import FlowError
from hwflow.explore.evaluate import Evaluator, Result, Setup
from hwflow.explore.models_hash import models_hash
from hwflow.explore.space import Point
from hwflow.interruption import Interrupted

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

Batch = Sequence[Point]
Run = Callable[[Sequence[Batch]], Iterator[tuple[int, list[Result]]]]
"""Evaluates batches: (number of the batch, its results), in any order."""

PATIENCE = 5
"""Seconds to wait for a scheduler."""
ALONE = 60
"""Seconds to wait for a worker where none is left: those of this machine are started again."""
LOOK = 0.02
"""Seconds between two looks at what has come."""
KEPT = "run the command again, what was evaluated is kept"

_evaluators: dict[str, Evaluator] = {}
"""This process's evaluator by the hash of its setup: what it remembers serves the batches that follow."""


def evaluate_batch(setup: Setup, digest: str, points: Batch) -> list[Result]:
    """The results of a batch; digest: of the setup."""
    if digest not in _evaluators:
        _evaluators.clear()
        _evaluators[digest] = Evaluator(setup)
    return [_evaluators[digest].point(point) for point in points]


@cache
def _own_code() -> str:
    """SHA-256 of this process's code and data."""
    return models_hash()


def _evaluate_as(code: str, setup: Setup, digest: str, points: Batch) -> list[Result]:
    """The results of a batch in a worker; code: what the client evaluates with.

    Raises:
        FlowError: this worker has other code, whose results are not the client's.
    """
    if _own_code() != code:
        raise FlowError(
            f"the worker on {socket.gethostname()} has other code or data of hwflow than this command; install the same "
            "version there and start the worker again"
        )
    return evaluate_batch(setup, digest, points)


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
        dashboard_address=None,  # pyright: ignore[reportArgumentType]  its type is inferred from the default
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

    How often a batch may lose its worker is for the scheduler to say (`distributed.scheduler.allowed-failures`, 3).

    Raises (from the run):
        FlowError: a worker with other code, batches whose workers are lost again and again, no worker for `ALONE` seconds,
            or the scheduler is lost.
    """

    def run(batches: Sequence[Batch]) -> Iterator[tuple[int, list[Result]]]:
        from distributed import Future, KilledWorker, as_completed
        from distributed.client import ClosedClientError

        try:
            # A task, not scattered data: the scheduler can make it again where its worker is lost.
            shared = client.submit(_same, setup, key=f"setup-{digest}")
            code = models_hash()
            futures: dict[Future[list[Result]], int] = {
                client.submit(_evaluate_as, code, shared, digest, batch, pure=False): number
                for number, batch in enumerate(batches)
            }
        except ClosedClientError as error:
            raise _lost() from error
        coming = as_completed(list(futures), client.loop, with_results=True, raise_errors=False)
        company = _Company(client)
        while coming.count():
            came = coming.next_batch(block=False)
            for future, result in came:
                if future.status == "finished":
                    yield futures[future], result
                elif future.status == "error":
                    _, error, trace = result
                    if isinstance(error, KilledWorker):
                        raise FlowError(
                            "a batch of points lost its worker again and again; give fewer --workers, they may lack memory"
                        ) from error
                    raise error.with_traceback(trace)
                else:
                    raise _lost()
            if came:
                company.seen()
            else:
                company.look()
                time.sleep(LOOK)

    return run


class _Company:
    """Watches whether a client has workers."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.seen()

    def seen(self) -> None:
        """There are some: something came from one."""
        self._last = self._looked = time.monotonic()

    def look(self) -> None:
        """Looks once a second.

        Raises:
            FlowError: there were none for `ALONE` seconds.
        """
        now = time.monotonic()
        if now - self._looked < 1:
            return
        self._looked = now
        if self._client.status == "running" and self._client.scheduler_info()["workers"]:
            self.seen()
        elif now - self._last > ALONE:
            raise FlowError(f"no worker for {ALONE} s; start some, then {KEPT}")


def _lost() -> FlowError:
    return FlowError(f"the Dask scheduler was lost; start it if it has ended, then {KEPT}")


def _same(setup: Setup) -> Setup:
    return setup
