"""Modules that had another name in an earlier version: they are still found by it, with a warning."""

import importlib
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType

MOVED = {
    "eigenstep.demo": "eigenstep.reproduce",
    "eigenstep.atomic": "eigenstep.record",
    "eigenstep.memory": "eigenstep.machine",
    "eigenstep.process_group": "eigenstep.machine",
    "eigenstep.side_by_side": "eigenstep.comparison",
    "eigenstep.spectrum.files": "eigenstep.embeddings",
    "eigenstep.spectrum.tracking": "eigenstep.analysis.tracking",
    "eigenstep.spectrum.verdicts": "eigenstep.analysis.verdicts",
    "eigenstep.stopped": "eigenstep.machine",
    "eigenstep.threads": "eigenstep.machine",
    "eigenstep.training.data": "eigenstep.images",
    "eigenstep.training.networks": "eigenstep.encoders",
    "eigenstep.training.objectives": "eigenstep.methods",
}

# Names that went elsewhere than the rest of their module.
TAKEN_APART = {"eigenstep.spectrum.files": ("eigenstep.spectrum", ("FileSpectrum", "measure_file"))}


class MovedModules(MetaPathFinder, Loader):
    """Finds a module under its old name, as the module of the new one."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return spec_from_loader(fullname, self) if fullname in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = MOVED[spec.name]
        warnings.warn(f"{spec.name} is now {new}", DeprecationWarning, stacklevel=2)
        found = importlib.import_module(new)
        # A module of its own: importing changes the names that a module has for itself.
        module = ModuleType(spec.name, f"{new} by its old name.")
        elsewhere, names = TAKEN_APART.get(spec.name, ("", ()))
        apart = {name: getattr(importlib.import_module(elsewhere), name) for name in names}
        module.__dict__.update(apart)
        module.__dict__["__getattr__"] = partial(getattr, found)
        module.__dict__["__all__"] = [*getattr(found, "__all__", ()), *apart]
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to do."""


def find_moved_modules() -> None:
    """Let modules be found by their old names."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        # Before others: a folder that an upgrade has left behind empty would be found as a package.
        sys.meta_path.insert(0, MovedModules())
