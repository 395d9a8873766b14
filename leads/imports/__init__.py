"""Leads that come as a file: read (reading.py), mapped (columns.py) and brought in by the worker (work.py)."""
