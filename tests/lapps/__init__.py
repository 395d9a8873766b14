"""An app whose Lapps do whatever a test of them needs; settings.py and program_settings.py add it."""
