"""Trees of names and values in YAML or JSON, bounded: a few bytes of either can stand for more than fits."""

import json
from collections.abc import Iterator
from typing import Any

# A tree is as large as it would be written out, aliases and all.
MOST_NODES, MOST_LEVELS = 1_000_000, 32
# Larger whole numbers than that are no double, and not written in decimal digits in any time.
MOST_BITS = 1024
# YAML takes a second for each megabyte.
MOST_YAML_CHARACTERS = 2**18


def parse_json(text: str | bytes) -> Any:
    """What a JSON text says. Raises ValueError, in one line, also if it exceeds the bounds."""
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    _check_values(value)
    return value


def parse_yaml(text: str) -> Any:
    """What a YAML text says. Raises ValueError, in one line, also if it exceeds the bounds."""
    import yaml  # not needed by those who only watch or predict

    if len(text) > MOST_YAML_CHARACTERS:
        raise ValueError(f"it has {len(text):,} characters; expected at most {MOST_YAML_CHARACTERS:,}")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_events(yaml.parse(text, loader))
        value = yaml.load(text, loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    _check_values(value)
    return value


def _check_events(events: Iterator[Any]) -> None:
    """See that a YAML tree, written out, is within the bounds, before any of it is made."""
    import yaml

    sizes: dict[str | None, int] = {}
    open_nodes: list[tuple[str | None, int]] = []  # an anchor, and the count before its node
    count = 0
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = count - before
            continue
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes and any(anchor == event.anchor for anchor, _ in open_nodes):
                raise ValueError("it contains itself")
            count += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, count))
            count += 1
        else:
            count += 1
        if count > MOST_NODES:
            raise ValueError(f"written out it has more than {MOST_NODES:,} values")
        if len(open_nodes) > MOST_LEVELS:
            raise ValueError(f"it is nested more than {MOST_LEVELS} levels deep")


def _check_values(value: Any) -> None:
    waiting, level, count = [value], 0, 0
    while waiting:
        level += 1
        if level > MOST_LEVELS + 1:
            raise ValueError(f"it is nested more than {MOST_LEVELS} levels deep")
        below: list[Any] = []
        for each in waiting:
            if isinstance(each, dict):
                below += each.values()
            elif isinstance(each, list):
                below += each
            elif isinstance(each, int) and each.bit_length() > MOST_BITS:
                raise ValueError(f"it has a whole number of {each.bit_length():,} bits")
        count += len(below)
        if count > MOST_NODES:
            raise ValueError(f"it has more than {MOST_NODES:,} values")
        waiting = below
