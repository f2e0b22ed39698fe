"""Can this patient enter this trial; if not, why not; and what would make them eligible?

from pyscreen import Screener, load, read_record

kb = load()
screening = Screener(kb).screen(read_record("patient.yaml", kb))
for verdict in screening.verdicts.values():
    print(verdict.cohort.code, verdict.status)
"""

from .errors import KnowledgeBaseError, Problem, PyscreenError, RecordError, RequestError
from .knowledge import KnowledgeBase, load
from .record import Record
from .screening import Screener, Screening, Verdict
from .sources import read_record

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
    "read_record",
]
