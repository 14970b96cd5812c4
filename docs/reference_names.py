"""What the reference shows of a name: it stands once, at its outermost door, with its example or a link."""

import ast
import os
import sys
from pathlib import Path
from typing import Any

import griffe

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))
from public_names import examples, public_names  # noqa: E402


class OncePerName(griffe.Extension):
    """Takes a name off the pages of inner packages and of other rooms, and says where its example stands."""

    def __init__(self) -> None:
        self.names = public_names()
        self.examples = examples(self.names)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        for public in self.names:
            home = pkg.modules_collection[public.home]
            if public.name not in home.members:  # one of several names in one assignment
                home.set_member(public.name, griffe.Attribute(public.name))
            for door in public.doors:
                module = pkg.modules_collection[door]
                if door != public.door and public.name in (module.exports or ()):
                    module.exports = [name for name in module.exports if name != public.name]
            shown_name = pkg.modules_collection[public.path]
            if isinstance(public.definition, ast.ClassDef):
                self._hide(shown_name)
            example = self.examples.get(public.path)
            if example not in (None, public.path):
                self._link(shown_name, example)

    def _hide(self, cls: griffe.Class) -> None:
        """Leave out what a class's own docstring tells already, and what nobody calls by name."""
        for name, member in cls.members.items():
            told = member.is_attribute and not member.has_docstring
            if told or (name.startswith("__") and name not in ("__init__", "__call__")):
                member.public = False

    def _link(self, shown_name: griffe.Object | griffe.Alias, example: str) -> None:
        if example.endswith(".md"):
            title = (DOCS / example).read_text().partition("\n")[0].removeprefix("# ")
            link = f"[{title}]({os.path.relpath(example, 'reference')})"
        else:
            link = f"[`{example.removeprefix('eigenstep.')}`][{example}]"
        if shown_name.docstring:
            shown_name.docstring.value += f"\n\nExamples\n--------\nIn {link}.\n"
