"""What the reference shows of each name: it stands on one page, at its outermost door, with its example or a link."""

import os
import sys
from pathlib import Path
from typing import Any

import griffe

sys.path.insert(0, str(Path(__file__).parent))
from public_names import examples, public_names


class OncePerName(griffe.Extension):
    """Takes a name off the pages of inner packages and of other rooms, and says where its example stands."""

    def __init__(self) -> None:
        self.names = public_names()
        self.examples = examples(self.names)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        for public in self.names:
            for door in public.doors:
                module = pkg.modules_collection[door]
                if door != public.door and public.name in (module.exports or ()):
                    module.exports = [name for name in module.exports if name != public.name]
            shown = self.examples.get(public.path)
            if shown not in (None, public.path):
                self._link(pkg.modules_collection[public.path], shown)

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Leave out what a class's own docstring tells already, and what nobody calls by name."""
        for name, member in cls.members.items():
            told = member.is_attribute and not member.has_docstring
            if told or (name.startswith("__") and name not in ("__init__", "__call__")):
                member.public = False

    def _link(self, shown_name: griffe.Object | griffe.Alias, example: str) -> None:
        if example.endswith(".md"):
            link = f"[{example}]({os.path.relpath(example, 'reference')})"
        else:
            link = f"[`{example.removeprefix('eigenstep.')}`][{example}]"
        if shown_name.docstring:
            shown_name.docstring.value += f"\n\nExamples\n--------\nIn {link}.\n"
