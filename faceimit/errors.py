"""The one exception for input a user can mend: commands print it as one sentence and exit with 2."""

import errno


class InputError(ValueError):
    """Bad input; the message names the offending value and the remedy in one sentence."""


def kind_of(value: object) -> str:
    """What a file holds in the place of something else, in words: ``a list``, ``names and values``, ``nothing``."""
    kinds = {dict: "names and values", list: "a list", str: "text", bool: "true or false", int: "a number"}
    return "nothing" if value is None else (kinds | {float: "a number"}).get(type(value), "something else")


def reason(error: Exception) -> str:
    """Why a file could not be read, in a line: what the system said, or what a YAML reader did and where."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is not None and problem:
        return f"line {mark.line + 1}: {problem}"
    return " ".join(str(getattr(error, "strerror", None) or error).split())


def remedy(error: OSError) -> str:
    """What to do about a file that the system cannot read or write."""
    return _REMEDIES.get(error.errno or 0, "choose another place")


def unwritable(path: object, error: OSError) -> InputError:
    """What a command says when the system does not let it write a file or folder."""
    return InputError(f"cannot write {path} ({error.strerror or error}), {remedy(error)}")


_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space or choose another place"),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "change its permissions or choose another place"),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR), "a file is where a folder must be: choose another place"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "close other programs or raise the limit (ulimit -n)"),
    errno.EISDIR: "it is a folder: give the name of a file",
    errno.ENOENT: "check the path",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EROFS: "choose another place",
    errno.EIO: "check the disk or choose another place",
}
