"""Strong Kleene logic: yes (True), no (False), unknown (None).

Absence of knowledge is a value, never "no": a conjunction with an unknown member is unknown unless another is false.
"""

from __future__ import annotations

from collections.abc import Iterable

Truth = bool | None


def negate(truth: Truth) -> Truth:
    """Return the opposite; the opposite of unknown is unknown.

    >>> negate(True), negate(False), negate(None)
    (False, True, None)
    """
    return None if truth is None else not truth


def both(truths: Iterable[Truth]) -> Truth:
    """Return whether all hold: false as soon as one is false, true when every one is true (or there is none).

    >>> both([True, None]), both([None, False]), both([])
    (None, False, True)
    """
    result: Truth = True
    for truth in truths:
        if truth is False:
            return False
        if truth is None:
            result = None
    return result


def either(truths: Iterable[Truth]) -> Truth:
    """Return whether at least one holds: true as soon as one is true, false when every one is false (or there is none).

    >>> either([False, None]), either([None, True]), either([])
    (None, True, False)
    """
    return negate(both(negate(truth) for truth in truths))
