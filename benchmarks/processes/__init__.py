"""The programs that are measured, or measured against: each runs in a process of its own."""
