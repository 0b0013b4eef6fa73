"""Control values as laboratories write them, checked against the one table of controls.

Names are accepted in any spelling that has the same letters and digits: ``Jaw Yaw``, ``jaw_yaw``, ``JawYaw``.
"""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from faceimit.errors import InputError
from faceimit.face.controls import CONTROLS, HIGH, INDEX, LOW, NAMES, SPAN

OnError = Literal["refuse", "drop"]
# A value this far out of its range, in shares of it, is taken for one that was rounded or kept in half precision.
ROUNDING = 1e-3


def plain(name: str) -> str:
    """Letters and digits of a name in lower case."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


_BY_PLAIN: dict[str, int] = {plain(name): INDEX[name] for name in NAMES}


def index_of(name: str) -> int | None:
    """Place of a control in the table, however it is spelt; None if there is none of that name."""
    return _BY_PLAIN.get(plain(name))


def nearest(name: str) -> str | None:
    """The control whose name is most like a misspelt one."""
    near = difflib.get_close_matches(plain(name), _BY_PLAIN, n=1, cutoff=0.75)
    return NAMES[_BY_PLAIN[near[0]]] if near else None


def indices(names: Iterable[str]) -> list[int]:
    """Places in the table of 30 names in any order.

    Raises:
        InputError: an unknown name (and the one that may be meant), one that is missing or there twice.
    """
    names = list(names)
    found = [index_of(str(name)) for name in names]
    unknown = [str(name) for name, index in zip(names, found, strict=True) if index is None]
    if unknown:
        meant = nearest(unknown[0])
        hint = f"did you mean {meant}?" if meant else "see faceimit.face.controls"
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise InputError(f"there is no control '{unknown[0]}'{more} ({hint})")
    places = [index for index in found if index is not None]
    twice = [NAMES[index] for index in sorted(set(places)) if places.count(index) > 1]
    if twice:
        raise InputError(f"{twice[0]} is given twice, name each control once")
    missing = [name for name in NAMES if INDEX[name] not in places]
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise InputError(f"expected {len(NAMES)} controls but got {len(names)}: {shown} missing")
    return places


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used.

    Attributes:
        row: its number, from 0.
        what: the picture's name.
        reason: in words.
    """

    row: int
    what: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.row} ({self.what}): {self.reason}"


class Reader:
    """Reads the values of one row after the other, of any of the shapes of :func:`read`.

    Args:
        names: of the values of rows that are lists, in their order; ``["table"]``: the order of the table.
    """

    def __init__(self, names: Sequence[str] | None = None) -> None:
        self._order = None if names is None else list(range(len(NAMES))) if list(names) == ["table"] else indices(names)
        self._known: dict[tuple[str, ...], list[int]] = {}

    def read(self, values: Any) -> np.ndarray:
        """(30,) float64 in table order from a mapping, a JSON text of one, or a list; NaN where a value is missing.

        Raises:
            InputError: an unknown or missing name, another number of values, a value that is no number.
        """
        if isinstance(values, str | bytes):
            values = _from_json(values)
        if isinstance(values, Mapping):
            names = tuple(values)
            if names not in self._known:
                self._known[names] = indices(names)
            return _placed(list(values.values()), self._known[names])
        if not isinstance(values, Sequence | np.ndarray):
            raise InputError(f"expected {len(NAMES)} named values but got {_short(values)}")
        if self._order is None:
            raise InputError(
                "the values are a list without names, give them: names=[...], or names=[table] if they are in the "
                "order of faceimit.face.controls"
            )
        if len(values) != len(NAMES):
            raise InputError(f"expected {len(NAMES)} controls but got {len(values)}")
        return _placed(list(values), self._order)


def _from_json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"expected named values as JSON but got {_short(text)}") from error


def _placed(values: Sequence[Any], places: Sequence[int]) -> np.ndarray:
    result = np.full(len(NAMES), np.nan)
    for value, place in zip(values, places, strict=True):
        try:
            result[place] = np.nan if value is None or value == "" else float(value)
        except (TypeError, ValueError) as error:
            raise InputError(f"{NAMES[place]} is {_short(value)}, which is no number") from error
    return result


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 40 else text[:37] + "..."


def fault(values: np.ndarray) -> str | None:
    """What is wrong with (30,) values in table order: the first that is no number or out of its range, or None."""
    wrong = ~((values >= LOW - ROUNDING * SPAN) & (values <= HIGH + ROUNDING * SPAN))
    if not wrong.any():
        return None
    control, value = CONTROLS[int(wrong.argmax())], values[int(wrong.argmax())]
    if not np.isfinite(value):
        return f"{control.name} is missing or no number"
    return f"{control.name} is {value:g} but its range is [{control.low:g}, {control.high:g}]"


def checked(
    rows: Iterable[tuple[str, Any]], names: Sequence[str] | None, on_error: OnError
) -> tuple[np.ndarray, np.ndarray, list[BadRow]]:
    """Values of all rows.

    Args:
        rows: (name of the picture, values) of each.
        names: of values that are lists, see :class:`Reader`.
        on_error: "refuse" the whole table, or "drop" the rows that are wrong.

    Returns:
        (N, 30) float64 in table order and units, inside the ranges; (N,) bool, the rows that can be used; the others.

    Raises:
        InputError: a row is wrong and `on_error` is "refuse", or no row can be used.
    """
    if on_error not in {"refuse", "drop"}:
        raise InputError(f"expected on_error to be refuse or drop but got {on_error}")
    reader, values, bad = Reader(names), [], []
    for number, (what, given) in enumerate(rows):
        try:
            row = reader.read(given)
            reason = fault(row)
        except InputError as error:
            row, reason = np.full(len(NAMES), np.nan), str(error)
        values.append(row)
        if reason is not None:
            bad.append(BadRow(number, what, reason))
    if bad and (on_error == "refuse" or len(bad) == len(values)):
        more = f"; {len(bad) - 1} more of {len(values)} rows are wrong" if len(bad) > 1 else ""
        remedy = "mend the table, or give on_error=drop to leave such rows out" if on_error == "refuse" else "mend it"
        raise InputError(f"{bad[0]}{more}, {remedy}")
    usable = np.ones(len(values), dtype=bool)
    usable[[row.row for row in bad]] = False
    return np.clip(np.array(values).reshape(-1, len(NAMES)), LOW, HIGH), usable, bad
