"""The optimizer, the moving average of the weights, and the arithmetic's precision."""

import copy
from typing import Literal

import torch
from torch import Tensor, nn

Precision = Literal["auto", "bf16", "fp32"]


OptimizerName = Literal["adamw", "muon"]


def build_optimizers(
    model: nn.Module, name: OptimizerName, lr: float, betas: tuple[float, float], weight_decay: float
) -> list[torch.optim.Optimizer]:
    """The optimizers that together update every weight once.

    "adamw" is AdamW (Loshchilov and Hutter 2019) for all; biases, norms and embeddings do not decay. "muon" updates the
    matrices by their orthogonalised momentum (Jordan et al. 2024), scaled to the size of AdamW's updates (Liu et al.
    2025, section 2.2) so that one learning rate serves both, and everything else by AdamW.
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    parameters = list(model.parameters())
    matrices = [p for p in parameters if p.ndim >= 2 and id(p) not in embeddings]
    others = [p for p in parameters if p.ndim < 2 or id(p) in embeddings]
    undecayed = {"params": others, "weight_decay": 0.0}
    if name == "adamw":
        groups = [{"params": matrices, "weight_decay": weight_decay}, undecayed]
        return [torch.optim.AdamW(groups, lr=lr, betas=betas, eps=1e-9, fused=True)]
    return [
        torch.optim.Muon(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([undecayed], lr=lr, betas=betas, eps=1e-9, fused=True),
    ]


class MovingAverage:
    """Exponential moving average of a model's weights, kept in a copy of the model.

    The decay starts low, min(decay, (1 + step) / (10 + step)), so that the first weights are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self._averages: list[Tensor] = list(self.model.parameters())
        self._weights: list[Tensor] = list(model.parameters())

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averages, self._weights, 1 - decay)


def autocast_dtype(precision: Precision, device: torch.device) -> torch.dtype | None:
    """The type that matrix products are computed in, or None for plain float32.

    "auto" takes bfloat16 where the hardware multiplies it natively.
    """
    if precision == "fp32":
        return None
    if precision == "bf16" or _has_native_bfloat16(device):
        return torch.bfloat16
    return None


def _has_native_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
