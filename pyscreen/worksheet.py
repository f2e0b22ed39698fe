"""The worksheet: one self-contained page in which a coordinator answers questions and sees verdicts change, in the browser alone.

The page holds the exported knowledge base and plain JavaScript that decides by it (`web/`), put together here: the modules in the
order in which they lean on one another, in one script. Its Content-Security-Policy lets run and show only what stands in it, by hash,
and lets it ask no network for anything. A record that is given with it stands in it too: such a page holds patient data.
"""

from __future__ import annotations

import gzip
import html
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from hashlib import sha256
from importlib import resources
from string import Template
from typing import Any

from .errors import Problem, RecordError
from .form import UNKNOWN
from .interchange import export
from .knowledge import KnowledgeBase
from .quantities import parse_quantity
from .render import DISCLAIMER, version

MODULES = ("truth", "numbers", "days", "doses", "knowledge", "record", "derived", "items", "answers", "kleene", "screening",
           "questions", "sheet", "dom", "forms", "desk", "asking", "page")  # fmt: skip
"""The page's modules, each after those that it leans on."""
YAML = "5.5.0"
"""The version of js-yaml in `web/vendor`."""
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?:const|class|function\*?|async function) (\w+|\[[\w, ]+\])", re.MULTILINE)


def page(
    kb: KnowledgeBase,
    form: Mapping[str, object] | None = None,
    day: date | None = None,
    cohorts: Iterable[str] = (),
    readings: Mapping[str, str] | None = None,
) -> str:
    """Return the worksheet of a trial as one HTML text, with a record in its written form or an empty one.

    Without a day the page screens on the day on which it is opened. `cohorts` (codes or ids) are those shown, else all.
    Raises RequestError for cohorts, readings or options that do not exist, RecordError for units that the vocabulary does not list.
    """
    kb.chosen(readings)
    problems = list(_unlisted(form or {}, kb))
    if problems:
        raise RecordError(problems)
    start = {
        "record": form,
        "day": day.isoformat() if day else None,
        "cohorts": [kb.cohort(name).id for name in cohorts],
        "readings": dict(readings or {}),
    }
    style, library, script = file("worksheet.css"), file("vendor/js-yaml.umd.min.js"), bundle()
    return Template(file("worksheet.html")).substitute(
        policy=f"default-src 'none'; script-src {_hash(library)} {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        title=html.escape(kb.title),
        registry=html.escape(kb.registry),
        disclaimer=html.escape(DISCLAIMER),
        digest=kb.digest,
        version=html.escape(version()),
        written=date.today().isoformat(),
        yaml=YAML,
        style=style,
        knowledge=_data(export(kb)),
        start=_data(start),
        library=library,
        script=script,
    )


def bundle() -> str:
    """Return the page's modules as one script: each a function of its own that returns what it exports."""
    parts = []
    for name in MODULES:
        text = file(f"{name}.js")
        unknown = {other for _, other in _IMPORT.findall(text)} - set(MODULES[: MODULES.index(name)])
        assert not unknown, f"{name}.js leans on {unknown}, which do not stand before it"
        names = [one for found in _EXPORT.findall(text) for one in re.findall(r"\w+", found)]
        body = _EXPORT.sub(lambda found: found[0].removeprefix("export "), _IMPORT.sub(r"const \1 = $\2;\n", text))
        parts.append(f"const ${name} = await (async () => {{\n{body}return {{ {', '.join(names)} }};\n}})();")
    return "\n".join(parts)


def file(name: str) -> str:
    """Return the text of a file of the page."""
    return resources.files("pyscreen").joinpath("web", *name.split("/")).read_text(encoding="utf-8")


def _data(value: Any) -> str:
    """Return a value as JSON packed by gzip, a tenth of its size, in letters of which no browser makes anything else."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _unlisted(form: Mapping[str, object], kb: KnowledgeBase) -> Iterator[Problem]:
    """Yield the measurements in units that only a unit library knows, which the page does not have."""
    rows = form.get("measurements")
    for index, row in enumerate(rows if isinstance(rows, list) else ()):
        scale = kb.vocabulary.quantities[row["quantity"]].scale
        written = str(row["value"]).strip()
        if written in scale.grades or written == UNKNOWN:
            continue
        unit = row.get("unit") or parse_quantity(written)[2]
        if unit is not None and unit not in scale.units:
            message = f"the page does not know the unit '{unit}'; write the value in one of {', '.join(scale.units)}"
            yield Problem(message, field=f"measurements[{index}]")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
