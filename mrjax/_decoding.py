"""Text of files in UTF-8 whose comments may be older."""

import re

COMMENT = re.compile(rb"#[^\r\n]*")


def text_of(data: bytes) -> str:
    """The text of a file in UTF-8, with a byte-order mark or without; a comment after `#` that is none is read as Latin-1.

    **Raises:** `UnicodeDecodeError` where other bytes are no UTF-8; the lines before `start` of its `object` are as many as
    in the file.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return COMMENT.sub(_in_utf8, data).decode("utf-8-sig")


def _in_utf8(comment: re.Match[bytes]) -> bytes:
    try:
        comment.group().decode()
    except UnicodeDecodeError:
        return comment.group().decode("latin-1").encode()
    return comment.group()
