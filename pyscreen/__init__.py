"""Can this patient enter this trial; if not, why not; and what would make them eligible?

import pyscreen

kb = pyscreen.load()
record = pyscreen.read_record("patient.yaml", kb)
screening = pyscreen.screen(record, kb)
for verdict in screening.verdicts.values():
    print(verdict.cohort.code, verdict.status)
"""

from .errors import KnowledgeBaseError, Problem, PyscreenError, RecordError, RequestError
from .knowledge import KnowledgeBase, load
from .record import Record
from .screening import Screener, Screening, Verdict

__all__ = [
    "KnowledgeBase",
    "KnowledgeBaseError",
    "Problem",
    "PyscreenError",
    "Record",
    "RecordError",
    "RequestError",
    "Screener",
    "Screening",
    "Verdict",
    "load",
]
