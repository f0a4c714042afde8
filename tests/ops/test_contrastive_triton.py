"""The CUDA kernels under Triton's interpreter, in a process of its own: it is chosen when Triton is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("triton")

CASES = {
    "two_rows": (2, 1, torch.float32),
    "rows_of_two_tiles": (70, 5, torch.float32),
    "channels_of_two_programs": (65, 150, torch.float32),
    "half": (70, 40, torch.float16),  # the interpreter multiplies the bits of bfloat16 as integers
}
TAUS = {name: 0.02 if name == "rows_of_two_tiles" else 0.2 for name in CASES}

SCRIPT = """
import sys
import torch
from triton.runtime import interpreter

patch = interpreter._patch_lang_tensor

def patch_index(tensor, scope):  # Triton 3.6 makes an int of an array [1], which NumPy 2.4 refuses
    patch(tensor, scope)
    scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.item()))

interpreter._patch_lang_tensor = patch_index
from graphml.ops import contrastive_triton

cases = torch.load(sys.argv[1])
out = {}
for name, (z, grad, tau) in cases.items():
    lse = contrastive_triton.logsumexp(z, tau)
    out[name] = lse, contrastive_triton.logsumexp_backward(z, lse, grad, tau)
torch.save(out, sys.argv[1])
"""


def rows(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    num_rows, channels, dtype = CASES[name]
    generator = torch.Generator().manual_seed(0)
    z = F.normalize(torch.randn(num_rows, channels, generator=generator), dim=1)
    return z.to(dtype), torch.randn(num_rows, generator=generator).to(dtype)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    file = tmp_path_factory.mktemp("triton") / "cases.pt"
    torch.save({name: (*rows(name), TAUS[name]) for name in CASES}, file)
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": str(root)}
    run = subprocess.run([sys.executable, "-c", SCRIPT, file], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return torch.load(file)


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_equal_the_dense_formula(name, results):
    (z, grad), (lse, back) = rows(name), results[name]
    exact = z.double().requires_grad_()
    similarity = exact @ exact.T / TAUS[name]
    oracle = similarity.masked_fill(torch.eye(len(z), dtype=torch.bool), float("-inf")).logsumexp(1)
    (expected,) = torch.autograd.grad((oracle * grad).sum(), exact)
    assert {lse.dtype, back.dtype} == {z.dtype}
    relative = 0.005 if z.dtype == torch.float16 else 1e-5
    assert (lse - oracle).abs().max() <= relative * oracle.abs().max()
    assert (back - expected).abs().max() <= relative * expected.abs().max()


def test_operators_do_not_import_the_kernels():
    code = "import sys, graphml.ops; print('graphml.ops.contrastive_triton' in sys.modules)"
    root = str(Path(__file__).resolve().parents[2])
    run = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, capture_output=True)
    assert run.stdout.split() == [b"False"], run.stderr
