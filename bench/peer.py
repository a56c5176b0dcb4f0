"""Trains networks in PyTorch for bench/run.ts: one JSON request a line in, one JSON answer a line out."""

import json
import platform
import sys
import time

import torch
from torch import nn


class Lenet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(800, 500)
        self.fc2 = nn.Linear(500, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.conv1(x), 2, 2)
        x = nn.functional.max_pool2d(self.conv2(x), 2, 2)
        # The parameters come from a network that flattens [height, width, channels].
        x = x.permute(0, 2, 3, 1).flatten(1)
        return self.fc2(nn.functional.relu(self.fc1(x)))


NETS = {"lenet": Lenet}


def floats(path):
    with open(path, "rb") as file:
        return torch.frombuffer(bytearray(file.read()), dtype=torch.float32)


class Run:
    """One network in one memory layout, with its batches in memory."""

    def __init__(self, request, layout):
        self.format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        self.net = NETS[request["net"]]()
        values = floats(request["parameters"])
        with torch.no_grad():
            for entry in request["manifest"]:
                value = values[entry["begin"] : entry["begin"] + entry["count"]].view(entry["shape"])
                parameter = self.net.get_parameter(entry["name"])
                if parameter.dim() == 4:  # [R, S, C, K] -> [K, C, R, S]
                    value = value.permute(3, 2, 0, 1)
                elif parameter.dim() == 2:  # [in, out] -> [out, in]
                    value = value.reshape(parameter.shape[1], parameter.shape[0]).t()
                parameter.copy_(value)
        self.net = self.net.to(memory_format=self.format)
        n, height, width, channels = request["images"]["shape"]
        x = floats(request["images"]["path"]).view(n, height, width, channels).permute(0, 3, 1, 2)
        labels = torch.tensor(request["labels"])
        batch = request["batch"]
        self.batches = [
            (x[i : i + batch].contiguous(memory_format=self.format), labels[i : i + batch])
            for i in range(0, n, batch)
        ]
        biases = [p for name, p in self.net.named_parameters() if name.endswith("bias")]
        weights = [p for name, p in self.net.named_parameters() if not name.endswith("bias")]
        rate = request["learningRate"]
        self.optimizer = torch.optim.SGD(
            [{"params": weights}, {"params": biases, "lr": 2 * rate}],
            lr=rate,
            momentum=request["momentum"],
            weight_decay=request["weightDecay"],
        )

    def steps(self, count):
        losses = []
        for step in range(count):
            x, labels = self.batches[step % len(self.batches)]
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.net(x), labels)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).tolist()


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
            runs = {layout: Run(request, layout) for layout in request["layouts"]}
            answer = configuration()
        else:
            start = time.perf_counter()
            losses = runs[request["layout"]].steps(request["steps"])
            answer = {"seconds": time.perf_counter() - start, "losses": losses}
        print(json.dumps(answer), flush=True)


main()
