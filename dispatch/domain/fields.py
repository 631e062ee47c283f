"""Fields of JSON objects, read with errors that name the field, say what stands there and what is wanted."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any


def read_object(where: str, value: Any, known: Collection[str] | None = None) -> Mapping[str, Any]:
    """An object, of no other fields than the ``known`` ones where they are given. Raises ValueError."""
    if not isinstance(value, Mapping):
        raise _wrong(where, "an object", value)
    if known is not None and (unknown := set(value) - set(known)):
        raise ValueError(f"{where}.{min(map(str, unknown))}: unknown field, known are {', '.join(known)}")
    return value


def read_list(where: str, value: Any) -> Sequence[Any]:
    """Raises ValueError for what is no list."""
    if not isinstance(value, list | tuple):
        raise _wrong(where, "a list", value)
    return value


def read_texts(where: str, value: Any) -> tuple[str, ...]:
    """Raises ValueError for what is no list of texts: one text would be read as a list of its characters."""
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise _wrong(where, "a list of texts", value)
    return tuple(value)


def read_text(where: str, value: Any) -> str:
    """Raises ValueError for what is no text."""
    if not isinstance(value, str):
        raise _wrong(where, "text", value)
    return value


def read_choice(where: str, value: Any, choices: Collection[Any]) -> Any:
    """Raises ValueError for anything but one of the choices."""
    if value not in choices:
        raise _wrong(where, f"one of {', '.join(map(str, choices))}", value)
    return value


def read_number(where: str, value: Any) -> float:
    """Raises ValueError for what is no number: neither ``True`` nor a text of digits is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(where, "a number", value)
    try:
        return float(value)
    except OverflowError as error:
        raise _wrong(where, "a number", value) from error


def read_whole_number(where: str, value: Any) -> int:
    """Raises ValueError for what is no whole number."""
    number = read_number(where, value)
    if not number.is_integer():  # nor are NaN and the infinities
        raise _wrong(where, "a whole number", value)
    return int(value)


def read_flag(where: str, value: Any) -> bool:
    """Raises ValueError for anything but ``True`` and ``False``."""
    if not isinstance(value, bool):
        raise _wrong(where, "true or false", value)
    return value


def require(where: str, data: Mapping[str, Any], names: Collection[str]) -> None:
    """Raises ValueError that names the first field which an object lacks."""
    for name in names:
        if name not in data:
            raise ValueError(f"{where}.{name}: missing")


def _wrong(where: str, wanted: str, value: Any) -> ValueError:
    return ValueError(f"{where}: must be {wanted}, not {value!r:.40}")
