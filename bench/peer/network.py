"""A network of Striate's as a PyTorch module: its description (Network.toJSON()) is run node by node."""

import torch
import torch.nn.functional as F
from torch import nn


def same(extent, filter, stride):
    """As many windows as extent / stride, rounded up; the odd row goes to the end."""
    total = max((-(-extent // stride) - 1) * stride + filter - extent, 0)
    return total // 2, total - total // 2


def sides(x, options):
    padding = options["padding"]
    if padding == "valid":
        return 0, 0, 0, 0
    if padding == "same":
        pair = lambda value: value if isinstance(value, list) else [value, value]
        filter, stride = pair(options["size"]), pair(options.get("stride", options["size"]))
        return (*same(x.shape[2], filter[0], stride[0]), *same(x.shape[3], filter[1], stride[1]))
    if isinstance(padding, int):
        return padding, padding, padding, padding
    return padding["top"], padding["bottom"], padding["left"], padding["right"]


def padding_of(x, options, value=0.0):
    """What the op itself can pad, and x with the rest."""
    top, bottom, left, right = sides(x, options)
    if top == bottom and left == right:
        return x, (top, left)
    return F.pad(x, (left, right, top, bottom), value=value), (0, 0)


class Described(nn.Module):
    """Parameters have Striate's names with PyTorch's layouts, so that no step converts them."""

    def __init__(self, description, tensors):
        super().__init__()
        self.nodes = description["nodes"]
        self.fit = description["fit"]
        self.output = description["outputs"][0]
        for name, value in tensors.items():
            key = name.replace(".", "/")
            if name.endswith((".mean", ".variance")):
                self.register_buffer(key, value)
            else:
                self.register_parameter(key, nn.Parameter(value))

    def part(self, name, part):
        key = f"{name}/{part}".replace(".", "/")
        return getattr(self, key, None)

    def forward(self, x):
        values = []
        for node in self.nodes:
            xs = [values[i] for i in node.get("inputs", [])]
            values.append(x if node["kind"] == "input" else self.apply(node, xs))
        return values[self.output]

    def apply(self, node, xs):
        kind, options, name = node["kind"], node.get("options", {}), node["name"]
        x = xs[0]
        if kind == "conv2d":
            x, padding = padding_of(x, options)
            return F.conv2d(x, self.part(name, "w"), self.part(name, "b"), options["stride"],
                            padding, options["dilation"], options["groups"])
        if kind == "dense":
            return F.linear(x.flatten(1), self.part(name, "w"), self.part(name, "b"))
        if kind == "relu":
            return F.relu(x, inplace=True)
        if kind == "batchNorm":
            return F.batch_norm(x, self.part(name, "mean"), self.part(name, "variance"),
                                self.part(name, "gamma"), self.part(name, "beta"), self.training,
                                options["momentum"], options["epsilon"])
        if kind == "maxPool2d":
            x, padding = padding_of(x, options, float("-inf"))
            return F.max_pool2d(x, options["size"], options.get("stride", options["size"]), padding,
                                ceil_mode=options.get("fit", self.fit) == "pad")
        if kind == "globalAvgPool2d":
            return F.adaptive_avg_pool2d(x, 1).flatten(1)
        if kind == "flatten":
            return x.flatten(1)
        if kind == "add":
            return sum(xs[1:], x)
        if kind == "concat":
            return torch.cat(xs, 1)
        if kind == "dropout":
            return F.dropout(x, options["rate"], self.training) if options["rate"] > 0 else x
        raise ValueError(f"{name}: the peer knows no {kind}")
