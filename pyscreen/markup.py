"""YAML and JSON as mappings, lists, text, true, false and null, with the line on which each part stands.

Nothing is guessed: a number stays the text that was written (`8.25` is exact, `007` keeps its zeros), and so do `1:40`,
`on`, `no` and dates, which YAML 1.1 would turn into other things. A name written twice and a tag are problems; aliases
are followed, within a limit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property

import yaml

from .errors import Problem, RecordError

Value = None | bool | str | list["Value"] | dict[str, "Value"]
Place = tuple[str | int, ...]
"""Where a value stands: `("measurements", 2, "unit")`."""

_Lines = dict[str | int, tuple[int, "_Lines | None"]]

DEPTH = 50
"""How deep lists and mappings may lie in one another."""
_TOO_DEEP = f"lists and mappings lie more than {DEPTH} deep in one another"
EXPANDED = 200_000
"""How many parts a text with aliases may have once they are written out."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TAGS = (None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
_ESCAPED_PAIR = re.compile(r"\\u[dD][89a-bA-B][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")


class Document:
    """What was read: its value, what is wrong with its form, and the line of each part."""

    def __init__(
        self, value: Value, text: str, problems: tuple[Problem, ...] = (), lines: _Lines | None = None
    ) -> None:
        self.value = value
        self.problems = problems
        self._text = text
        self._given = lines

    @cached_property
    def _lines(self) -> _Lines:
        return self._given if self._given is not None else _lines_of_json(self._text)

    def line(self, place: Place) -> int | None:
        """Return the line, from 1, on which a part stands, or the nearest part around it that was written."""
        found, lines = None, self._lines
        for step in place:
            if step not in lines:
                break
            found, inner = lines[step]
            lines = inner or {}
        return found


def load(text: str | bytes, file: str = "") -> Document:
    """Read one YAML or JSON text; raise RecordError where it is neither.

    >>> document = load("taken: true\\ndose: 8.250\\ntitre: 1:40")
    >>> document.value, document.line(("titre",))
    ({'taken': True, 'dose': '8.250', 'titre': '1:40'}, 3)
    """
    text = _decoded(text, file)
    if text.lstrip()[:1] == "{":
        try:
            return Document(_read_json(text), text)
        except (ValueError, RecursionError):
            pass  # not JSON, or not as it should be: YAML, of which JSON is a part, tells the line
    return _read_yaml(text, file)


def _decoded(text: str | bytes, file: str) -> str:
    try:
        if isinstance(text, bytes):
            return text.decode("utf-8-sig")
        text.encode()
    except UnicodeDecodeError as wrong:
        line = wrong.object.count(b"\n", 0, wrong.start) + 1
        raise RecordError([Problem("not text in UTF-8", file, line)]) from None
    except UnicodeEncodeError as wrong_text:
        line = wrong_text.object.count("\n", 0, wrong_text.start) + 1
        raise RecordError([Problem("not proper Unicode text", file, line)]) from None
    return text.removeprefix("\ufeff")


def _read_json(text: str) -> Value:
    value: Value = json.loads(text, object_pairs_hook=_unique, parse_float=str, parse_int=str, parse_constant=str)
    json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    return value


