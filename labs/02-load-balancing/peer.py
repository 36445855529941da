"""Lab 02's peer: ipyparallel's direct and load-balanced views, on the delays of bench.c."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import time

import ipyparallel
import peers

ENGINES, TASKS = 4, 64


def sleep_for(delay: float) -> tuple[int, float, float]:
    """As the seed's dummy_task: runs in an engine, which has to import what it needs."""
    import os
    import time

    began = time.monotonic()
    time.sleep(delay)
    return os.getpid(), began, time.monotonic()


def nothing(number: int) -> int:
    return number


def delays_once(
    race: peers.Race, name: str, view: ipyparallel.client.view.View, longest: float, number: int
) -> None:
    delays = [longest * (k * 40503 % 65536) / 65536 for k in range(TASKS)]
    case = {"engines": ENGINES, "tasks": TASKS, "longest": longest, "what": "delays"}
    began = time.monotonic()
    spans = view.map_sync(sleep_for, delays)
    took = time.monotonic() - began
    gantt = [[pid, begin - began, end - began] for pid, begin, end in spans]
    peers.tell(race, name, case, took, number, gantt=gantt)


def main() -> None:
    race = peers.options()
    # The cluster's own words must not come between the lines of JSON.
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        cluster = ipyparallel.Cluster(n=ENGINES, profile_dir=folder, log_level=logging.ERROR)
        client = cluster.start_and_connect_sync()
    try:
        views = {
            "ipyparallel direct": client[:],
            "ipyparallel balanced": client.load_balanced_view(),
        }
        for view in views.values():
            view.map_sync(nothing, range(ENGINES))
        for number in range(race.first, race.first + race.rounds):
            for name, view in views.items():
                delays_once(race, name, view, 0.005 if race.quick else 0.25, number)
        count = 100 if race.quick else 1000
        case = {"engines": ENGINES, "tasks": count, "what": "empty"}
        maps = {
            name: lambda view=view: view.map_sync(nothing, range(count))
            for name, view in views.items()
        }
        peers.run(race, case, maps)
    finally:
        cluster.stop_cluster_sync()


if __name__ == "__main__":
    main()
