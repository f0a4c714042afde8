"""Text in UTF-8 or cp1252, and no guess beyond them."""

import codecs

import pytest

from graphml.data.conversation.text_file import read_text

TEXT = "it\u2019s naïve\r\n"


@pytest.mark.parametrize("content", [TEXT.encode(), codecs.BOM_UTF8 + TEXT.encode(), b"it\x92s na\xefve\r\n"])
def test_both_encodings_give_the_same_text(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    assert read_text(tmp_path / "a.csv") == TEXT


def test_bytes_of_neither_are_named(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"one\ntwo \x81\n")
    with pytest.raises(ValueError, match=r"a\.csv, line 2: expected text in UTF-8 or CP1252, got byte 0x81; save it"):
        read_text(tmp_path / "a.csv")
