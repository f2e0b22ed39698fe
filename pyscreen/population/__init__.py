"""Whole populations: event tables in, a verdict for every patient and cohort out. Needs numpy, polars and duckdb (`pyscreen[batch]`).

Nothing outside this folder imports it before it is asked for.
"""