def _unique(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("a name is written twice")
    return mapping


def _lines_of_json(text: str) -> _Lines:
    """Return the lines of a text that is JSON; libyaml knows no escaped surrogate pairs, so they are blanked."""
    try:
        return _build(_ESCAPED_PAIR.sub("?", text), "").lines
    except (RecordError, yaml.YAMLError):
        return {}


def _read_yaml(text: str, file: str) -> Document:
    try:
        builder = _build(text, file)
    except yaml.YAMLError as error:
        raise RecordError([_syntax(error, text, file)]) from None
    return Document(builder.value, text, tuple(builder.problems), builder.lines)


def _syntax(error: yaml.YAMLError, text: str, file: str) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        if "maximum nesting depth" in said:  # libyaml has a limit of its own, and may meet it before it hands over the first event
            return Problem(_TOO_DEEP, file, mark.line + 1 if mark else None)
        return Problem(f"not readable as YAML or JSON: {said}", file, mark.line + 1 if mark else None)
    position = getattr(error, "position", None)
    line = text.count("\n", 0, position) + 1 if isinstance(position, int) else None
    return Problem(f"not readable as YAML or JSON: {getattr(error, 'reason', error)}", file, line)


def _build(text: str, file: str) -> _Builder:
    builder = _Builder(file)
    for event in yaml.parse(text, Loader=_LOADER):
        builder.take(event)
    return builder


class _Frame:
    """A list or mapping that is being read."""

    __slots__ = ("anchor", "key", "key_line", "line", "lines", "size", "value")

    def __init__(self, value: list[Value] | dict[str, Value], line: int, anchor: str | None) -> None:
        self.value = value
        self.line = line
        self.anchor = anchor
        self.lines: _Lines = {}
        self.size = 1
        self.key: str | None = None
        self.key_line = line


class _Builder:
    """Makes a value out of YAML's events, without recursion, so that no text can exhaust the stack."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.value: Value = None
        self.lines: _Lines = {}
        self.problems: list[Problem] = []
        self.documents = 0
        self.frames: list[_Frame] = []
        self.anchors: dict[str, tuple[Value, _Lines | None, int]] = {}

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.ScalarEvent):
            self.scalar(event, line)
        elif isinstance(event, yaml.CollectionStartEvent):
            self.open(event, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.close()
        elif isinstance(event, yaml.AliasEvent):
            self.alias(event, line)
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise self.refusal("a second document begins here; a file holds one record", line)

    def refusal(self, message: str, line: int) -> RecordError:
        return RecordError([*self.problems, Problem(message, self.file, line)])

    def check_tag(self, tag: str | None, line: int) -> None:
        if tag not in _TAGS:
            shown = str(tag).replace("tag:yaml.org,2002:", "!!")[:60]
            self.problems.append(Problem(f"the tag {shown} is not accepted; write plain values", self.file, line))

    def scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        self.check_tag(event.tag, line)
        frame = self.frames[-1] if self.frames else None
        if frame and isinstance(frame.value, dict) and frame.key is None:
            frame.key, frame.key_line = event.value, line
            return
        plain = event.implicit[0] and event.tag is None
        value: Value = _WORDS.get(event.value, event.value) if plain else event.value
        if event.anchor:
            self.anchors[event.anchor] = (value, None, 1)
        self.add(value, None, 1, line)

    def open(self, event: yaml.CollectionStartEvent, line: int) -> None:
        self.check_tag(event.tag, line)
        if len(self.frames) == DEPTH:
            raise self.refusal(_TOO_DEEP, line)
        self.frames.append(_Frame({} if isinstance(event, yaml.MappingStartEvent) else [], line, event.anchor))

    def close(self) -> None:
        frame = self.frames.pop()
        if frame.anchor:
            self.anchors[frame.anchor] = (frame.value, frame.lines, frame.size)
        self.add(frame.value, frame.lines, frame.size, frame.line)

    def alias(self, event: yaml.AliasEvent, line: int) -> None:
        if event.anchor not in self.anchors:
            raise self.refusal(f"the alias *{event.anchor} stands for nothing written before it", line)
        value, lines, size = self.anchors[event.anchor]
        self.add(value, lines, size, line)
        if self.frames and self.frames[-1].size > EXPANDED:
            raise self.refusal(f"the aliases stand for more than {EXPANDED:,} values", line)

    def add(self, value: Value, lines: _Lines | None, size: int, line: int) -> None:
        if not self.frames:
            self.value, self.lines = value, lines or {}
            return
        frame = self.frames[-1]
        frame.size += size
        if isinstance(frame.value, list):
            frame.lines[len(frame.value)] = (line, lines)
            frame.value.append(value)
        elif frame.key is None:
            raise self.refusal("a field's name must be text", line)
        else:
            self.add_field(frame, frame.value, value, lines)

    def add_field(self, frame: _Frame, mapping: dict[str, Value], value: Value, lines: _Lines | None) -> None:
        key, frame.key = frame.key or "", None
        if key in mapping:
            first = frame.lines[key][0]
            message = f"{key[:60]!r} is written twice in one place (first on line {first})"
            self.problems.append(Problem(message, self.file, frame.key_line))
            return
        mapping[key] = value
        frame.lines[key] = (frame.key_line, lines)


class _Dumper(yaml.SafeDumper):
    """Writes what `load` reads: numbers and dates bare, everything that another reader may mistake in quotes, a field a line."""

    def represent(self, data: object) -> None:
        node = self.represent_data(data)
        if isinstance(node, yaml.CollectionNode):
            node.flow_style = False
        self.serialize(node)


_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_DATE = "tag:yaml.org,2002:timestamp"
_Dumper.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _DATE]
    for first, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
}


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    number = _NUMBER.fullmatch(text)
    kind = ("float" if number[2] else "int") if number else "str"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{kind}", text)


_Dumper.add_representer(str, _represent_text)


def dump(value: Mapping[str, object]) -> str:
    """Return a mapping as YAML text, an item a line.

    >>> print(dump({"record": "a-1", "findings": [{"finding": "sle", "date": "2019-05"}]}), end="")
    record: a-1
    findings:
    - {finding: sle, date: 2019-05}
    """
    text: str = yaml.dump(
        dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120
    )
    return text


def amended(text: str, value: Mapping[str, object]) -> str | None:
    """Return a YAML text that says `value`, with every line of another, comments among them, and what is new between them.

    None where more than new fields and further rows of lists tells the two apart, or the text is not laid out a row a line.
    """
    before = load(text).value
    root = yaml.compose(text, Loader=_LOADER)
    if not isinstance(before, dict) or not isinstance(root, yaml.MappingNode) or root.flow_style or before.keys() - value.keys():
        return None
    lines = text.removeprefix("\ufeff").splitlines()
    sections = {key.value: node for key, node in root.value}
    added = {name: new for name, new in value.items() if name not in before}
    grown = [(name, before[name], new) for name, new in value.items() if name in before and before[name] != new]
    for name, old, new in sorted(grown, key=lambda row: -_last_line(sections[row[0]])):
        node = sections[name]
        if not (isinstance(old, list) and isinstance(new, list) and isinstance(node, yaml.SequenceNode)) or node.flow_style:
            return None
        rows = dump({name: new[len(old) :]}).splitlines()[1:]
        at = _last_line(node) + 1
        lines[at:at] = [" " * node.start_mark.column + row for row in rows]
    made = "\n".join(lines) + "\n" + (dump(added) if added else "")
    try:
        return made if load(made).value == load(dump(value)).value else None
    except RecordError:
        return None


def _last_line(node: yaml.Node) -> int:
    """Return the last line, from 0, on which something of a node stands: its end may lie beyond comments and empty lines."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return int(node.end_mark.line)
