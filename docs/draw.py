"""`python docs/draw.py` draws docs/scenario-flow.svg with Graphviz. The picture records its source."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("scenario-flow.dot")
PICTURE: Final = SOURCE.with_suffix(".svg")


def digest() -> str:
    """SHA-256 of the source, in hexadecimal."""
    return hashlib.sha256(SOURCE.read_bytes()).hexdigest()


def is_current() -> bool:
    """Whether the picture was drawn from the source as it is now."""
    return f"<!-- made from {SOURCE.name}, sha256 {digest()} -->" in PICTURE.read_text(encoding="utf-8")


def main() -> None:
    """Draw the picture."""
    drawn = subprocess.run(["dot", "-Tsvg", SOURCE], check=True, capture_output=True, text=True).stdout
    comment = f"<!-- made from {SOURCE.name}, sha256 {digest()} -->\n"
    PICTURE.write_text(re.sub(r"(?=<svg )", comment, drawn, count=1), encoding="utf-8")


if __name__ == "__main__":
    main()
