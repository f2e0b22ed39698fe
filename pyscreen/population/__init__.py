"""Whole populations: event tables in, a verdict for every patient and cohort out. Needs `pyscreen[batch]`: numpy, polars and duckdb.

Nothing outside this folder imports it before it is asked for.
"""
