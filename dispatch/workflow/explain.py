"""Explanations: what the network looked at, and which characters of the report each fact and order come from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dispatch.domain import Context, Doctrine, Order, Situation, default_doctrine
from dispatch.domain.instruction import make_workings
from dispatch.domain.linear import INSTRUCTION, WORKING, Piece, situation_parts
from dispatch.domain.situation import JsonObject
from dispatch.engine import (
    Attention,
    AttentionKind,
    BundleEngine,
    GenerationRequest,
    Token,
    Weights,
    read_attention,
)
from dispatch.model import Bundle, BundleIdentity, normalize_context
from dispatch.store import Instruction
from dispatch.workflow.alignment import Alignment, Answer, align
from dispatch.workflow.intake import Intake, IntakeRequest

_DIGITS = 4


class NothingToExplain(ValueError):
    """No network has read this instruction's report, its texts were erased, or its labels are not known to this version
    or bundle; the message says which."""


@dataclass(frozen=True)
class View:
    """One matrix of attention. Layers and heads count from 1; 0 is the mean over all of them."""

    kind: AttentionKind = "cross"
    layer: int = 0
    head: int = 0


DEFAULT_VIEW = View()


@dataclass(frozen=True)
class Explanation:
    """One instruction with what its network looks at while it writes it.

    ``model`` is the network that was asked, and ``wrote_it`` whether it is the one that wrote the instruction.
    """

    instruction: Instruction
    attention: Attention
    alignments: tuple[Alignment, ...]
    model: BundleIdentity

    @property
    def source(self) -> tuple[Token, ...]:
        """The tokens that were read: the context, then the report."""
        return self.attention.source

    @property
    def target(self) -> tuple[Token, ...]:
        """The tokens that are written: the situations, then the instruction."""
        return self.attention.target

    @property
    def weights(self) -> Mapping[AttentionKind, Weights]:
        """By kind, [layer][head][row][column]; see :class:`dispatch.engine.Attention`."""
        return self.attention.weights

    @property
    def wrote_it(self) -> bool:
        return self.instruction.model["digest"] == self.model.digest

    def matrix(self, view: View = DEFAULT_VIEW) -> Weights:
        """The weights of one view, rows by columns. Raises ValueError for a layer or head that the network lacks."""
        weights = self.weights[view.kind]
        for axis, (name, number) in enumerate((("layer", view.layer), ("head", view.head))):
            most = weights.shape[0 if axis == 0 else 1]
            if not 0 <= number <= most:
                raise ValueError(f"{name}: must be from 0 (the mean) to {most} for {view.kind}, not {number}")
        by_head = weights[view.layer - 1] if view.layer else weights.mean(axis=0)
        chosen: Weights = by_head[view.head - 1] if view.head else by_head.mean(axis=0)
        return chosen

    def rows(self, kind: AttentionKind) -> tuple[Token, ...]:
        """What the rows of a kind stand for."""
        return self.source if kind == "encoder" else self.target

    def columns(self, kind: AttentionKind) -> tuple[Token, ...]:
        """What the columns of a kind stand for."""
        return self.attention.history if kind == "decoder" else self.source

    def views(self) -> Iterator[View]:
        """Every kind, layer and head by itself."""
        for kind, weights in self.weights.items():
            for layer in range(1, weights.shape[0] + 1):
                yield from (View(kind, layer, head) for head in range(1, weights.shape[1] + 1))

    def to_dict(self, views: Sequence[View] = (DEFAULT_VIEW,)) -> JsonObject:
        """JSON-ready, with the weights of these views to 4 digits. Raises ValueError as :meth:`matrix` does."""
        return {
            "name": self.instruction.name,
            "instruction": self.instruction.instruction,
            "situations": self.instruction.situations,
            "plan": self.instruction.plan,
            "alignments": [alignment.to_dict() for alignment in self.alignments],
            "model": self.model.to_dict(),
            "wrote_it": self.wrote_it,
            "layers": {kind: weights.shape[0] for kind, weights in self.weights.items()},
            "heads": self.weights["cross"].shape[1],
            "source": [_token_dict(token) for token in self.source],
            "target": [_token_dict(token) for token in self.target],
            "attention": [self._view_dict(view) for view in views],
        }

    def _view_dict(self, view: View) -> JsonObject:
        weights = [[round(weight, _DIGITS) for weight in row] for row in self.matrix(view).tolist()]
        return {"kind": view.kind, "layer": view.layer, "head": view.head, "weights": weights}


def explain_stored(
    source: Bundle | BundleEngine, instruction: Instruction, doctrine: Doctrine | None = None
) -> Explanation:
    """Explains an instruction, stored or not, by a forced pass over its text as the network wrote it (the draft).

    Any bundle can be asked; whether it is the one that wrote the text, ``wrote_it`` says. Threads may do this beside an
    engine that decodes. Raises NothingToExplain.
    """
    bundle = source if isinstance(source, Bundle) else source.bundle
    if instruction.erased_at is not None:
        raise NothingToExplain(f"{instruction.name}: its texts were erased")
    if not instruction.model["digest"]:
        raise NothingToExplain(f"{instruction.name}: no model has read its report")
    doctrine = doctrine or default_doctrine()
    try:
        answer = _answer_in(instruction)
        written = list(_target_parts(answer, doctrine)) if bundle.config.situations else [_text_part(answer)]
        attention = read_attention(bundle, GenerationRequest(answer.report, answer.context), written)
    except (KeyError, ValueError) as error:
        raise NothingToExplain(
            f"{instruction.name}: its labels are not those of {bundle.identity.name}: {error}"
        ) from error
    return Explanation(instruction, attention, align(answer, attention, doctrine), bundle.identity)


def explain_report(engine: BundleEngine, request: IntakeRequest, doctrine: Doctrine | None = None) -> Explanation:
    """Answers a report and explains the answer; stores nothing. Raises what :meth:`Intake.submit` does."""
    draft = Intake(engine, doctrine=doctrine).submit(request)
    return explain_stored(engine, draft, doctrine)


def _answer_in(instruction: Instruction) -> Answer:
    """Raises ValueError for what another version has stored."""
    return Answer(
        instruction.report,
        Context.from_dict(instruction.context),
        tuple(Situation.from_dict(situation) for situation in instruction.situations),
        tuple(Order.from_dict(order) for order in instruction.plan),
        instruction.instruction,
    )


def _target_parts(answer: Answer, doctrine: Doctrine) -> Iterator[tuple[str, Sequence[Piece]]]:
    """The sequence that the decoder is made to write, by the paths of what its parts say."""
    workings = make_workings(answer.situations, normalize_context(answer.context), doctrine)
    for index, (situation, working) in enumerate(zip(answer.situations, workings, strict=True)):
        for path, pieces in situation_parts(situation):
            yield f"situations[{index}].{path}".rstrip("."), pieces
        if working:
            yield f"situations[{index}].working", [WORKING, working]
    yield _text_part(answer)


def _text_part(answer: Answer) -> tuple[str, Sequence[Piece]]:
    return "instruction", [INSTRUCTION, answer.instruction]


def _token_dict(token: Token) -> JsonObject:
    data: JsonObject = {"text": token.text, "part": token.part, "start": token.start, "end": token.end}
    return data if token.score is None else {**data, "score": round(token.score, _DIGITS)}
