"""What PyTorch keeps for the backward pass of a network of Striate's, and the most it has alive.

Reads one JSON request from stdin: network (Network.toJSON()), parameters [{name, shape}] in Striate's
layouts, batch, input [H, W, C], classes. Writes one JSON answer:

saved   bytes of the storages that torch.autograd.graph.saved_tensors_hooks sees, each counted once, without
        parameters and buffers
peak    most bytes of storages alive at one time in forward and backward pass, as a TorchDispatchMode sees
        them made and their finalisers see them go; without parameters, buffers and parameters' gradients
resident  rise of the largest resident memory of the process over that before the step, gradients included
"""

import json
import resource
import sys
import weakref

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from network import Described


def laid_out(name, shape):
    """A parameter in PyTorch's layout: filters [K, C, R, S], matrices [out, in]."""
    size = [shape[3], shape[2], shape[0], shape[1]] if len(shape) == 4 else shape[::-1]
    if name.endswith((".gamma", ".variance")):
        return torch.ones(size)
    return torch.randn(size) * 0.02 if len(shape) > 1 else torch.zeros(size)


class Alive(TorchDispatchMode):
    """Counts the bytes of storages from when an op returns them until they are freed."""

    def __init__(self, apart):
        super().__init__()
        self.known = set(apart)
        self.bytes = self.peak = 0

    def gone(self, key, size):
        self.known.discard(key)
        self.bytes -= size

    def watch(self, tensor):
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self.known:
            return
        self.known.add(key)
        self.bytes += size
        self.peak = max(self.peak, self.bytes)
        weakref.finalize(storage, self.gone, key, size)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.watch(leaf)
        return result


def resident():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    request = json.load(sys.stdin)
    torch.manual_seed(0)
    tensors = {p["name"]: laid_out(p["name"], p["shape"]) for p in request["parameters"]}
    net = Described(request["network"], tensors).train()
    height, width, channels = request["input"]
    x = torch.randn(request["batch"], channels, height, width)
    labels = torch.randint(request["classes"], (request["batch"],))
    own = {t.untyped_storage()._cdata for t in [*net.parameters(), *net.buffers()]}

    saved = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            saved[storage._cdata] = storage.nbytes()
        return tensor

    # One image first: what PyTorch sets up once is not of this step.
    F.cross_entropy(net(x[:2]), labels[:2]).backward()
    net.zero_grad()
    before = resident()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        loss = F.cross_entropy(net(x), labels)
    loss.backward()
    rise = resident() - before
    net.zero_grad()

    alive = Alive(own)
    alive.watch(x)
    gradients = sum(p.numel() * 4 for p in net.parameters())
    with alive:
        F.cross_entropy(net(x), labels).backward()
    print(json.dumps({
        "torch": torch.__version__,
        "saved": sum(saved.values()),
        "peak": alive.peak,
        "gradients": gradients,
        "resident": rise,
    }))


main()
