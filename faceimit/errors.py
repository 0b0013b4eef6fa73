"""The one exception for input a user can mend: commands print it as one sentence and exit with 2."""


class InputError(ValueError):
    """Bad input; the message names the offending value and the remedy in one sentence."""
