"""Text of corpora, decoded whole or not at all."""

from collections.abc import Sequence
from pathlib import Path


def read_text(path: str | Path, encodings: Sequence[str] = ("utf-8-sig", "cp1252")) -> str:
    """Read a text file in the first of some encodings that all of its bytes belong to.

    Args:
        path: The file.
        encodings: One or more encodings; default UTF-8, with or without a byte order mark, and the cp1252 that
            spreadsheets on Windows save.

    Returns:
        Its text, line ends as they are.

    Raises:
        ValueError: If it is in none of them, with the first byte that has no meaning in the last.
    """
    content = Path(path).read_bytes()
    bad = 0
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError as error:
            bad = error.start
    line = content.count(b"\n", 0, bad) + 1
    expected = " or ".join(encoding.removesuffix("-sig").upper() for encoding in encodings)
    raise ValueError(
        f"{path}, line {line}: expected text in {expected}, got byte {content[bad]:#04x}; save it as UTF-8"
    )
