"""The name that a user probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

#: Ratio of difflib.SequenceMatcher from which two names are taken for the same name, misspelt.
SIMILARITY: Final = 0.75


def nearest(name: str, names: Iterable[str]) -> str:
    """The most similar name, or an empty text if none is similar enough.

    Equivalent to difflib.get_close_matches, but the costly comparison is done only for names that
    can still win: a cluster may have hundreds that are similar to each other.
    """
    matcher = difflib.SequenceMatcher(b=name)
    candidates: list[tuple[float, str]] = []
    for other in names:
        matcher.set_seq1(other)
        if matcher.real_quick_ratio() >= SIMILARITY and (at_most := matcher.quick_ratio()) >= SIMILARITY:
            candidates.append((at_most, other))
    found, best = "", SIMILARITY
    for at_most, other in sorted(candidates, reverse=True):
        if at_most < best:
            break
        matcher.set_seq1(other)
        ratio = matcher.ratio()
        if ratio > best or (not found and ratio == best):
            found, best = other, ratio
    return found
