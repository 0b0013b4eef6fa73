"""The one exception for input a user can mend: commands print it as one sentence and exit with 2."""


class InputError(ValueError):
    """Bad input; the message names the offending value and the remedy in one sentence."""


def kind_of(value: object) -> str:
    """What a file holds in the place of something else, in words: ``a list``, ``names and values``, ``nothing``."""
    kinds = {dict: "names and values", list: "a list", str: "text", bool: "true or false", int: "a number"}
    return "nothing" if value is None else (kinds | {float: "a number"}).get(type(value), "something else")
