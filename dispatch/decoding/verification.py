"""Verification: what greedy search would write where a draft stands, by one step for all of its tokens.

It is what makes speculative decoding exact (Leviathan et al. 2023): whoever drafts may be wrong, the result is not.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from dispatch.decoding.constraints import Constraint
from dispatch.decoding.policies import best_tokens, restrict
from dispatch.decoding.search import log_probabilities
from dispatch.decoding.step import StepFunction

Written = tuple[list[int], list[float]]
"""Tokens without bos, and the network's own log-probability of each."""


@torch.inference_mode()
def verify(
    step: StepFunction,
    drafts: Sequence[Sequence[int]],
    forced: Sequence[int],
    constraints: Sequence[Constraint | None],
) -> list[Written]:
    """Each draft as far as greedy search would write it, and where it would not, its token behind that.

    Drafts begin with bos and keep to their constraints; so many tokens behind it were ``forced`` and stand whatever
    they are. A result does not depend on the other drafts.
    """
    fed_RT = _pad([draft[:-1] for draft in drafts])
    written_RT = _pad([draft[1:] for draft in drafts])
    logprobs_RTV = log_probabilities(step, fed_RT).cpu()
    scores_RT = logprobs_RTV.gather(-1, written_RT[..., None]).squeeze(-1)
    others_RT = logprobs_RTV.argmax(-1) != written_RT
    found = []
    for row, draft in enumerate(drafts):
        tokens, scores = list(draft[1:]), scores_RT[row].tolist()[: len(draft) - 1]
        for at in others_RT[row, : len(tokens)].nonzero().flatten().tolist():
            if (
                at >= forced[row]
                and (best := _best(logprobs_RTV[row, at], constraints[row], tokens[:at])) != tokens[at]
            ):
                tokens[at:] = [best]
                scores[at:] = [float(logprobs_RTV[row, at, best])]
                break
        found.append((tokens, scores))
    return found


def _best(logprobs_V: Tensor, constraint: Constraint | None, tokens: Sequence[int]) -> int:
    """The token that greedy search writes behind these."""
    allowed = None if constraint is None else constraint.allowed(tokens)
    return int(best_tokens(restrict(logprobs_V[None], [allowed]), 1))


def _pad(rows: Sequence[Sequence[int]]) -> Tensor:
    """What a causal network does not look at, since it stands behind the tokens, may be anything."""
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
