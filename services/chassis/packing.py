"""Answers to agents, gzipped where they like it: on a metered line a list of targets costs a fifth.

Only for calls of agents: they carry a token and no cookie, so that what an answer's length tells is nobody's secret.
"""

import gzip
import re

import bottle

LEAST = 400  # bytes; below, gzip's own header eats what it saves
_LEVEL = 6
_REFUSED = re.compile(r";\s*q=0(\.0*)?\s*$")  # RFC 9110 12.4.2


def packed(response: bottle.HTTPResponse, accepted: str) -> bottle.HTTPResponse:
    """The response, its body gzipped when `accepted` (the request's Accept-Encoding) has gzip and it is worth it."""
    codings = {part.partition(";")[0].strip().lower() for part in accepted.split(",") if not _REFUSED.search(part)}
    whole = isinstance(response.body, bytes) and len(response.body) >= LEAST
    if not whole or "gzip" not in codings or response.get_header("Content-Encoding"):
        return response
    response.body = gzip.compress(response.body, _LEVEL, mtime=0)
    response.set_header("Content-Encoding", "gzip")
    response.add_header("Vary", "Accept-Encoding")
    return response
