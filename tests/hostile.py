"""Records whose every free text is an attack: on HTML, on scripts, on terminals, on the quoting of other forms."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from itertools import count, cycle
from typing import Any

from pyscreen.record import Record

ATTACKS = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "</style></script></title><svg onload=\"document.title='owned'\">",
    "'); document.title='owned'; ('",
    "{{ 7 * 7 }}{% for x in y %}",
    '"]; n0 [label="owned"]; x["',
    'a"]:::blocks\nclick n0 "javascript:alert(1)"\n%% `x` #quot; #35; &quot;',
    "\x1b[31mred\x1b[0m \x00 \x07 \u202edleif\u202c \u2028 \ud800 \uffff",
    "]]> <!-- --> <![CDATA[ &amp; &#0; \\N \\l \\",
)
_FREE = ("id", "text", "by", "message")


def hostile(record: Record) -> Record:
    """Return a record with an attack in every free text, each with a number of its own."""
    attacks, numbers = cycle(ATTACKS), count()

    def attacked(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(attacked(one) for one in value)
        if not is_dataclass(value) or isinstance(value, type):
            return value
        changed = {
            field.name: f"{next(attacks)}{next(numbers)}"
            for field in fields(value)
            if field.name in _FREE and getattr(value, field.name)
        }
        parts = {
            field.name: attacked(getattr(value, field.name)) for field in fields(value) if field.name not in changed
        }
        return replace(value, **parts, **changed)

    found: Record = attacked(record)
    return found
