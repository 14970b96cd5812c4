"""What the reference shows of a name: it stands once, at its outermost door, with its example or a link."""

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
            defined = home[public.name]
            # What has none is left out, as of a class's fields, which its own docstring tells.
            defined.docstring = defined.docstring or griffe.Docstring("")
            example = self.examples.get(public.path)
            if example not in (None, public.path):
                defined.docstring.value += f"\n\nExamples\n--------\nIn {self._link(example)}.\n"

    def _link(self, example: str) -> str:
        if not example.endswith(".md"):
            return f"[`{example.removeprefix('eigenstep.')}`][{example}]"
        title = (DOCS / example).read_text().partition("\n")[0].removeprefix("# ")
        return f"[{title}]({os.path.relpath(example, 'reference')})"
