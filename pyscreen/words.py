"""Tests in plain words, for people who review what the knowledge base asks."""

from __future__ import annotations

from .questions import Comparison, Condition, Selection, Test

SIGNS = {"below": "below", "at_most": "at most", "above": "above", "at_least": "at least", "equals": "exactly"}
_SUMMARIES = {
    "some": "on record",
    "earliest": "the earliest value",
    "lowest": "the lowest value",
    "highest": "the highest value",
    "count": "how many",
    "daily_dose": "total daily dose on the screening date",
    "unchanged": "daily dose unchanged for",
    "time_since": "time since the latest",
    "time_between": "time from the earliest to the latest",
    "fall": "fall of the latest value from the earliest",
    "rise": "rise of the latest value from the earliest",
    "relative_fall": "relative fall of the latest value from the earliest",
    "relative_rise": "relative rise of the latest value from the earliest",
}
_LATEST = {"": "the latest", "lowest": "the lowest of the latest", "highest": "the highest of the latest"}
_FROM = {"previous": "the one before", "extreme": "the most extreme one before"}


def words_of_test(test: Test) -> str:
    """Return what a test asks, in words: items, conditions on the same item, summary and comparison."""
    parts = [test.selection.label, summary_of(test)]
    compared = words_of_comparison(test.comparison)
    if compared:
        parts[-1] = f"{parts[-1]} {compared}"
    parts += [words_of_condition(condition) for condition in test.selection.conditions]
    return "; ".join(parts)


def summary_of(test: Test) -> str:
    """Return how the items are summed up, in words."""
    if test.summary == "latest":
        return _LATEST[str(test.argument)]
    if test.summary == "each_of_latest":
        return f"each of the latest {test.argument}, on different days,"
    if test.summary == "consecutive":
        return f"{test.argument} consecutive ones, on different days,"
    if test.summary == "count" and test.argument:
        return f"how many {test.argument}"
    words = _SUMMARIES[test.summary]
    return words.replace("the earliest", _FROM[str(test.argument)]) if str(test.argument) in _FROM else words


def words_of_comparison(comparison: Comparison) -> str:
    """Return a comparison in words; present is understood."""
    if comparison.op == "present":
        return ""
    if comparison.op == "absent":
        return "is absent"
    texts = [threshold.text for threshold in comparison.thresholds]
    if comparison.op == "between":
        return f"from {texts[0]} to {texts[1]}, both included"
    return f"{SIGNS[comparison.op]} {texts[0]}"


def words_of_condition(condition: Condition) -> str:
    """Return a condition on an item in words."""
    compared = words_of_comparison(condition.comparison) if condition.comparison else ""
    other = _items(condition.selection) if condition.selection else ""
    match condition.name:
        case "within":
            return f"within {_reach(condition)} before {f'the planned or last {other}' if other else 'screening'}"
        case "inside":
            return f"begun and ended within {_reach(condition)} before {f'the planned or last {other}' if other else 'screening'}"
        case "ahead":
            return f"planned within {condition.duration} after screening"
        case "ago":
            return f"begun {compared} before screening"
        case "as_of":
            return f"as of {condition.duration} before screening"
        case "newest":
            return f"no older than {condition.duration}"
        case "ongoing":
            return "ongoing"
        case "lasting":
            return f"lasting {compared}"
        case "dose":
            return f"daily dose {compared}"
        case "value":
            return f"value {compared}"
        case "age":
            return f"at an age of {compared}"
        case "route" | "outcome" | "method":
            return f"{condition.name}: {condition.word.replace('_', ' ')}"
        case "for":
            return f"given for {condition.word.replace('_', ' ')}"
        case "with":
            return f"together with {other}" + (f", {compared}" if compared else "")
        case "since":
            return f"after the latest {other} on record"
        case "near":
            return f"at most {condition.duration} before or after {other}"
    return f"{condition.name} {other}"


def _reach(condition: Condition) -> str:
    """Return how far a window reaches back, in words."""
    lives = f"{condition.half_lives} half-lives of the drug"
    if not condition.half_lives:
        return str(condition.duration)
    if condition.duration is None:
        return lives
    return f"{condition.duration} or {lives}, whichever is {'shorter' if condition.word == 'shortest' else 'longer'},"


def _items(selection: Selection) -> str:
    inner = [words_of_condition(condition) for condition in selection.conditions]
    return f"{selection.label} ({', '.join(inner)})" if inner else selection.label
