"""Lists as files: what a row of them holds (rows.py), and how it is written (writing.py)."""
