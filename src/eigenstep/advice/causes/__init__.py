"""Causes of bad runs, a file each, in which `CAUSE` says by which signs it is known and what to do about it.

The files are collected here, so that a new one need not be told anywhere.
"""

import importlib
import pkgutil

from eigenstep.advice.causes._cause import NAMED, Action, Cause, Evidence

__all__ = ["CAUSES", "NAMED", "Action", "Cause", "Evidence"]

_MODULES = (importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__))
CAUSES: dict[str, Cause] = {
    module.CAUSE.name: module.CAUSE for module in _MODULES if hasattr(module, "CAUSE")
}
