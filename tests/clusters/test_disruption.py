"""Kinds of disruption, and their names on the command line."""

from __future__ import annotations

import pytest

from clusters.disruption import ALL, Disruption, disruptions
from clusters.errors import RefusalError


def test_each_kind_can_be_named() -> None:
    """All kinds that disturb somebody can be permitted, one by one or together."""
    assert disruptions(",".join(kind.option for kind in ALL)) == ALL
    assert disruptions(" fluid-components, node") == {Disruption.FLUID_COMPONENTS, Disruption.NODE}
    assert disruptions("") == frozenset()


@pytest.mark.parametrize("text", ["everything", "nothing", "node labels"])
def test_another_word_is_refused(text: str) -> None:
    """The refusal lists the kinds."""
    with pytest.raises(RefusalError, match=f"{text}: not a kind") as caught:
        disruptions(text)
    assert "node-labels" in caught.value.advice
