"""What keeps a design from being feasible: values as JSON has them, words for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Reason = dict[str, Any]
"""kind: `network`, `resources`, `memory` or `energy` with `what` it said; `part` with resource, needed, limit and of."""


def refused(kind: str, what: str) -> Reason:
    """A model or the compiler refuses the design."""
    return {"kind": kind, "what": what}


def short(resource: str, needed: int, limit: int, of: int) -> Reason:
    """The part has too little of a resource: `limit` of its `of` may be taken."""
    return {"kind": "part", "resource": resource, "needed": needed, "limit": limit, "of": of}


def rendered(reason: Mapping[str, Any]) -> str:
    """A line for people."""
    if reason["kind"] != "part":
        return f"{reason['kind']}: {reason['what']}"
    share = f" of {reason['of']:,}" if reason["limit"] < reason["of"] else ""
    return (
        f"part: {reason['needed']:,} {reason['resource']}, {reason['limit']:,}{share} may be taken"
    )


def counted(results: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """First reason of each design that has one, by kind and resource, most frequent first."""
    firsts = [each["reasons"][0] for each in results if each["reasons"]]
    found = Counter(f"{each['kind']} {each.get('resource', '')}".rstrip() for each in firsts)
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))
