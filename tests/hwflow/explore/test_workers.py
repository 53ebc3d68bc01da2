"""Who evaluates: this process, and a cluster that loses a worker in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hwflow.errors import FlowError
from hwflow.explore import workers
from hwflow.explore.evaluate import Setup
from hwflow.explore.pareto import ranked
from hwflow.explore.search import evaluate_all, refine
from hwflow.explore.space import Space
from hwflow.explore.store import FILE, Store
from hwflow.explore.workers import Batch, Run

distributed = pytest.importorskip("distributed", reason="Dask comes with the extra `explore`")

POINTS = 150


@pytest.fixture(scope="module")
def cluster() -> Generator[Any]:
    """A cluster of three processes, as `workers.local` makes one."""
    with workers.processes(3) as made:
        yield made


def _evaluated(folder: Path, space: Space, run: Run, count: int = POINTS) -> list[Any]:
    folder.mkdir(exist_ok=True)
    with closing(Store(folder)) as store:
        return evaluate_all(space.points(count, 5), "digest", store, run, lambda *_: None)


def test_a_worker_killed_in_the_middle_changes_nothing(
    setup: Setup, space: Space, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwflow.explore.search.BATCH", 5)
    with workers.here(setup, "serial") as run:
        wanted = _evaluated(tmp_path / "serial", space, run)
    with distributed.Client(cluster) as client:
        across = workers.on(client, setup, "killed")
        pids = client.run(os.getpid)
        killed: list[int] = []

        def losing(batches: Sequence[Batch]) -> Iterator[tuple[int, Any]]:
            for answer in across(batches):
                if not killed:
                    killed.append(next(iter(pids.values())))
                    os.kill(killed[0], signal.SIGKILL)
                yield answer

        found = _evaluated(tmp_path / "cluster", space, losing)
        client.wait_for_workers(3, timeout=60)
        assert killed[0] not in client.run(os.getpid).values()
    assert json.dumps(found).encode() == json.dumps(wanted).encode()
    # In the store they are in the order in which they came, each once.
    lines = [(tmp_path / name / FILE).read_bytes().splitlines() for name in ("serial", "cluster")]
    assert sorted(lines[0]) == sorted(lines[1])


def test_a_scheduler_is_taken_by_its_address(setup: Setup, space: Space, cluster: Any) -> None:
    points = space.points(4, 1)
    with workers.remote(setup, "remote", cluster.scheduler_address) as run:
        [(number, results)] = list(run([points]))
    with workers.here(setup, "serial") as run:
        assert [(number, results)] == list(run([points]))


def test_a_fault_in_a_worker_is_no_silence(setup: Setup, cluster: Any) -> None:
    with workers.remote(setup, "fault", cluster.scheduler_address) as run, pytest.raises(KeyError):
        list(run([[{"rows": 4}]]))


def test_a_worker_with_other_code_is_refused(
    setup: Setup, space: Space, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "models_hash", lambda: "of an altered copy")
    with (
        workers.remote(setup, "altered", cluster.scheduler_address) as run,
        pytest.raises(FlowError, match=r"has other code or data of hwflow .* install the same"),
    ):
        list(run([space.points(2, 1)]))


@pytest.fixture
def scheduler(tmp_path: Path) -> Generator[tuple[str, subprocess.Popen[bytes]]]:
    """Address and process of a scheduler without workers."""
    told = tmp_path / "scheduler.json"
    command = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
    ]
    command += ["--no-dashboard", "--scheduler-file", str(told)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if told.is_file():
                break
            assert running.poll() is None
            time.sleep(0.1)
        yield json.loads(told.read_text())["address"], running
    finally:
        running.kill()
        running.wait()


def test_without_workers_it_gives_up_and_says_so_when_the_scheduler_is_lost(
    setup: Setup, space: Space, scheduler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, process = scheduler
    points = space.points(2, 1)
    with distributed.Client(address, timeout=2, set_as_default=False) as client:
        run = workers.on(client, setup, "alone")
        monkeypatch.setattr(workers, "ALONE", 1)
        with pytest.raises(FlowError, match="no worker for 1 s; start some, then run the command"):
            list(run([points]))
        monkeypatch.setattr(workers, "ALONE", 60)
        threading.Timer(0.5, process.kill).start()
        with pytest.raises(FlowError, match=r"scheduler was lost; .* run the command again"):
            list(run([points]))
        client.close(timeout=1)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x:1"])
def test_a_scheduler_that_is_not_there_is_named(
    setup: Setup, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "PATIENCE", 1)
    with (
        pytest.raises(FlowError, match="no Dask scheduler answers") as caught,
        workers.remote(setup, "none", address),
    ):
        pass
    assert address in str(caught.value)


def test_what_is_known_is_not_evaluated_again(setup: Setup, space: Space, tmp_path: Path) -> None:
    with workers.here(setup, "serial") as run:
        first = _evaluated(tmp_path, space, run, 40)
    path = tmp_path / FILE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:26]) + lines[26][:-10])
    asked: list[int] = []

    def counting(batches: Sequence[Batch]) -> Iterator[tuple[int, Any]]:
        asked.extend(len(batch) for batch in batches)
        yield from workers.here(setup, "serial").__enter__()(batches)

    assert _evaluated(tmp_path, space, counting, 40) == first
    assert sum(asked) == 15
    assert _evaluated(tmp_path, space, counting, 40) == first
    assert sum(asked) == 15


def test_refining_ends_where_no_neighbour_is_better(
    setup: Setup, space: Space, tmp_path: Path
) -> None:
    with closing(Store(tmp_path)) as store, workers.here(setup, "serial") as run:

        def evaluate(points: Any) -> list[Any]:
            return evaluate_all(points, "digest", store, run, lambda *_: None)

        few = evaluate(space.points(30, 1))
        found = refine(space, few, evaluate, changes=1, least_binary_macs=1024)
        best = ranked(found, 1024)[0]
        assert best["binary_macs"] >= 1024
        around = evaluate(space.neighbours(best["point"], 1))
        assert ranked([best, *around], 1024)[0] == best
        assert ranked([best, *ranked(few, 1024)[:1]], 1024)[0] == best
