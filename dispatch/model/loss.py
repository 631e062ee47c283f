"""The training loss. B batch, T target length, V vocabulary."""

import torch.nn.functional as F
from torch import Tensor


def label_smoothed_cross_entropy(logits_BTV: Tensor, target_BT: Tensor, smoothing: float, pad_id: int) -> Tensor:
    """Cross-entropy against (1 - smoothing) of the gold token plus smoothing / V of every token.

    (Szegedy et al. 2016, §7.) In float32, averaged over the tokens that are not padding, in nats.
    """
    return F.cross_entropy(
        logits_BTV.flatten(0, -2).float(), target_BT.flatten(), ignore_index=pad_id, label_smoothing=smoothing
    )
