"""PyTorch beside Striate, for bench/: one JSON request a line in, one JSON answer a line out."""

import json
import platform
import sys
import time

import torch
import torch.nn.functional as F

from network import Described

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def floats(path):
    with open(path, "rb") as file:
        return torch.frombuffer(bytearray(file.read()), dtype=torch.float32)


def laid_out(values, entry):
    """A parameter of Striate's in PyTorch's layout."""
    count = entry["count"]
    value = values[entry["begin"] : entry["begin"] + count].view(entry["shape"])
    if len(entry["shape"]) == 4:  # [R, S, C, K] -> [K, C, R, S]
        return value.permute(3, 2, 0, 1).contiguous()
    if len(entry["shape"]) == 2:  # [H * W * C, out] -> [out, C * H * W]
        out, volume = entry["shape"][1], entry.get("volume") or [1, 1, entry["shape"][0]]
        return value.view(*volume, out).permute(3, 2, 0, 1).reshape(out, -1).contiguous()
    return value.clone()


class Run:
    """One network in one memory layout, with its batches in memory."""

    def __init__(self, request, layout):
        self.format = FORMATS[layout]
        values = floats(request["parameters"])
        tensors = {entry["name"]: laid_out(values, entry) for entry in request["manifest"]}
        self.net = Described(request["network"], tensors).to(memory_format=self.format)
        n, height, width, channels = request["images"]["shape"]
        x = floats(request["images"]["path"]).view(n, height, width, channels).permute(0, 3, 1, 2)
        labels = torch.tensor(request["labels"])
        batch = request["batch"]
        self.batches = [
            (x[i : i + batch].contiguous(memory_format=self.format), labels[i : i + batch])
            for i in range(0, n, batch)
        ]
        if request["mode"] == "infer":
            self.net.eval()
            return
        self.net.train()
        self.optimizer = torch.optim.SGD(
            self.net.parameters(),
            lr=request["learningRate"],
            momentum=request["momentum"],
            weight_decay=request["weightDecay"],
        )

    def train(self, count):
        losses = []
        for step in range(count):
            x, labels = self.batches[step % len(self.batches)]
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.net(x), labels)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).tolist()

    def infer(self, count):
        with torch.inference_mode():
            for step in range(count):
                last = self.net(self.batches[step % len(self.batches)][0])
        return last.flatten()[:64].tolist()


class Convolution:
    """One layer in one memory layout: its three directions apart."""

    def __init__(self, request, layout):
        self.format = FORMATS[layout]
        batch, size, channels, filters = (request[k] for k in ("batch", "size", "channels", "filters"))
        filter, self.stride, self.padding = (request[k] for k in ("filter", "stride", "padding"))
        self.x = torch.randn(batch, channels, size, size).contiguous(memory_format=self.format)
        self.w = torch.randn(filters, channels, filter, filter).contiguous(memory_format=self.format)
        self.b = torch.zeros(filters)
        with torch.inference_mode():
            self.dy = torch.randn_like(self.forward())

    def forward(self):
        return F.conv2d(self.x, self.w, self.b, self.stride, self.padding)

    def gradient(self, mask):
        return torch.ops.aten.convolution_backward(
            self.dy, self.x, self.w, [self.b.numel()], [self.stride] * 2, [self.padding] * 2, [1, 1], False,
            [0, 0], 1, mask)

    def turn(self, direction, count):
        call = {
            "forward": self.forward,
            "backwardData": lambda: self.gradient([True, False, False]),
            "backwardFilter": lambda: self.gradient([False, True, True]),
        }[direction]
        with torch.inference_mode():
            call()
            start = time.perf_counter()
            for _ in range(count):
                call()
            return time.perf_counter() - start


def cpu_capability():
    # Since PyTorch 2.0.
    cpu = getattr(torch.backends, "cpu", None)
    return cpu.get_cpu_capability() if cpu else "not told"


def configuration():
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "cpuCapability": cpu_capability(),
        "mkldnn": torch.backends.mkldnn.is_available(),
        "mkl": torch.backends.mkl.is_available(),
    }


def main():
    runs = {}
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "open":
            torch.set_num_threads(request["threads"])
            kind = Convolution if request["mode"] == "layer" else Run
            runs = {layout: kind(request, layout) for layout in request["layouts"]}
            answer = configuration()
        elif request["do"] == "layer":
            run = runs[request["layout"]]
            answer = {"seconds": run.turn(request["direction"], request["count"])}
        else:
            run = runs[request["layout"]]
            start = time.perf_counter()
            values = getattr(run, request["do"])(request["steps"])
            answer = {"seconds": time.perf_counter() - start, "values": values}
        print(json.dumps(answer), flush=True)


main()
