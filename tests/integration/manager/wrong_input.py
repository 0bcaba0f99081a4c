"""The table of wrong input: every form of the manager with right fields, and what is wrong in the place of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

HTML = '"><img src=x onerror=alert(1)>'
WRONG: dict[str, str | bytes | None] = {
    "missing": None,
    "empty": "",
    "blank": " \t ",
    "long": "x" * 2_000,
    "too long": "x" * 2_049,
    "nan": "nan",
    "infinity": "-Infinity",
    "huge number": "1e999",
    "negative": "-1",
    "hexadecimal": "0x10",
    "digits of elsewhere": "\u0663\u0664",
    "nul": "a\x00b",
    "control": "\x07\x1b[2J",
    "line ends": "a\r\nSet-Cookie: x=1\r\n\r\nsec v=1 ip=203.0.113.66 ev=login_ok",
    "line separator": "a\u2028b\u0085c",
    "right to left": "a\u202eb",
    "lone surrogate": b"%ed%a0%80",
    "no utf-8": b"%ff%fe",
    "html": HTML,
    "template": "{{visitor}} %(x)s ${x} % end",
    "sql": "'; DROP TABLE keys; --",
    "traversal": "../../../../etc/passwd",
    "coded traversal": "..%2f..%2f\x00",
    "json": '{"$ne": null}',
    "list": "[" * 500,
    "formula": "=1+1|cmd",
}
NONE = frozenset({"missing", "empty", "blank"})  # as good as nothing, where nothing may be said
NAME = frozenset({"nan", "huge number", "hexadecimal"})  # fine as the name or id of something
ANY = frozenset(WRONG) - {"too long", "lone surrogate", "no utf-8"}  # where no word is wrong, or it is not looked at
_FREE = NONE | {
    "nan", "infinity", "huge number", "negative", "hexadecimal", "digits of elsewhere", "html", "template", "sql",
    "traversal", "json", "formula",
}  # fmt: skip


@dataclass(frozen=True)
class Form:
    """Right fields; which wrong values a field takes knowingly; who sends it: admin, fresh (who must not be too late),
    stranger; and what must have been looked at before."""

    fields: Mapping[str, str] = field(default_factory=dict)
    takes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    who: str = "admin"
    before: str = ""
    statuses: frozenset[int] = frozenset({400, 404, 409})


PASSWORD = "several words of nothing"
NODE = {"node": "NODE"}
_RATES = ("packets_per_second", "per_prefix_per_second", "per_router_per_second")
_LINES = {"long", "list", "line separator", "right to left", "line ends"}
FORMS: dict[str, Form] = {
    "/login": Form({"name": "alice", "password": PASSWORD, "code": "CODE", "next": "/fleet"}, who="stranger",
                   takes={"next": ANY},
                   statuses=frozenset({400, 403})),
    "/logout": Form(who="fresh"),
    "/confirm": Form({"password": PASSWORD, "code": "CODE", "next": "/users"}, who="fresh",
                     takes={"next": ANY},
                     statuses=frozenset({400, 403})),
    "/set-up": Form({"token": "LINK", "name": "carol", "password": PASSWORD, "again": PASSWORD}, who="stranger",
                    statuses=frozenset({400, 403})),
    "/set-up/code": Form({"token": "LINK", "code": "123456"}, who="stranger", statuses=frozenset({400, 403, 409})),
    "/account/sessions": Form({"session": "x" * 64}),
    "/account/password": Form({"password": PASSWORD + " more", "again": PASSWORD + " more"}),
    "/account/authenticator": Form({"code": "000000"}, before="/account/authenticator"),
    "/account/recovery": Form(),
    "/users/link": Form({"name": "dave", "role": "viewer"}, takes={"name": frozenset({"nan"})}),
    "/users/role": Form({"name": "bob", "role": "operator"}),
    "/users/disable": Form({"name": "bob"}),
    "/users/enable": Form({"name": "bob"}),
    "/users/remove": Form({"name": "bob"}),
    "/users/withdraw": Form({"name": "erin"}, takes={"name": ANY}),
    "/fleet/register": Form({"url": "https://pi.example.org", "token": "0123456789abcdef"},
                            takes={"token": frozenset({"missing", "empty"})}),
    "/fleet/stop": Form(),
    "/fleet/go": Form(),
    "/fleet/rates": Form(dict.fromkeys(_RATES, "5"), takes=dict.fromkeys(_RATES, NONE)),
    "/fleet/do/change": Form({**NODE, "name": "pi-2", "tags": "home", "notes": "in the attic",
                              "token": "0123456789abcdef"},
                             takes={"name": NAME | {"missing"}, "tags": NAME | NONE | {"line separator"},
                                    "notes": _FREE | _LINES,
                                    "token": frozenset({"missing", "empty", "traversal"})}),
    "/fleet/do/pause": Form(NODE),
    "/fleet/do/resume": Form(NODE),
    "/fleet/do/watch": Form(NODE),
    "/fleet/do/unwatch": Form(NODE),
    "/fleet/do/ask": Form(NODE),
    "/fleet/do/remove": Form(NODE),
    "/fleet/do/permission": Form({**NODE, "permitted": "yes"}, takes={"permitted": frozenset({"missing", "empty"})}),
    "/versions/want": Form({"version": "0.2.0", "sha256": "ab" * 32}, takes={"version": NONE | NAME}),
    "/opt-outs/add": Form({"prefix": "62.1.2.3", "reason": "asked by mail"},
                          takes={"reason": _FREE | {"line ends", "line separator"}}),
    "/opt-outs/withdraw": Form({"prefix": "62.7.0.0/24"}),
    "/keys/make": Form({"node": "pi-1", "days": "30", "targets": "1"},
                       takes={"node": NAME, "days": NONE, "targets": ANY - {"missing", "empty"}}),
    "/keys/rotate": Form({"node": "kept", "overlap_days": "1"}, takes={"node": NAME, "overlap_days": NONE}),
    "/keys/end": Form({"node": "kept", "id": "12345678"}, takes={"node": NAME, "id": NAME}),
    "/keys/token": Form({"node": "pi-1", "hours": "1"}, takes={"node": NAME | NONE, "hours": NONE}),
    "/keys/end-token": Form({"id": "12345678"}, takes={"id": NAME}),
    "/name/resume": Form(),
    "/opt-out": Form({"address": "62.1.2.3"}, who="stranger"),
    "/opt-out/check": Form({"for": "62.1.2.3", "token": "0" * 40}, who="stranger"),
    "/opt-out/receipt": Form({"receipt": "hopmap-receipt:"}, who="stranger"),
}  # fmt: skip

# what is asked for with GET: the names of what stands in the query, and parts of the path in brackets
QUERIES: dict[str, tuple[str, ...]] = {
    "/login": ("next",),
    "/confirm": ("next",),
    "/in": ("token",),
    "/set-up": ("token",),
    "/fleet": ("q", "state", "type", "page"),
    "/fleet/node/<node_id:path>": (),
    "/static/<digest>/<name>": (),
    "/keys": ("node",),
    "/opt-outs": ("find",),
    "/opt-out": ("address",),
    "/opt-out/request": ("for", "token"),
    "/why": ("address",),
    **dict.fromkeys(
        (
            "/", "/about", "/account", "/account/authenticator", "/alarms", "/audit", "/users", "/versions", "/name",
            "/api/v1/overview", "/api/v1/fleet", "/prometheus/targets", "/.well-known/probing.txt", "/health", "/ready",
            "/metrics", "/service-info",
        ),
        ("x",),
    ),
}  # fmt: skip

BODIES: dict[str, tuple[bytes, dict[str, str], int]] = {
    "json": (b"{}", {"content_type": "application/json"}, 415),
    "no type": (b"name=x", {"content_type": ""}, 415),
    "text": (b"name=x", {"content_type": "text/plain"}, 415),
    "multipart": (b"--x\r\n", {"content_type": "multipart/form-data; boundary=x"}, 415),
    "too long": (b"name=" + b"a" * 20_000, {}, 413),
    "a long field": (b"name=" + b"a" * 5_000, {}, 400),
    "many fields": (b"&".join(b"f%d=1" % n for n in range(50)), {}, 400),
    "twice": (b"name=a&name=b", {}, 400),
    "not utf-8": (b"name=%ff%fe", {}, 400),
    "raw bytes": (b"name=\xff", {}, 400),
    "surrogate": (b"name=%ed%a0%80", {}, 400),
    "gzip that is none": (b"name=a", {"content_encoding": "gzip"}, 400),
    "unknown encoding": (b"name=a", {"content_encoding": "br"}, 415),
    "foreign page": (b"", {"origin": "https://evil.example"}, 403),
    "no page": (b"", {"origin": "null"}, 403),
    "other port": (b"", {"origin": "http://localhost:8081"}, 403),
    "no origin": (b"", {"origin": ""}, 403),
    "another site": (b"", {"origin": "", "sec_fetch_site": "cross-site"}, 403),
    "a sister site": (b"", {"origin": "", "sec_fetch_site": "same-site"}, 403),
}
