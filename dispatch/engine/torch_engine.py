"""The torch engine: the reference, on CPU or GPU."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dispatch.decoding import (
    Alphabet,
    Constraint,
    DecodingConfig,
    Hypothesis,
    InstructionConstraint,
    Phrases,
    SpanConstraint,
    Spelling,
    TransformerStep,
    Written,
    search,
    verify,
)
from dispatch.engine.bundle_engine import BundleEngine
from dispatch.model import Bundle


class TorchSearch:
    """Runs a bundle's network with torch."""

    def __init__(self, bundle: Bundle, device: torch.device, *, guard_places: bool) -> None:
        self._model = bundle.model.to(device).eval()
        self._device = device
        self._pad_id = bundle.tokenizer.pad_id
        self._alphabet = Alphabet(Spelling(bundle.tokenizer))
        self._guards_places = guard_places and bundle.config.situations

    def __call__(
        self,
        sources: Sequence[Sequence[int]],
        prefixes: Sequence[Sequence[int]],
        decoding: DecodingConfig,
        stop_id: int,
        should_stop: Callable[[int], bool],
    ) -> list[list[Hypothesis]]:
        """See :class:`dispatch.engine.bundle_engine.Search`."""
        step = TransformerStep(self._model, self._pad(sources))
        constraints = self._constraints(sources, decoding)
        return search(step, prefixes, decoding, frozenset({stop_id}), should_stop, constraints)

    def places(self, source: Sequence[int]) -> SpanConstraint | None:
        """What may be written as a place of this source; None where anything may."""
        return SpanConstraint(source, self._alphabet.spelling) if self._guards_places else None

    def verify(
        self, sources: Sequence[Sequence[int]], drafts: Sequence[Sequence[int]], forced: Sequence[int]
    ) -> list[Written]:
        """What greedy search writes in the place of drafts: see :func:`dispatch.decoding.verify`."""
        step = TransformerStep(self._model, self._pad(sources))
        return verify(step, drafts, forced, [self.places(source) for source in sources])

    def _constraints(self, sources: Sequence[Sequence[int]], decoding: DecodingConfig) -> Sequence[Constraint | None]:
        places = [self.places(source) for source in sources]
        if not decoding.constrains_instruction:
            return places
        phrases = Phrases(decoding, self._alphabet)
        return [InstructionConstraint(phrases, decoding.min_tokens, self._alphabet, place) for place in places]

    def _pad(self, sources: Sequence[Sequence[int]]) -> Tensor:
        rows = [torch.tensor(source) for source in sources]
        return pad_sequence(rows, batch_first=True, padding_value=self._pad_id).to(self._device)


class TorchEngine(BundleEngine):
    """Answers by a :class:`TorchSearch`."""

    name = "torch"

    def __init__(self, bundle: Bundle, device: torch.device | None = None, *, guard_places: bool = True) -> None:
        """``guard_places=False`` lets the network write places that are in no source: to measure it, never to serve.

        It belongs to the engine and not to a request's decoding options, so that no caller can ask for it.
        """
        super().__init__(bundle, TorchSearch(bundle, device or torch.device("cpu"), guard_places=guard_places))
