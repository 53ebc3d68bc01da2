"""How often the truth lies in the 95% interval of `hwflow energy measure`: the table of docs/measuring.md.

`python -m bench.coverage`: synthetic logs with known truth, seeded; evidence: synthetic logs, no board.
"""

from __future__ import annotations

from typing import Annotated

import typer
from scipy.stats import binom

from hwflow.cli.output import Json, console, counted_progress, number, print_json, table
from hwflow.energy.measure.measure import Options, measure
from hwflow.errors import FlowError
from tests.hwflow.energy.measure.synthetic import Scene, meter

LOGS = 300
SCENES = {
    "white noise": Scene(),
    "correlated noise, 0.8 from sample to sample": Scene(memory=0.8),
    "0.95 from sample to sample": Scene(memory=0.95),
    "drift of 4 mW/s, correlated 0.5, 10% of samples missing": Scene(
        drift_w_s=0.004, memory=0.5, lost=0.1
    ),
    "starts up to 20 ms late, noise doubled": Scene(late_s=0.02, noise_w=0.02),
}


def covered(scene: Scene, seeds: range) -> tuple[int, int]:
    """Of the logs, one a seed: in how many the energy of a run above idle lies in its interval, and how many are refused."""
    markers, truth = scene.markers(), scene.truth()
    found = refused = 0
    for seed in seeds:
        try:
            (energy,) = measure(scene.log(seed), markers, meter(), Options()).energies
        except FlowError:  # too few independent samples
            refused += 1
            continue
        found += energy.active.low <= truth <= energy.active.high
    return found, refused


def usual(logs: int, outside: float = 0.001) -> tuple[int, int]:
    """Between which counts a true share of 95% leaves all but `outside` on either side (binomial)."""
    low, high = (int(binom.ppf(p, logs, 0.95)) for p in (outside, 1 - outside))
    return low, high


def main(
    logs: Annotated[int, typer.Option(min=1, help="logs of each kind")] = LOGS, json: Json = False
) -> None:
    """Prints the share of logs, and what 95% would leave it within (binomial, all but 0.1% on either side)."""
    counts: dict[str, tuple[int, int]] = {}
    with counted_progress("synthetic logs") as progress:
        for place, (name, scene) in enumerate(SCENES.items(), 1):
            counts[name] = covered(scene, range(logs))
            progress(place, len(SCENES))
    low, high = usual(logs)
    if json:
        rows = {name: {"inside": n, "refused": no} for name, (n, no) in counts.items()}
        print_json({"logs": logs, "kinds": rows, "usual": [low, high]})
        return
    shown = table(
        f"Truth inside the 95% interval, {logs} synthetic logs each; 95% would leave "
        f"{100 * low / logs:.1f} to {100 * high / logs:.1f}%",
        ("log", "inside", "of", "inside %", "refused"),
    )
    for name, (inside, refused) in counts.items():
        analysed = logs - refused
        share = number(100 * inside / analysed, 1) if analysed else ""
        shown.add_row(name, number(inside), number(analysed), share, number(refused))
    console().print(shown)


if __name__ == "__main__":
    typer.run(main)
