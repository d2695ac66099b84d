"""From bytes to text: a stack file is UTF-8 and nothing else."""

from herocloud.stack import reading, sources


def decode(content: bytes) -> str:
    """Return the text of a file; raises `reading.Unreadable` when it is too long, empty or not UTF-8."""
    if len(content) > sources.MAX_BYTES:
        raise reading.Unreadable("yaml-limit", "The file is larger than 16 MiB.", None, None, "split the stack into several files")
    for signature, encoding in ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"), (b"\xef\xbb\xbf", "UTF-8")):
        if content.startswith(signature):
            detail = f"The file begins with a byte order mark of {encoding}."
            raise reading.Unreadable("yaml-encoding", detail, reading.START, None, "save it as UTF-8 without a byte order mark")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        line = before.count("\n")
        mark = reading.Mark(line, len(before) - before.rfind("\n") - 1)
        detail = f"The byte 0x{content[error.start]:02X} is not UTF-8."
        raise reading.Unreadable("yaml-encoding", detail, mark, None, "save the file as UTF-8") from None
    if not text.strip():
        raise reading.Unreadable("yaml-empty", "The file holds nothing.", reading.START, None, "write a first one with `herocloud init`")
    return text
