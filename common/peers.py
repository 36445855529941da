"""What the labs' peer.py files share: the options and the turns of race.c, for Python."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Race:
    """As struct race in race.h."""

    quick: bool
    rounds: int
    first: int
    enough: float
    agree: Callable[[float], float] | None = None  # among processes
    speaks: bool = True


def options() -> Race:
    parser = argparse.ArgumentParser()
    parser.add_argument("-q", dest="quick", action="store_true")
    parser.add_argument("-r", dest="rounds", type=int, default=5)
    parser.add_argument("-b", dest="first", type=int, default=0)
    words = parser.parse_args()
    return Race(words.quick, words.rounds, words.first, 0.0005 if words.quick else 0.02)


def tell(
    race: Race, name: str, case: Mapping[str, Any], seconds: float, number: int, **more: object
) -> None:
    if race.speaks:
        line = {"contender": name, "case": dict(case), "seconds": seconds, "round": number, **more}
        print(json.dumps(line), flush=True)


def time_of(race: Race, work: Callable[[], object], times: int) -> float:
    agree = race.agree or (lambda seconds: seconds)
    agree(0.0)
    began = time.perf_counter()
    for _ in range(times):
        work()
    return agree(time.perf_counter() - began)


def run(
    race: Race, case: Mapping[str, Any], contenders: Mapping[str, Callable[[], object]]
) -> None:
    """All contenders in turns; each call repeated until it lasts long enough."""
    repeats = {}
    for name, work in contenders.items():
        times, took = 1, 0.0
        time_of(race, work, 1)
        while (took := time_of(race, work, times)) < race.enough:
            times = int(times * min(100.0, 1.1 * race.enough / max(took, 1e-7))) + 1
        repeats[name] = times
    for number in range(race.first, race.first + race.rounds):
        for name, work in contenders.items():
            if repeats[name] > 1:  # what others have left in the caches does not count
                work()
            took = time_of(race, work, repeats[name])
            tell(race, name, case, took / repeats[name], number)
