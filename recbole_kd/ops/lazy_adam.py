"""Adam whose step costs what the batch reads, and not what the table holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class LazyAdam(torch.optim.Optimizer):
    """Adam (Kingma and Ba, 2015) that leaves rows without a gradient where they are.

    A row's moments are decayed for all steps that passed it by when a batch reads it next: ``m ← β1^n m + (1 − β1) g``
    and ``v ← β2^n v + (1 − β2) g²`` after n steps. What it leaves out is that Adam moves a row by its old momentum
    while no batch reads it, so the figures are no longer Adam's to the digit. A gradient that is no sparse tensor is
    one of all rows, and gives Adam's own step.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        """Args are those of :class:`torch.optim.Adam`."""
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move the rows of each gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)
        return loss

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.int64)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["last"] = parameter.new_zeros(parameter.shape[:1] or 1)  # its type is what a state dict keeps
        state["step"] += 1
        step, (beta1, beta2) = int(state["step"]), group["betas"]
        rows: Any = ...
        if gradient.is_sparse:
            gradient = gradient.coalesce()
            rows, gradient = gradient.indices()[0], gradient.values()
        passed = step - state["last"][rows]
        passed = passed.view(-1, *[1] * (gradient.dim() - 1)) if gradient.dim() else passed[0]
        first = state["exp_avg"][rows].mul_(beta1**passed).add_(gradient, alpha=1 - beta1)
        second = state["exp_avg_sq"][rows].mul_(beta2**passed).addcmul_(gradient, gradient, value=1 - beta2)
        lengths = second.sqrt().div_(math.sqrt(1 - beta2**step)).add_(group["eps"])
        change = first.div(lengths).mul_(-group["lr"] / (1 - beta1**step))
        if rows is ...:
            parameter.add_(change)  # the moments were moved in place
        else:
            parameter.index_add_(0, rows, change)
            state["exp_avg"].index_copy_(0, rows, first)
            state["exp_avg_sq"].index_copy_(0, rows, second)
        state["last"][rows] = step
