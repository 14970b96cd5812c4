"""Public names and where each is shown by an example, read from the sources without importing them.

The reference says of each name where its example is; `python docs/public_names.py` counts those without.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from doctest import DocTestParser
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PAGES = [path for path in sorted(ROOT.glob("docs/**/*.md")) if path.parent.name != "reference"]
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class PublicName:
    """A name in the `__all__` of at least one package, and the door at which its page shows it."""

    name: str
    home: str  # the module that defines it
    definition: ast.stmt | None
    doors: tuple[str, ...]

    @cached_property
    def door(self) -> str:
        """The outermost package that exports it, of its own room where that has it."""
        own = [door for door in self.doors if door.split(".")[1] == self.home.split(".")[1]]
        return min(own or self.doors, key=lambda door: (door.count("."), door))

    @property
    def path(self) -> str:
        return f"{self.door}.{self.name}"

    @property
    def is_exception(self) -> bool:
        bases = self.definition.bases if isinstance(self.definition, ast.ClassDef) else []
        return any(re.search(r"(Error|Exception|Stopped)$", ast.unparse(base)) for base in bases)

    @cached_property
    def docstrings(self) -> str:
        """Its docstring and its methods'."""
        if not isinstance(self.definition, Definition):
            return ""
        methods = self.definition.body if isinstance(self.definition, ast.ClassDef) else []
        return "\n".join(
            ast.get_docstring(node) or ""
            for node in [self.definition, *methods]
            if isinstance(node, Definition)
        )

    @cached_property
    def uses(self) -> set[str]:
        """The names that its example takes from Eigenstep."""
        return _used("".join(each.source for each in DocTestParser().get_examples(self.docstrings)))

    @cached_property
    def gives(self) -> set[str]:
        """The classes that it or its methods return, those of its fields, and its bases."""
        if not isinstance(self.definition, Definition):
            return set()
        nodes = list(ast.walk(self.definition))
        told = [node.returns for node in nodes if isinstance(node, ast.FunctionDef) and node.returns]
        if isinstance(self.definition, ast.ClassDef):
            told += [node.annotation for node in self.definition.body if isinstance(node, ast.AnnAssign)]
            told += self.definition.bases
        return set(re.findall(r"\w+", " ".join(ast.unparse(each) for each in told)))


def public_names() -> list[PublicName]:
    """All names that packages export, once each, by their path."""
    doors: dict[tuple[str, str], list[str]] = {}
    for path in sorted(SOURCE.rglob("__init__.py")):
        package = _module(path)
        if "." not in package:
            continue  # the package's own names are those of its rooms
        for name in _exported(_tree(path)):
            doors.setdefault((_home(package, name), name), []).append(package)
    return sorted(
        (
            PublicName(name, home, _definition(home, name), tuple(packages))
            for (home, name), packages in doors.items()
        ),
        key=lambda public: public.path,
    )


def without_example(names: list[PublicName]) -> list[str]:
    """The functions and classes that no example shows; exceptions need none, as "Raises" names them."""
    shown = examples(names)
    return [
        public.path
        for public in names
        if isinstance(public.definition, Definition) and not public.is_exception and public.path not in shown
    ]


def examples(names: list[PublicName]) -> dict[str, str]:
    """Where the example of each function and class stands, by its path; those without one are left out.

    It is its own docstring, else a page whose Python names it, else that of a name whose example uses it or
    that is made of it: a function that returns it, a class that has it as a field or derives from it.
    """
    pages = {
        str(path.relative_to(ROOT / "docs")): _used(
            "".join(re.findall(r"```python\n(.*?)```", path.read_text(), re.S))
        )
        for path in PAGES
    }
    pages["examples.md"] = set().union(*(_used(path.read_text()) for path in ROOT.glob("examples/*.py")))
    found: dict[str, str] = {}
    callables = [public for public in names if isinstance(public.definition, Definition)]
    for public in callables:
        if ">>>" in public.docstrings:
            found[public.path] = public.path
        else:
            page = next((page for page, used in pages.items() if public.name in used), None)
            if page:
                found[public.path] = page
    before = -1
    while before != len(found):
        before = len(found)
        shown = [public for public in callables if public.path in found]
        for public in callables:
            if public.path not in found:
                given = [other for other in shown if public.name in other.gives | other.uses]
                if given:
                    found[public.path] = found[given[0].path]
    return found


def _used(code: str) -> set[str]:
    """The names that a piece of Python imports from Eigenstep or takes from a module or object."""
    nodes = list(ast.walk(ast.parse(code)))
    imported = {
        each.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("eigenstep")
        for each in node.names
    }
    return imported | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def _module(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _file(module: str) -> Path:
    path = SOURCE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _exported(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            yield from (leaf.value for leaf in ast.walk(node.value) if isinstance(leaf, ast.Constant))


def _home(module: str, name: str) -> str:
    """The module that defines what `module` exports as `name`."""
    for node in _tree(_file(module)).body:
        if isinstance(node, ast.ImportFrom) and name in {each.asname or each.name for each in node.names}:
            return _home(node.module, name)
    return module


def _definition(module: str, name: str) -> ast.stmt | None:
    for node in _tree(_file(module)).body:
        if isinstance(node, Definition) and node.name == name:
            return node
    return None


if __name__ == "__main__":
    names = public_names()
    missing = without_example(names)
    print(*missing, sep="\n")
    print(f"{len(names)} public names, {len(missing)} functions and classes without an example")
