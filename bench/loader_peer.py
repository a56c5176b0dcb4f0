"""torchvision's DataLoader, asked by lines of JSON on standard input; see loader.ts."""

import json
import os
import resource
import sys
import time

import torch
import torchvision
from torchvision import datasets, transforms

torch.set_num_threads(1)


def cpu_seconds():
    """Of this process and of the workers that have ended or still run."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    total = own.ru_utime + own.ru_stime
    tick = os.sysconf("SC_CLK_TCK")
    for pid in children:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(") ", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / tick
    return total


children = []
loaders = {}


def open_loaders(request):
    kinds = {
        # As Striate gives them: bytes.
        "uint8": [transforms.PILToTensor()],
        # As torchvision's examples train.
        "float32": [
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ],
    }
    for name, last in kinds.items():
        steps = [transforms.RandomResizedCrop(request["size"]), transforms.RandomHorizontalFlip(), *last]
        images = datasets.ImageFolder(request["images"], transforms.Compose(steps))
        loaders[name] = torch.utils.data.DataLoader(
            images,
            batch_size=request["batch"],
            shuffle=True,
            num_workers=request["workers"],
            persistent_workers=True,
        )
    return {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "python": sys.version.split()[0],
        "workers": request["workers"],
    }


def epoch(request):
    loader = loaders[request["kind"]]
    iterator = iter(loader)
    children[:] = [worker.pid for worker in iterator._workers]
    count, begin, cpu = 0, time.perf_counter(), cpu_seconds()
    for images, _ in iterator:
        count += len(images)
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "cpu": cpu_seconds() - cpu, "images": count}


for line in sys.stdin:
    request = json.loads(line)
    answer = open_loaders(request) if request["do"] == "open" else epoch(request)
    print(json.dumps(answer), flush=True)
