"""Which columns of a table are images and which labels, by its schema and, where that says little, values."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NoReturn, Protocol

from eigenstep.images._config import ImagesConfig
from eigenstep.images.sources._kinds import HEAD, kind_by_name, kind_of

# Of a column so many values are looked at.
LOOKED_AT = 20


@dataclass(frozen=True)
class Column:
    """A column of a table, or a field of one of structs.

    Attributes
    ----------
    path : tuple[str, ...]
        Its name, after those of the structs that it is in.
    type : Any
        A pyarrow.DataType.
    described : Mapping[str, Any]
        As the Hugging Face library describes it, if it does.
    """

    path: tuple[str, ...]
    type: Any
    described: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @cached_property
    def names(self) -> list[str] | None:
        """Of its classes, by number, if they are described."""
        import pyarrow

        names = self.described.get("names") if self.described.get("_type") == "ClassLabel" else None
        if names is None and pyarrow.types.is_boolean(self.type):
            return ["False", "True"]
        return [str(name) for name in names] if names else None

    def of(self, table: Any) -> Any:
        """Its content, a pyarrow.ChunkedArray, of a table that has it."""
        import pyarrow
        from pyarrow import compute

        content = table.column(self.path[0])
        for name in self.path[1:]:
            chunks = [compute.struct_field(chunk, name) for chunk in content.chunks]
            content = pyarrow.chunked_array(chunks, type=content.type.field(name).type)
        return content


class Table(Protocol):
    """What has columns, of which some values can be looked at."""

    @property
    def schema(self) -> Any: ...

    def first(self, column: Column, count: int) -> list[Any]: ...


def columns_of(schema: Any) -> list[Column]:
    """All columns of a pyarrow.Schema, and the fields of structs that are no images."""
    described = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = (described.get("info") or {}).get("features") or {}
    return [column for part in schema for column in _within((part.name,), part.type, features.get(part.name))]


def holds_images(table: Table) -> bool:
    """Whether a table surely has images in it: not only names of files.

    Raises
    ------
    ValueError
        If its columns cannot be read.
    """
    columns = columns_of(table.schema)
    return any(map(_is_described, columns)) or any(_holds_encoded(table, column) for column in columns)


def image_column(data: str, table: Table, config: ImagesConfig) -> Column:
    """The column that `config.column` names, or the only one of images.

    Encoded images go before arrays of pixels, and these before paths of images.

    Raises
    ------
    ValueError
        If there is none, or more than one.
    """
    columns = columns_of(table.schema)
    if config.column is not None:
        for column in columns:
            if column.name == config.column and _may_be_images(column):
                return column
    by_kind = (_is_described, lambda column: _holds_encoded(table, column), _is_pixels,
               lambda column: _holds_paths(table, column))  # fmt: skip
    found = next((some for kind in by_kind if (some := list(filter(kind, columns)))), [])
    if len(found) == 1 and config.column is None:
        return found[0]
    if not found and config.column is None:
        named = [column for column in columns if is_text(column.type)]
        advice = f"; if {_names(named)} holds paths, name it with --images.column" if named else ""
        raise ValueError(f"{data} has no column of images; its columns are {_names(columns)}{advice}")
    raise ValueError(
        f"{data}: expected --images.column to name one of its image columns"
        f" ({_names(found or columns)}), got {config.column}"
    )


def label_column(
    data: str,
    schema: Any,
    config: ImagesConfig,
    is_whole: Callable[[Column], bool] = lambda _: False,
    images: Column | None = None,
) -> Column:
    """The column that `config.label` names, or the only one of classes.

    Described classes go before whole numbers and text, these before truth values, and these before floating
    point numbers that are whole.

    Parameters
    ----------
    is_whole : Callable[[Column], bool]
        Whether a column's floating point numbers are whole.
    images : Column | None
        The column of images, which may be one of text, and is none of labels.

    Raises
    ------
    ValueError
        Naming the columns that could be meant, otherwise.
    """
    columns = [column for column in columns_of(schema) if images is None or column.path != images.path]
    kinds = ("classes", "plain", "bool", "float")
    by_kind = {kind: [column for column in columns if _label_kind(column) == kind] for kind in kinds}
    for column in columns:
        if column.name == config.label and _label_kind(column):
            return column
    if config.label is None:
        by_kind["float"] = list(filter(is_whole, by_kind["float"])) if not _any(by_kind, kinds[:3]) else []
        found = next((some for some in by_kind.values() if some), [])
        if len(found) == 1:
            return found[0]
    _refuse_label(
        data, columns_of(schema), [*by_kind["classes"], *by_kind["plain"], *by_kind["bool"]], config
    )


def _refuse_label(data: str, columns: list[Column], found: list[Column], config: ImagesConfig) -> NoReturn:
    if not found:
        raise ValueError(f"{data} has no column of labels; its columns are {_names(columns)}")
    raise ValueError(
        f"{data}: expected --images.label to name one of its columns of labels ({_names(found)}),"
        f" got {config.label}"
    )


def _any(by_kind: Mapping[str, list[Column]], kinds: Sequence[str]) -> bool:
    return any(by_kind[kind] for kind in kinds)


def _within(path: tuple[str, ...], kind: Any, described: Any) -> Iterator[Column]:
    import pyarrow

    described = described if isinstance(described, dict) else {}
    column = Column(path, kind, described)
    if pyarrow.types.is_struct(kind) and not _is_described(column):
        for part in kind:
            yield from _within((*path, part.name), part.type, described.get(part.name))
    else:
        yield column


def _is_described(column: Column) -> bool:
    """Described as images, or structs as the Hugging Face library writes them, described or not."""
    import pyarrow

    if column.described.get("_type") == "Image":
        return True
    if not pyarrow.types.is_struct(column.type):
        return False
    fields = {part.name: part.type for part in column.type}
    return {"bytes", "path"} == fields.keys() and (_is_binary(fields["bytes"]) or _is_null(fields["bytes"]))


def _may_be_images(column: Column) -> bool:
    return (
        _is_described(column) or _is_pixels(column) or _is_binary(column.type) or is_text(column.type)
    )  # fmt: skip


def _holds_encoded(table: Table, column: Column) -> bool:
    if not _is_binary(column.type):
        return False
    values = [value for value in table.first(column, LOOKED_AT) if value]
    return any(kind_of("", value[:HEAD]) == "image" for value in values)


def _holds_paths(table: Table, column: Column) -> bool:
    if not is_text(column.type):
        return False
    values = [value for value in table.first(column, LOOKED_AT) if value]
    return bool(values) and all(kind_by_name(os.path.basename(value)) == "image" for value in values)


def _is_pixels(column: Column) -> bool:
    """Lists of lists of numbers, or deeper, or tensors of Arrow's."""
    import pyarrow

    kind, depth = column.type, 0
    if isinstance(kind, pyarrow.FixedShapeTensorType):
        return len(kind.shape) >= 2
    if isinstance(kind, pyarrow.BaseExtensionType):
        kind = kind.storage_type
    while is_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth >= 2 and (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind))


def _label_kind(column: Column) -> Literal["classes", "plain", "bool", "float"] | None:
    import pyarrow

    kind = column.type
    if column.described.get("_type") == "ClassLabel":
        return "classes"
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    if pyarrow.types.is_integer(kind) or is_text(kind):
        return "plain"
    if pyarrow.types.is_boolean(kind):
        return "bool"
    return "float" if pyarrow.types.is_floating(kind) else None


def is_text(kind: Any) -> bool:
    import pyarrow

    types = pyarrow.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_list(kind: Any) -> bool:
    import pyarrow

    types = pyarrow.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _is_binary(kind: Any) -> bool:
    import pyarrow

    types = pyarrow.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def _is_null(kind: Any) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_null(kind))


def _names(columns: Sequence[Column]) -> str:
    return ", ".join(column.name for column in columns)
