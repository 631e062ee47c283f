"""The linear form: what the encoder reads and the decoder writes, as pieces of text and control symbols.

Source: ``<context:location> A7公路 <context:issued> 派2台除雪车至A7公路 <report> 山区公路积雪3米…``
Target: ``<situation> <kind:request> <location> A7公路 <hazard:snow_road> <people:trapped> 50 …
<working> 人50 <instruction> 派3台…``

Symbols are control symbols of the tokenizer: they enter a sequence by id only, so no caller can type one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dispatch.domain import labels
from dispatch.domain.instruction import MAX_SITUATIONS
from dispatch.domain.situation import Context, Count, Requested, Situation, format_number


class Symbol(str):
    """A control symbol of the sequence, such as ``<situation>``; plain ``str`` pieces are free text."""

    __slots__ = ()


Piece = Symbol | str

REPORT = Symbol("<report>")
CONTEXT_LOCATION = Symbol("<context:location>")
CONTEXT_ISSUED = Symbol("<context:issued>")
SITUATION = Symbol("<situation>")
INSTRUCTION = Symbol("<instruction>")
LOCATION = Symbol("<location>")
REQUESTED = Symbol("<requested>")
WORKING = Symbol("<working>")

# Fields whose labels are one symbol each, and fields whose labels are a symbol followed by a value.
_LABEL_GROUPS = {
    "hazards": "hazard",
    "vulnerable": "vulnerable",
    "outages": "outage",
    "needs": "need",
    "not_needed": "not_needed",
}
_KNOWN = {
    "kind": labels.KINDS,
    "hazard": labels.HAZARDS,
    "people": labels.PEOPLE,
    "vulnerable": labels.VULNERABLE,
    "outage": labels.OUTAGES,
    "need": labels.NEEDS,
    "not_needed": labels.NEEDS,
    "measure": labels.MEASURES,
    "fact": labels.FACTS,
}
_GROUP_FIELDS = {group: name for name, group in _LABEL_GROUPS.items()}
_MEANING = {Symbol(f"<{group}:{label}>"): (group, label) for group, known in _KNOWN.items() for label in known}

SYMBOLS: tuple[Symbol, ...] = (
    REPORT,
    CONTEXT_LOCATION,
    CONTEXT_ISSUED,
    SITUATION,
    INSTRUCTION,
    LOCATION,
    REQUESTED,
    WORKING,
    *_MEANING,
)


def source_pieces(report: str, context: Context) -> list[Piece]:
    """What the encoder reads: the context, then the report."""
    pieces: list[Piece] = [CONTEXT_LOCATION, context.location] if context.location else []
    for issued in context.issued:
        pieces += [CONTEXT_ISSUED, issued]
    return [*pieces, REPORT, report]


def situation_parts(situation: Situation) -> list[tuple[str, list[Piece]]]:
    """One situation in canonical order: each of its facts by the path of its JSON, such as ``people.trapped``.

    The first has the path "" and is the symbol ``<situation>`` alone.
    """
    parts: list[tuple[str, list[Piece]]] = [("", [SITUATION]), ("kind", [_symbol("kind", situation.kind)])]
    if situation.location:
        parts.append(("location", [LOCATION, situation.location]))
    parts += _label_parts(situation, "hazards")
    for category, count in situation.people.items():
        parts.append((f"people.{category}", [_symbol("people", category), count.to_text()]))
    for name in _LABEL_GROUPS:
        if name != "hazards":
            parts += _label_parts(situation, name)
    for index, requested in enumerate(situation.requested):
        parts.append((f"requested[{index}]", [REQUESTED, requested.to_text()]))
    for name, value in situation.measures.items():
        parts.append((f"measures.{name}", [_symbol("measure", name), format_number(value)]))
    for name, value in situation.facts.items():
        number = [format_number(value)] if name in labels.NUMBER_FACTS else []
        parts.append((f"facts.{name}", [_symbol("fact", name), *number]))
    return parts


def _label_parts(situation: Situation, name: str) -> list[tuple[str, list[Piece]]]:
    symbols = [_symbol(_LABEL_GROUPS[name], label) for label in getattr(situation, name)]
    return [(f"{name}[{index}]", [symbol]) for index, symbol in enumerate(symbols)]


def situation_pieces(situation: Situation) -> list[Piece]:
    """One situation in canonical order, beginning with ``<situation>``."""
    return [piece for _, pieces in situation_parts(situation) for piece in pieces]


def target_pieces(situations: Sequence[Situation], workings: Sequence[str], instruction: str) -> list[Piece]:
    """What the decoder writes: each situation (a pair may have none) with its working, then the instruction."""
    pieces: list[Piece] = []
    for situation, working in zip(situations, workings, strict=True):
        pieces += [*situation_pieces(situation), *([WORKING, working] if working else [])]
    return [*pieces, INSTRUCTION, instruction]


@dataclass(frozen=True)
class ParsedTarget:
    """A decoded sequence, read back; the working is left out, since doctrine computes anew."""

    situations: tuple[Situation, ...]
    instruction: str


def parse_target(pieces: Sequence[Piece]) -> ParsedTarget:
    """Reads a decoded sequence back. Raises ValueError, naming the symbol, when it is malformed."""
    fields: list[dict[str, Any]] = []
    instruction: str | None = None
    for symbol, text in _symbols_with_text(pieces):
        if instruction is not None:
            raise ValueError(f"{symbol} after {INSTRUCTION}")
        if symbol == INSTRUCTION:
            instruction = text
        elif symbol == SITUATION:
            fields.append({})
        elif not fields:
            raise ValueError(f"{symbol} outside a situation")
        else:
            _read_field(fields[-1], symbol, text)
    if instruction is None:
        raise ValueError(f"no {INSTRUCTION}")
    if len(fields) > MAX_SITUATIONS:
        raise ValueError(f"{len(fields)} times {SITUATION}, at most {MAX_SITUATIONS} can be numbered")
    return ParsedTarget(tuple(Situation(**values) for values in fields), instruction)


def _symbol(group: str, label: str) -> Symbol:
    return Symbol(f"<{group}:{label}>")


def _symbols_with_text(pieces: Sequence[Piece]) -> list[tuple[Symbol, str]]:
    """Each symbol with the text that follows it ("" for none)."""
    pairs: list[tuple[Symbol, str]] = []
    for piece in pieces:
        if isinstance(piece, Symbol):
            pairs.append((piece, ""))
        elif pairs:
            symbol, text = pairs[-1]
            pairs[-1] = (symbol, text + piece)
        elif piece:
            raise ValueError(f"text before the first symbol: {piece!r}")
    return pairs


def _read_field(values: dict[str, Any], symbol: Symbol, text: str) -> None:
    if symbol == LOCATION:
        values["location"] = text
    elif symbol == REQUESTED:
        values["requested"] = (*values.get("requested", ()), Requested.from_text(text))
    elif symbol == WORKING:
        pass
    elif symbol not in _MEANING:
        raise ValueError(f"{symbol} cannot stand in a situation")
    else:
        group, label = _MEANING[symbol]
        if group == "kind":
            values["kind"] = label
        elif group in _GROUP_FIELDS:
            if text:
                raise ValueError(f"{symbol} takes no text, found {text!r}")
            name = _GROUP_FIELDS[group]
            values[name] = (*values.get(name, ()), label)
        else:
            name, read = _VALUE_READERS[group]
            values.setdefault(name, {})[label] = read(label, text)


def _read_fact(label: str, text: str) -> float | bool:
    return True if label in labels.FLAG_FACTS else float(text)


_VALUE_READERS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "people": ("people", lambda _label, text: Count.from_text(text)),
    "measure": ("measures", lambda _label, text: float(text)),
    "fact": ("facts", _read_fact),
}
