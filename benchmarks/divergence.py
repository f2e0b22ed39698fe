"""How often do exact and strong Kleene verdicts differ? Random partial records, each screened both ways.

    python benchmarks/divergence.py [NUMBER] [SEED] [PER_CENT]

Partial records are worked cases with items left out; with PER_CENT, so much of what is left is known less well: dates to the month,
values as ranges and bounds, attributes not at all.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from pyscreen.screening import UNDECIDED
from tests.partial import DAY, partial_records, screener
from tests.randoms import blurred


def main(number: int = 300, seed: int = 7, per_cent: int = 0) -> None:
    plain: Counter[str] = Counter()
    sharpened: Counter[tuple[str, str]] = Counter()
    took = [0.0, 0.0]
    choice = Random(seed)
    for whole in partial_records(number, seed):
        record = blurred(whole, choice, per_cent / 100)
        verdicts = []
        for exact in (False, True):
            start = time.perf_counter()
            verdicts.append(screener().screen(record, DAY, exact=exact).verdicts)
            took[exact] += time.perf_counter() - start
        for cohort, kleene in verdicts[0].items():
            plain[cohort] += kleene.status == UNDECIDED
            if verdicts[1][cohort].status != kleene.status:
                sharpened[cohort, verdicts[1][cohort].status] += 1
    print(f"{number} partial records (seed {seed}, {per_cent} % blurred), as of {DAY}\n")
    print(f"{'cohort':<16}{'undecided':>12}{'-> eligible':>14}{'-> ineligible':>16}")
    for cohort in screener().kb.cohorts:
        changed = [sharpened[cohort, status] for status in ("eligible", "ineligible")]
        print(f"{cohort:<16}{plain[cohort]:>12}{changed[0]:>14}{changed[1]:>16}")
    total, open_ = sum(sharpened.values()), sum(plain.values())
    print(f"\n{total} of {open_} undecided verdicts ({number * len(screener().kb.cohorts)} in all) are decided exactly")
    print(f"a record takes {1000 * took[0] / number:.1f} ms by Kleene logic, {1000 * took[1] / number:.1f} ms exactly")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
