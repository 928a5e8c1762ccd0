"""Optimizers as a user writes them, good and bad, for the tests: modules written into a folder."""

from __future__ import annotations

import importlib
import itertools
import textwrap
from pathlib import Path

import pytest

LION = """
import torch


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            fast, slow = group["betas"]
            for weight in group["params"]:
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                direction = torch.lerp(weight.grad, momentum, fast).sign_()
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(direction, alpha=group["lr"])
                momentum.lerp_(weight.grad, 1 - slow)
"""
PLAIN = '''
import torch


class Plain(torch.optim.SGD):
    """Plain SGD with one more argument of its own, refused or failing where it says so."""

    def __init__(self, params, lr=0.1, fails_at=0, limit=1.0):
        if lr > limit:
            raise ValueError(f"lr must be <= {limit}\\nand more lines")
        super().__init__(params, lr=lr)
        self.fails_at = fails_at

    def step(self, closure=None):
        self.param_groups[0]["steps"] = self.param_groups[0].get("steps", 0) + 1
        if self.param_groups[0]["steps"] == self.fails_at:
            raise RuntimeError("boom\\nand more lines")
        super().step()
'''
_NUMBERS = itertools.count()


def write_module(folder: Path, source: str, *, name: str | None = None) -> str:
    """Write a module into a folder; return its name, another one each time."""
    name = name or f"own_module_{next(_NUMBERS)}"
    (folder / f"{name}.py").write_text(textwrap.dedent(source))
    importlib.invalidate_caches()
    return name


def importable(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, class_name: str) -> str:
    """Write a module whose class this process can import; return the optimizer's name."""
    monkeypatch.syspath_prepend(str(folder))
    return f"{write_module(folder, source)}:{class_name}"
