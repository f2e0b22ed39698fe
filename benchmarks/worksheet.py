"""How fast is the worksheet, and does it decide as pyscreen does? In Chromium, on many random records.

    python benchmarks/worksheet.py [NUMBER] [SEED] [TRIAL]

Prints the size of the page, the time to open it and to take an answer (from the click to the page that shows the new verdicts), the
time to screen one record in the page and in Python, how many tests of the trial the page works out, and how many of them the records
answered both ways. Ends with status 1 where the page and pyscreen differ.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from pyscreen import load
from pyscreen.screening import Screener
from pyscreen.sources import read_form
from pyscreen.worksheet import page
from tests.browser import chromium
from tests.test_worksheet import SCREEN, expected
from tests.writtens import DAY, written_records

ANSWER = """async () => {
    const times = [];
    for (const name of ['Yes', 'Undo', 'Yes', 'Undo', 'Yes', 'Undo', 'Yes', 'Undo', 'Yes', 'Undo']) {
        const buttons = [...document.querySelectorAll('#cohort button, #bar button')];
        const start = performance.now();
        buttons.find(button => button.textContent === name).click();
        document.body.offsetHeight;
        times.push(performance.now() - start);
        await new Promise(requestAnimationFrame);
    }
    return times;
}"""

TIMED = f"rows => {{const start = performance.now(); return [({SCREEN})([rows, false]), performance.now() - start]}}"


def main(number: int = 1000, seed: int = 1, trial: str = "cd19_autoimmune") -> int:
    kb = load(trial)
    screener = Screener(kb)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium())
        opened = browser.new_page(offline=True)
        if trial == "cd19_autoimmune":
            measure(opened, page(kb, read_form(kb.main.parent / "cases" / "marrow_missing.yaml", kb)[0], DAY))
        opened.set_content(page(kb))
        opened.wait_for_function("globalThis.pyscreen")
        differ = compare(opened, screener, number, seed)
        browser.close()
    return 1 if differ else 0


def measure(opened: Page, text: str) -> None:
    file = Path("worksheet-benchmark.html").resolve()
    file.write_text(text, encoding="utf-8")
    try:
        times = []
        for _ in range(5):
            opened.goto(file.as_uri())
            opened.wait_for_function("globalThis.pyscreen")
            times.append(opened.evaluate("pyscreen.opened"))
        answer = median(opened.evaluate(ANSWER))
        print(f"{len(text.encode()) / 1e6:.2f} MB; opened in {median(times):.0f} ms; an answer is taken in {answer:.0f} ms")
    finally:
        file.unlink()


def compare(opened: Page, screener: Screener, number: int, seed: int) -> int:
    kb, differ, refused = screener.kb, 0, 0
    there = here = 0.0
    seen: tuple[set[str], set[str]] = (set(), set())
    missing = 0
    for row in written_records(kb, number, seed):
        given = [{"written": row.written, "day": row.day.isoformat(), "readings": dict(row.readings)}]
        start = time.perf_counter()
        wanted = expected(screener, row)
        here += time.perf_counter() - start
        [found], took = opened.evaluate(TIMED, given)
        there += took
        if wanted is None:
            refused += 1
            differ += "problems" not in found
            continue
        differ += found != wanted
        missing = max(missing, found.get("missing", 0))
        for letters, letter in zip(seen, "yn", strict=True):
            letters.update(name for name, said in zip(kb.tests, wanted["answers"], strict=True) if said == letter)
    print(f"{number} random records (seed {seed}), of which both refuse {refused}; {differ} differ")
    answered, both = len(seen[0] | seen[1]), len(seen[0] & seen[1])
    print(f"{len(kb.tests) - missing} of {len(kb.tests)} tests are worked out; {answered} were answered, {both} of them both ways")
    print(f"one record takes {there / number:.1f} ms in the page, {1000 * here / number:.1f} ms in Python")
    return differ


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3]), *sys.argv[3:4]))
