"""Settings of every part: a frozen dataclass, filled from a YAML file, then the environment, then flags.

A part declares `key: type = setting(default, "what it does", ...)`; from that come the checks, the
flags, the names in the environment (HOPMAP_PART_KEY) and the tables in the documentation.
"""

import argparse
import dataclasses
import difflib
import os
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from hopmap import key_lines
from hopmap.errors import UserError, one_line

Settings = TypeVar("Settings")
_WORDS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


def setting(
    default: Any,
    about: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    env: str | None = None,
    example: str | None = None,
) -> Any:
    """A key of a settings class: its default, what it does, its bounds (`low` and `high` are allowed values)."""
    known = {"about": about, "low": low, "high": high, "choices": tuple(choices), "env": env, "example": example}
    return dataclasses.field(default=default, metadata=known)


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, as every other error here."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; '{self.prog} --help' shows what it takes")


def parser(part: str, about: str, examples: str) -> Parser:
    """A parser for `hopmap PART` with the project's habits of help."""
    return Parser(
        prog=f"hopmap {part}",
        description=about,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_flags(flags: argparse.ArgumentParser, cls: type[Any]) -> None:
    """`--config FILE` and one flag for every key of `cls`."""
    flags.add_argument("--config", metavar="FILE", help="YAML file with any of the keys below (flags win)")
    for field in dataclasses.fields(cls):
        kind = _kind(cls, field)
        name = "--" + field.name.replace("_", "-")
        about = f"{field.metadata['about']} (default: {_shown(field.default) or 'none'})".replace("%", "%%")
        if kind.type is bool:
            # what is off by default can only be switched on, so that no_auth gets no --no-no-auth
            action = argparse.BooleanOptionalAction if field.default else "store_true"
            flags.add_argument(name, dest=field.name, action=action, default=argparse.SUPPRESS, help=about)
        else:
            flags.add_argument(
                name,
                dest=field.name,
                action="append" if kind.many else "store",
                default=argparse.SUPPRESS,
                metavar=kind.type.__name__.upper() if kind.type is not str else "TEXT",
                help=about,
            )


def load(cls: type[Settings], part: str, given: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """The settings of a part; UserError names the key, where it stands and what is wrong."""
    values: dict[str, Any] = {}
    if getattr(given, "config", None):
        values |= read_file(cls, Path(given.config))
    values |= _from_environment(cls, part, environ)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type] # every settings class is a dataclass
        if hasattr(given, field.name):
            flag = "--" + field.name.replace("_", "-")
            values[field.name] = _from_text(_kind(cls, field), getattr(given, field.name), field, flag)
    return build(cls, values)


def build(cls: type[Settings], values: Mapping[str, Any]) -> Settings:
    """An instance of `cls`; what its __post_init__ refuses becomes a UserError."""
    try:
        return cls(**values)
    except ValueError as error:
        raise UserError(one_line(error)) from error


def read_file(cls: type[Any], path: Path) -> dict[str, Any]:
    """The checked keys of a YAML file."""
    values: dict[str, Any] = {}
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key, line, value in key_lines.read(path):
        where = f"{path}:{line}"
        if key not in fields:
            raise UserError(f"{where}: unknown key '{key}'{_nearest(key, {name: name for name in fields})}")
        if key in values:
            raise UserError(f"{where}: '{key}' is given twice")
        values[key] = _checked(_kind(cls, fields[key]), value, fields[key], f"{where}: {key}")
    return values


def _from_environment(cls: type[Any], part: str, environ: Mapping[str, str]) -> dict[str, Any]:
    prefix = f"HOPMAP_{part.upper()}_"
    names = {environment_name(part, field): field for field in dataclasses.fields(cls)}
    spelled = {f"{prefix}{field.name.upper()}": name for name, field in names.items()}  # as most are, some are not
    for name in environ:
        if name.startswith(prefix) and name not in names:
            raise UserError(f"environment: unknown variable '{name}'{_nearest(name, spelled)}")
    return {
        field.name: _from_text(_kind(cls, field), environ[name], field, f"environment: {name}")
        for name, field in names.items()
        if name in environ
    }


def environment_name(part: str, field: "dataclasses.Field[Any]") -> str:
    """The variable that overrides a key."""
    return field.metadata["env"] or f"HOPMAP_{part.upper()}_{field.name.upper()}"


class _Kind(typing.NamedTuple):
    type: type[Any]
    many: bool
    nullable: bool


def _kind(cls: type[Any], field: "dataclasses.Field[Any]") -> _Kind:
    annotation = typing.get_type_hints(cls)[field.name]
    if typing.get_origin(annotation) is tuple:
        return _Kind(typing.get_args(annotation)[0], many=True, nullable=False)
    if isinstance(annotation, types.UnionType):
        (inner,) = (one for one in typing.get_args(annotation) if one is not type(None))
        return _Kind(inner, many=False, nullable=True)
    return _Kind(annotation, many=False, nullable=False)


def _from_text(kind: _Kind, value: Any, field: "dataclasses.Field[Any]", where: str) -> Any:
    if not kind.many:
        empty = _may_be_empty(kind, field) and value in _NOTHING
        return _checked(kind, None if empty else _plain(kind, value, where), field, where)
    items = [item.strip() for item in (value.split(",") if isinstance(value, str) else value)]
    empty = len(items) == 1 and items[0] in _NOTHING
    return _checked(kind, None if empty else [_plain(kind, item, where) for item in items], field, where)


def _plain(kind: _Kind, text: Any, where: str) -> Any:
    if isinstance(text, bool) or kind.type is str:
        return text
    if kind.type is bool:
        if text.lower() not in _WORDS:
            raise UserError(f"{where} must be true or false, not {text[:40]!r}")
        return _WORDS[text.lower()]
    try:
        return kind.type(text)
    except ValueError:
        raise UserError(f"{where} must be a {_NAMES[kind.type]}, not {text[:40]!r}") from None


_NAMES: dict[type[Any], str] = {int: "whole number", float: "number", bool: "true or false", str: "text"}


def _checked(kind: _Kind, value: Any, field: "dataclasses.Field[Any]", where: str) -> Any:
    empty = _may_be_empty(kind, field) and (value is None or value in _NOTHING)
    if kind.many:
        items = [] if empty else value if isinstance(value, list) else [value]
        return tuple(_one(kind, item, field, where) for item in items)
    if empty:
        return None if kind.nullable else ""
    return _one(kind, value, field, where)


_NOTHING = ("none", "")


def _may_be_empty(kind: _Kind, field: "dataclasses.Field[Any]") -> bool:
    return kind.many or kind.nullable or field.default == ""


def _one(kind: _Kind, value: Any, field: "dataclasses.Field[Any]", where: str) -> Any:
    if kind.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind.type) or (kind.type is int and isinstance(value, bool)):
        raise UserError(f"{where} must be {_article(_NAMES[kind.type])}, not {str(value)[:40]!r}")
    if value == "":
        raise UserError(f"{where} must not be empty")
    low, high, choices = field.metadata["low"], field.metadata["high"], field.metadata["choices"]
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        bounds = f"at least {low:.16g}" if high is None else f"from {low:.16g} to {high:.16g}"
        raise UserError(f"{where} must be {bounds}, not {value}")
    if choices and value not in choices:
        raise UserError(f"{where} must be one of {', '.join(choices)}, not {value!r}")
    return value


def _article(name: str) -> str:
    return name if name.startswith(("t",)) else f"a {name}"


def _nearest(key: str, known: Mapping[str, str]) -> str:
    """What it may have been meant to be: of those that are known by their spelling, the nearest."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f": did you mean '{known[near[0]]}'?" if near else f": known are {', '.join(known.values())}"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def table(cls: type[Any], part: str) -> str:
    """The Markdown table of a part's keys, for the documentation."""
    rows = ["| key | default | environment | what it does |", "|---|---|---|---|"]
    for field in dataclasses.fields(cls):
        default = _shown(field.default)
        shown = f"`{default}`" if default else "none"
        rows.append(f"| `{field.name}` | {shown} | `{environment_name(part, field)}` | {field.metadata['about']} |")
    return "\n".join(rows) + "\n"


def environment() -> Mapping[str, str]:
    """The environment of this process."""
    return os.environ
