"""Numbers in the sentences of the commands."""


def plural(count: int, word: str) -> str:
    """``1 clip``, ``1,200 clips``, ``2 files or rows``."""
    words = word.replace("file or row", "files or row") + "s"
    return f"{count:,} {word if count == 1 else words}"
