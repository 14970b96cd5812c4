"""Everything that is written passes through one module, so that faults can be put there and found there."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import eigenstep

SOURCE = Path(eigenstep.__file__).parent
DOOR = SOURCE / "record" / "_disk.py"
# What changes a file or a folder, by the last part of its name: of `os` or of `shutil`, of a path, and of a
# library that writes files by itself.
OF_MODULES = {
    "os": {*("open", "write", "pwrite", "replace", "rename", "truncate", "ftruncate", "remove", "unlink")}
    | {*("rmdir", "mkdir", "makedirs", "chmod", "link", "symlink")},
    "shutil": {"copy", "copy2", "copyfile", "copytree", "move", "rmtree"},
    "tempfile": {"mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryDirectory"},
}
OF_PATHS = {*("write_text", "write_bytes", "touch", "unlink", "rmdir", "rename", "symlink_to", "hardlink_to")}
OF_LIBRARIES = {*("save", "savez", "savez_compressed", "savefig", "save_file", "tofile", "write_image")}
# Where else, and why. A call on a buffer in memory writes no file.
IN_MEMORY = "into a buffer, which the door then writes"
IN_AN_ASIDE = "into a file or folder that is still aside: the door yields it and moves it into place"
ALLOWED = {
    "cli/__init__.py": ({"open"}, "of the null device, which keeps nothing"),
    "cli/_images.py": ({"save"}, IN_MEMORY),
    "comparison/_matrices.py": ({"savefig"}, IN_MEMORY),
    "encoders/_checkpoints.py": ({"save"}, "into a file that the door has opened"),
    "export/_columns.py": ({"open", "save", "savez"}, IN_AN_ASIDE),
    "export/_mode_directions.py": ({"savez"}, IN_MEMORY),
    "export/_onnx.py": ({"save"}, IN_AN_ASIDE),
    "export/_thumbnails.py": ({"save"}, IN_MEMORY),
    "export/_timm.py": ({"save_file"}, IN_AN_ASIDE),
    "integrations/transformers.py": ({"save"}, IN_MEMORY),
    "machine/_other_libraries.py": (
        {"mkdtemp"},
        "a temporary folder for matplotlib's fonts",
    ),
    "modes/_page.py": ({"save"}, IN_MEMORY),
    "modes/statistics/_jpeg.py": ({"save"}, "into a buffer, whose length is what is asked for"),
    "prediction/_folder.py": ({"savez"}, IN_MEMORY),
    "record/_bounded.py": ({"open"}, "for reading, by flags that a mode does not tell"),
    "record/_writer.py": ({"save"}, IN_MEMORY),
    "report/_sprites.py": ({"save"}, IN_MEMORY),
    "report/_spectrum_figure.py": ({"savefig"}, IN_MEMORY),
    "reproduce/_two_layer.py": ({"savez"}, IN_MEMORY),
    "reproduce/_figure_style.py": ({"savefig"}, IN_MEMORY),
    "training/_logger_kinds.py": ({"save"}, "other libraries' loggers write their own files"),
}


def writing(path: Path) -> Iterator[str]:
    """The names of calls in a file that change something on the disk."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Attribute):
            of = called.value.id if isinstance(called.value, ast.Name) else ""
            renames = called.attr == "replace" and len(node.args) == 1 and not node.keywords  # not of a text
            if (
                called.attr in OF_MODULES.get(of, OF_PATHS | OF_LIBRARIES)
                or (called.attr == "open" and _is_to_write(node, 0))
                or renames
            ):
                yield called.attr
        elif isinstance(called, ast.Name) and (
            called.id in {"save_file", "rmtree", "mkdtemp", "mkstemp"}
            or (called.id == "open" and _is_to_write(node, 1))
        ):
            yield called.id


def _is_to_write(call: ast.Call, place: int) -> bool:
    """Whether a call of `open` names a mode other than that of reading."""
    modes = [*call.args[place : place + 1], *(each.value for each in call.keywords if each.arg == "mode")]
    return any(isinstance(mode, ast.Constant) and set("wax+") & set(str(mode.value)) for mode in modes)


@pytest.mark.slow
def test_only_one_module_changes_what_is_on_the_disk():
    found = {str(path.relative_to(SOURCE)): set(writing(path)) for path in SOURCE.rglob("*.py")}
    assert found.pop(str(DOOR.relative_to(SOURCE)))
    assert {name: calls for name, calls in found.items() if calls} == {
        name: calls for name, (calls, _) in ALLOWED.items()
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("open(path, 'w')", ["open"]),
        ("open(path, mode='ab')", ["open"]),
        ("path.open('rb+')", ["open"]),
        ("path.write_text(text)", ["write_text"]),
        ("os.replace(aside, path)", ["replace"]),
        ("path.replace(target)", ["replace"]),
        ("shutil.rmtree(folder)", ["rmtree"]),
        ("np.save(path, rows)", ["save"]),
        ("open(path)", []),
        ("open(path, 'rb', buffering=0)", []),
        ("text.replace('a', 'b')", []),
        ("dataclasses.replace(config, seed=1)", []),
    ],
)
def test_such_calls_are_found(tmp_path, text, found):
    (tmp_path / "module.py").write_text(text)
    assert list(writing(tmp_path / "module.py")) == found
