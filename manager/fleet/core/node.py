"""A node of the fleet: what is kept of it, and what people may write about it."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

KINDS = ("agent", "input", "output", "atlas", "manager")
MOST_TAGS, LONGEST_NOTES, LONGEST_TOKEN = 10, 2000, 256
_TAG = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOKEN = re.compile(r"[!-~]{16,256}")


class Unfit(ValueError):
    """Something that somebody typed can't be kept; the text says what and why, `field` where it stands in the form."""

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True, slots=True)
class Node:
    """Where it is (no URL: it reports by itself, with a `key` of the gateway), what it said it is, what people noted.

    `watched` is False while its answers are not asked for; `fixed` for one of the manager's own configuration.
    `permitted` is yes or no, as somebody said of the provider of its line, and `permitted_by` who and when.
    """

    id: str
    url: str
    kind: str
    instance: str
    name: str
    notes: str = ""
    tags: tuple[str, ...] = ()
    watched: bool = True
    added: str = ""
    fixed: bool = False
    permitted: str = ""
    permitted_by: str = ""
    key: str = ""

    @property
    def paused_as(self) -> str:
        """What control pauses it by: the name of its key, which outlasts its instances, or else the instance."""
        return self.key or self.instance or self.name


def encode(node: Node) -> bytes:
    """The record of a node."""
    return json.dumps(asdict(node)).encode()


def decode(record: bytes) -> Node:
    """The node of a record that `encode` made, perhaps of a later build, whose further fields are passed over."""
    known = Node.__dataclass_fields__
    body: dict[str, Any] = {name: value for name, value in json.loads(record).items() if name in known}
    return Node(**body | {"tags": tuple(body["tags"])})


def read_name(text: str) -> str:
    """A node's name; Unfit for others. For an agent it is what control pauses it by."""
    if not _NAME.fullmatch(text.strip()):
        raise Unfit("A name has 1 to 64 letters, digits, dots, dashes or underscores, a letter or digit first.", "name")
    return text.strip()


def read_tags(text: str) -> tuple[str, ...]:
    """Tags, with commas or spaces between."""
    found = tuple(dict.fromkeys(text.replace(",", " ").split()))
    wrong = next((one for one in found if not _TAG.fullmatch(one)), None)
    if wrong is not None:
        raise Unfit("A tag has at most 32 lower-case letters, digits, dashes or underscores.", "tags")
    if len(found) > MOST_TAGS:
        raise Unfit(f"A node has at most {MOST_TAGS} tags.", "tags")
    return found


def read_notes(text: str) -> str:
    """Free text, its line ends made one kind."""
    found = text.replace("\r\n", "\n").strip()
    if len(found) > LONGEST_NOTES or any(one < " " and one not in "\n\t" for one in found):
        raise Unfit(f"Notes have at most {LONGEST_NOTES} characters, and no control characters.", "notes")
    return found


def read_token(text: str) -> str:
    """A service's token, or empty for none."""
    if text and not _TOKEN.fullmatch(text):
        raise Unfit(f"A token has 16 to {LONGEST_TOKEN} printable characters without spaces.", "token")
    return text


def read_permitted(text: str) -> str:
    """Whether the provider of a line permits probing: yes, no, or empty for not asked yet."""
    if text not in {"", "yes", "no"}:
        raise Unfit("Say yes, no, or that nobody asked yet.", "permitted")
    return text


def read_kind(kind: str) -> str:
    """A kind of service that this manager knows."""
    if kind not in KINDS:
        raise Unfit(f"It says that it is of a kind that is not known here: {', '.join(KINDS)} are.")
    return kind
