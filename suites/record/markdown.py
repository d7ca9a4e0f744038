"""Text in Markdown (GitHub's flavour)."""

from __future__ import annotations

from typing import Final

_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "\\`", "*": "\\*"})


def escape(text: str) -> str:
    """Plain text as Markdown on one line."""
    return " ".join(text.translate(_ESCAPES).split())


def table_row(*cells: str) -> str:
    """A row of a table; the cells are Markdown, except that pipes need no escape."""
    return f"| {' | '.join(cell.replace('|', '&#124;').replace(chr(10), ' ') for cell in cells)} |"
