"""What is measured. Each group promises its figures by name and measures them on installations of its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from benchmarks.groups import (
    bulk_create,
    claim,
    deliver,
    grouped,
    history,
    imports,
    inbound,
    latency,
    render,
    rules,
    save,
    worker,
)

GROUPS: Mapping[str, ModuleType] = {
    "render": render,
    "deliver": deliver,
    "save": save,
    "rules": rules,
    "bulk_create": bulk_create,
    "grouped": grouped,
    "inbound": inbound,
    "imports": imports,
    "latency": latency,
    "claim": claim,
    "worker": worker,
    "history": history,
}
