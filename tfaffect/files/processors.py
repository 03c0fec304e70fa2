"""The processors that this process may use."""

import os


def count() -> int:
    """Return how many there are. Slurm and containers may allow a process fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
