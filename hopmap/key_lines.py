"""The `key: value` lines of a YAML file, each with its line number, and what is said of a file that has none."""

from pathlib import Path
from typing import Any

import yaml

from hopmap.errors import UserError, one_line

# what SafeLoader lets through where a scalar is not what it looks like: 2026-13-45, 0b_, !!bool tea
_BROKEN_SCALAR = (ValueError, AttributeError, LookupError)


def read(path: Path) -> list[tuple[str, int, Any]]:
    """(key, line from 1, value) of each entry; UserError when the file can't be read or is nothing of the kind."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give an existing file with --config") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8 text") from error
    try:
        return _entries(text, path)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise UserError(f"{path}:{line}: not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML: {one_line(error)}") from error
    except RecursionError as error:
        raise UserError(f"{path}: not YAML: nested too deeply") from error


def _entries(text: str, path: Path) -> list[tuple[str, int, Any]]:
    loader = yaml.SafeLoader(text)
    node = loader.get_single_node()
    if node is None:
        return []
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{path}: must be a list of 'key: value' lines")
    found = []
    for key_node, value_node in node.value:
        key, line = _name(key_node), key_node.start_mark.line + 1
        try:
            found.append((key, line, loader.construct_object(value_node, deep=True)))
        except _BROKEN_SCALAR as error:
            raise UserError(f"{path}:{line}: {key}: not YAML: {one_line(error)}") from error
    return found


def _name(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else "(not text)"
