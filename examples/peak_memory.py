"""The most memory that a process has held, for the examples on large data."""

import resource
import sys


def peak_mebibytes():
    """Return this process's peak memory so far; Linux and macOS."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
