#!/usr/bin/env python3
"""Exports small networks of random weights to ONNX, with PyTorch's own outputs.

    apt-get install python3-torch python3-onnx
    /usr/bin/python3 export.py

writes NAME.onnx and NAME.bin for every network below into this folder, and
fixtures.json, which lists them. NAME.bin holds little-endian float32: all inputs,
N×C×H×W or N×features, then all outputs. The files in the repository were made
with Debian 12's packages: Python 3.11.2, PyTorch 1.13.1, ONNX 1.12.0, NumPy 1.24.2.
An export is deterministic but for the last bits of the weights' training and of
sums, which differ between processors.

Activations that are no polynomials are exported as they are. In the outputs
polynomials stand in their place, those that fixtures.json names: that is what the
import makes of them on request.
"""
import json
import math
import pathlib
import sys
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.onnx import TrainingMode

sys.dont_write_bytecode = True
import pillar
from pillar import Polynomial

SAMPLES = 6
networks = []


def network(shape, opset=13, pixels=False, fitted=(), **export):
    """Registers the class below: shape is that of one input, fitted names what is
    replaced by polynomials, pixels says that inputs are in [0, 1]."""

    def register(cls):
        networks.append((cls, shape, opset, pixels, tuple(fitted), export))
        return cls

    return register


# Activations that the export writes as they are and that outputs are computed
# without.

FUNCTIONS = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leakyrelu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "mish": F.mish,
    "sigmoid": torch.sigmoid,
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "tanh": torch.tanh,
    "softplus": F.softplus,
}


def coefficients(name, degree=4, limit=5, q=10):
    """Least squares of the function on [−limit, limit], rounded to 1/2^q."""
    if name in ("clip", "softmax"):
        return [0, 1]  # left out
    x = np.linspace(-limit, limit, 1001)
    y = FUNCTIONS[name](torch.tensor(x)).numpy()
    fit = np.polynomial.Polynomial.fit(x, y, degree).convert().coef
    return [round(float(c) * 2**q) / 2**q for c in fit] + [0.0] * (degree + 1 - len(fit))


class Replaced:
    """While active, activations are their polynomials."""

    active = False


class Act(nn.Module):
    def __init__(self, name, function=None):
        super().__init__()
        self.name, self.function = name, function or FUNCTIONS[name]

    def forward(self, x):
        if not Replaced.active:
            return self.function(x)
        c = coefficients(self.name)
        return sum(c[k] * x**k for k in range(len(c)))


def conv_bn(c, k, size=3, stride=1, groups=1):
    return nn.Sequential(nn.Conv2d(c, k, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(k))


@network((12,), opset=11)
class mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(12, 16), nn.BatchNorm1d(16), Polynomial(), nn.Dropout(0.5), nn.Linear(16, 8), Polynomial(), nn.Linear(8, 5))

    def forward(self, x):
        return self.net(x)


@network((1, 12, 12), opset=11, dynamic_axes={"pixels": {0: "batch"}, "logits": {0: "batch"}})
class lenet(nn.Module):
    """As the paper's: a view by the size of the batch, which is not fixed."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = conv_bn(1, 4, 5), conv_bn(4, 6, 5, 2)
        self.fc1, self.norm, self.fc2 = nn.Linear(54, 10), nn.BatchNorm1d(10), nn.Linear(10, 10)
        self.acts = nn.ModuleList(Polynomial() for _ in range(3))

    def forward(self, x):
        x = F.avg_pool2d(self.acts[0](self.conv1(x)), 2)
        x = self.acts[1](self.conv2(x))
        x = x.view(x.size(0), -1)
        return self.fc2(self.acts[2](self.norm(self.fc1(x))))


class Spelled(nn.Module):
    """(322 + 512x + 160x² − 3x⁴)/1024 in several spellings."""

    def __init__(self):
        super().__init__()
        self.register_buffer("alpha", torch.tensor([322.0, 512, 160, 0, -3]) / 1024)
        self.register_buffer("single", torch.tensor([1 / 1024]))
        self.leading = nn.Parameter(torch.tensor(-3.0))

    def forward(self, x, spelling):
        a = self.alpha
        if spelling == 0:  # powers
            return a[0] + a[1] * x + a[2] * x**2 + a[4] * x**4
        if spelling == 1:  # Horner's rule, divided at the end
            return (((self.leading * x * x + 160) * x + 512) * x + 322) / 1024
        if spelling == 2:  # squares of squares, a tensor of one element
            s = x.square()
            return (322 - (-512 * x) - (3 * s * s - 160 * s)) * self.single
        if spelling == 3:  # a sum of a list, double precision
            y = x.double()
            return sum([322 / 1024 + y / 2, y.pow(2) * (160 / 1024), torch.neg(y**4) * 3 / 1024]).float()
        return torch.addcmul(a[0] + 0.5 * x, x, 160 / 1024 * x - 3 / 1024 * x**3)  # factors


@network((2, 6, 6))
class spellings(nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(conv_bn(2, 2) for _ in range(5))
        self.act, self.fc = Spelled(), nn.Linear(72, 4)

    def forward(self, x):
        for i, conv in enumerate(self.convs):
            x = self.act(conv(x), i)
        return self.fc(x.flatten(1))


@network((3, 8, 8), opset=16)
class resnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.a1, self.b1 = conv_bn(3, 4), conv_bn(4, 4), conv_bn(4, 4)
        self.a2, self.b2, self.project = conv_bn(4, 6, 3, 2), conv_bn(6, 6), conv_bn(4, 6, 1, 2)
        self.acts, self.fc = nn.ModuleList(Polynomial() for _ in range(5)), nn.Linear(6, 10)

    def forward(self, x):
        a = self.acts
        x = a[0](self.stem(x))
        x = a[2](self.b1(a[1](self.a1(x))) + x)
        x = a[4](self.b2(a[3](self.a2(x))) + self.project(x))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


@network((3, 8, 8), opset=12)
class resnet_a(nn.Module):
    """Shortcuts without weights, as He et al. have on CIFAR-10: every other pixel,
    and channels of zeros."""

    def __init__(self):
        super().__init__()
        self.stem, self.a, self.b = conv_bn(3, 4), conv_bn(4, 8, 3, 2), conv_bn(8, 8)
        self.acts, self.fc = nn.ModuleList(Polynomial() for _ in range(3)), nn.Linear(8, 10)

    def forward(self, x):
        x = self.acts[0](self.stem(x))
        y = self.b(self.acts[1](self.a(x)))
        x = self.acts[2](y + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2)))
        return self.fc(F.avg_pool2d(x, 4).view(x.size(0), -1))


@network((3, 8, 8), opset=13, training=TrainingMode.PRESERVE)
class preactivation(nn.Module):
    """Batch norm and activation before the convolution: the sum is read by both."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 1, 1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(3))
        self.convs = nn.ModuleList(nn.Conv2d(4, 4, 3, 1, 1) for _ in range(2))
        self.acts, self.fc = nn.ModuleList(Polynomial() for _ in range(3)), nn.Linear(4, 10)

    def forward(self, x):
        x = self.stem(x)
        y = self.convs[0](self.acts[0](self.norms[0](x)))
        y = self.convs[1](self.acts[1](self.norms[1](y)))
        x = self.acts[2](self.norms[2](x + y))
        return self.fc(x.mean((2, 3)))


@network((2, 8, 8), opset=14, training=TrainingMode.PRESERVE)
class densenet(nn.Module):
    """Every layer reads all before it, joined by channel, through batch norm."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4 + 2 * i) for i in range(4))
        self.convs = nn.ModuleList(nn.Conv2d(4 + 2 * i, 2, 3, 1, 1, bias=False) for i in range(2))
        self.transition = nn.Conv2d(8, 10, 1, bias=False)
        self.last = nn.BatchNorm2d(10)
        self.acts, self.fc = nn.ModuleList(Polynomial() for _ in range(4)), nn.Linear(10, 10)

    def forward(self, x):
        x = self.stem(x)
        for i, conv in enumerate(self.convs):
            x = torch.cat([x, conv(self.acts[i](self.norms[i](x)))], 1)
        x = F.avg_pool2d(self.transition(self.acts[2](self.norms[2](x))), 2)
        return self.fc(self.acts[3](self.last(x)).mean((2, 3)))


@network((3, 9, 9), opset=15)
class inception(nn.Module):
    """Branches of several kinds joined by channel, a pool of nine among them."""

    def __init__(self):
        super().__init__()
        self.stem = conv_bn(3, 4)
        self.b1, self.b3, self.b5 = conv_bn(4, 2, 1), conv_bn(4, 3, 3), conv_bn(4, 2, 5)
        self.acts, self.fc = nn.ModuleList(Polynomial() for _ in range(2)), nn.Linear(11 * 9, 10)

    def forward(self, x):
        x = self.acts[0](self.stem(x))
        pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=True)
        x = torch.cat([self.b1(x), self.b3(x), self.b5(x), self.b1(pooled) + 0.5, self.b1(x)], dim=-3)
        return self.fc(F.avg_pool2d(self.acts[1](x), 3).flatten(1))


@network((3, 8, 8), opset=13)
class mobile(nn.Module):
    """Depthwise and pointwise convolutions, an inverted residual."""

    def __init__(self):
        super().__init__()
        self.stem, self.depthwise, self.pointwise = conv_bn(3, 4, 3, 2), conv_bn(4, 4, 3, groups=4), conv_bn(4, 6, 1)
        self.expand, self.inner, self.reduce = conv_bn(6, 12, 1), conv_bn(12, 12, 3, groups=12), conv_bn(12, 6, 1)
        self.acts, self.fc = nn.ModuleList(Polynomial() for _ in range(5)), nn.Linear(6, 10)

    def forward(self, x):
        a = self.acts
        x = a[0](self.stem(x))
        x = a[1](self.depthwise(x))
        x = self.pointwise(x)
        x = x + self.reduce(a[3](self.inner(a[2](self.expand(x)))))
        return self.fc(a[4](x).mean([2, 3]))


@network((4, 9, 9), opset=13)
class grouped(nn.Module):
    """Groups, dilation, oblong kernels; each alone and together."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6), Polynomial(),
            nn.Conv2d(6, 6, 3, padding=2, dilation=2), nn.BatchNorm2d(6), Polynomial(),
            nn.Conv2d(6, 9, (2, 3), (2, 1), (0, 2), dilation=(1, 2), groups=3), nn.BatchNorm2d(9), Polynomial(),
            nn.Conv2d(9, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, x):
        return self.net(x)


@network((3, 8, 8), opset=14, pixels=True)
class normalised(nn.Module):
    """Pixels are normalised in the network, before a convolution with padding."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.conv, self.act, self.fc = conv_bn(3, 6), Polynomial(), nn.Linear(6, 10)

    def forward(self, x):
        x = (x.clamp(0, 1) - self.mean) / self.std
        return self.fc(self.act(self.conv(x)).mean((2, 3)))


@network((3, 6, 6), opset=12, pixels=True, training=TrainingMode.PRESERVE)
class norm_first(nn.Module):
    """Batch norm before convolutions with padding: of the input, and behind an
    activation."""

    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(3), nn.BatchNorm2d(4), nn.BatchNorm2d(4)])
        self.convs = nn.ModuleList([nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(4, 4, 5, 2, 2)])
        self.acts, self.fc = nn.ModuleList(Polynomial() for _ in range(2)), nn.Linear(36, 10)

    def forward(self, x):
        x = self.acts[0](self.convs[0](self.norms[0](255 * x / 255 - 0.5)))
        x = self.acts[1](self.convs[1](self.norms[1](x)))
        return self.fc(self.norms[2](x).flatten(1))


@network((2, 6, 6), opset=11)
class padded(nn.Module):
    """Zeros around images, before a convolution, a pool, a sum and an activation."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(2, 3, 3), nn.Conv2d(3, 3, 3)
        self.norm, self.acts, self.fc = nn.BatchNorm2d(3), nn.ModuleList(Polynomial() for _ in range(3)), nn.Linear(144, 10)

    def forward(self, x):
        x = self.acts[0](self.norm(self.conv1(nn.ZeroPad2d((1, 2, 0, 1))(x))))
        y = F.avg_pool2d(F.pad(x, (1, 0, 1, 0)), 2, 1)
        z = F.pad(self.conv2(F.pad(x, (1, 1))), (0, 0, 1, 1))
        y = self.acts[1](y + z)
        return self.fc(self.acts[2](F.pad(y, (1, 0, 1, 0))).flatten(1))


@network((3, 8, 8), opset=13, fitted=["relu", "relu6"])
class rectified(nn.Module):
    """As most networks are."""

    def __init__(self):
        super().__init__()
        clamp = Act("relu", lambda x: x.clamp(min=0))
        self.net = nn.Sequential(
            conv_bn(3, 4), Act("relu"), nn.AvgPool2d(2), conv_bn(4, 6), clamp, conv_bn(6, 6), Act("relu6"),
            nn.AvgPool2d(2), nn.Flatten(), nn.Linear(24, 10), Act("relu"), nn.Linear(10, 4))

    def forward(self, x):
        return self.net(x)


@network((8,), opset=13, fitted=["gelu", "silu", "mish", "hardswish"])
class smooth(nn.Module):
    """Activations that exporters write as formulas."""

    def __init__(self):
        super().__init__()
        tanh = Act("gelu", lambda x: F.gelu(x, approximate="tanh"))
        acts = [Act("gelu"), tanh, Act("silu"), Act("mish"), Act("hardswish")]
        layers = [m for a in acts for m in (nn.Linear(8, 8), nn.BatchNorm1d(8), a)]
        self.net = nn.Sequential(*layers, nn.Linear(8, 4))

    def forward(self, x):
        return self.net(x)


@network((8,), opset=14, fitted=["sigmoid", "hardsigmoid", "tanh", "softplus", "leakyrelu", "elu", "selu", "hardswish"])
class others(nn.Module):
    def __init__(self):
        super().__init__()
        names = ["sigmoid", "hardsigmoid", "tanh", "softplus", "leakyrelu", "elu", "selu", "hardswish"]
        layers = [m for a in names for m in (nn.Linear(8, 8), nn.BatchNorm1d(8), Act(a))]
        self.net = nn.Sequential(*layers, nn.Linear(8, 4))

    def forward(self, x):
        return self.net(x)


class Clipped(Polynomial):
    """Clips in evaluation too, as it should not."""

    def forward(self, x):
        return super().forward(x if Replaced.active else x.clamp(-5, 5))


@network((2, 6, 6), opset=11, fitted=["clip", "softmax"])
class clipped(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(conv_bn(2, 3), Clipped(), nn.Conv2d(3, 3, 3), nn.Hardtanh(-4, 4), Clipped(), nn.Flatten(), nn.Linear(48, 5))

    def forward(self, x):
        if Replaced.active:
            for m in self.net:
                x = x if isinstance(m, nn.Hardtanh) else m(x)
            return x
        return F.log_softmax(self.net(x), dim=1)


@network((2, 6, 4), opset=13)
class means(nn.Module):
    """Means over height and width in every spelling."""

    def __init__(self):
        super().__init__()
        self.convs, self.acts, self.fc = nn.ModuleList(conv_bn(2, 3) for _ in range(4)), nn.ModuleList(Polynomial() for _ in range(4)), nn.Linear(12, 5)

    def forward(self, x):
        a, b, c, d = (act(conv(x)) for act, conv in zip(self.acts, self.convs))
        a = a.mean((-1, -2), keepdim=True).squeeze(-1).squeeze(2)
        b = b.mean(3).mean(2)
        c = c.flatten(2).mean(-1)
        d = d.sum((2, 3)) / 24
        return self.fc(torch.cat([a, b, c, d], 1))


@network((3, 4, 6), opset=13)
class layout(nn.Module):
    """Channels last, and other views of the same elements."""

    def __init__(self):
        super().__init__()
        self.conv, self.pixel, self.norm = conv_bn(3, 4), nn.Linear(4, 5), nn.BatchNorm2d(5)
        self.acts, self.fc = nn.ModuleList(Polynomial() for _ in range(3)), nn.Linear(120, 6)
        self.last = nn.Linear(6, 4)

    def forward(self, x):
        x = self.acts[0](self.conv(x)).permute(0, 2, 3, 1)
        x = self.pixel(x)  # a 1×1 convolution
        x = self.acts[1](self.norm(x.permute(0, 3, 1, 2)))
        x = x.permute(0, 2, 3, 1).reshape(1 if x.size(0) == 1 else x.size(0), -1)  # H, W, C
        x = self.fc(x).unsqueeze(2).transpose(1, 2).unsqueeze(0)
        return self.last(self.acts[2](x)).squeeze(0).squeeze(1)


@network((3, 4, 4), opset=13)
class tokens(nn.Module):
    """Pixels as a sequence of vectors, mixed by matrices; the mean of the sequence."""

    def __init__(self):
        super().__init__()
        self.embed, self.acts = nn.Conv2d(3, 6, 2, 2), nn.ModuleList(Polynomial() for _ in range(2))
        self.mix, self.out, self.fc = nn.Linear(6, 8), nn.Linear(8, 6), nn.Linear(6, 4)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = x + self.out(self.acts[0](self.mix(x)))
        return self.fc(self.acts[1](x).mean(1))


@network((6,), opset=13)
class matrices(nn.Module):
    """Products in every transposition."""

    def __init__(self):
        super().__init__()
        self.w = nn.ParameterList(nn.Parameter(torch.randn(s) / 2) for s in [(6, 5), (7, 5), (4, 7), (1, 4, 3)])
        self.b, self.act = nn.Parameter(torch.randn(5)), Polynomial()

    def forward(self, x):
        x = torch.addmm(self.b, x, self.w[0], beta=0.5, alpha=0.7)
        x = self.act(x @ self.w[1].t())
        if x.size(0) == 1:
            x = torch.mm(self.w[2], x.t()).t()
        else:  # the same, of many
            x = x @ self.w[2].t()
        return torch.matmul(x.unsqueeze(1), self.w[3]).squeeze(1) - 1


@network((4, 6, 6), opset=13)
class shuffled(nn.Module):
    """Channels split, exchanged and joined, as ShuffleNet does."""

    def __init__(self):
        super().__init__()
        self.stem, self.branch, self.last = conv_bn(4, 8), conv_bn(4, 4), conv_bn(8, 4)
        self.acts, self.fc = nn.ModuleList(Polynomial() for _ in range(3)), nn.Linear(4, 5)

    def forward(self, x):
        x = self.acts[0](self.stem(x))
        a, b = x.chunk(2, 1)
        x = torch.cat((a, self.acts[1](self.branch(b))), 1)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = self.acts[2](self.last(x))[:, 1:4]
        return self.fc(torch.cat((x, x[:, :1]), 1).mean((2, 3)))


@network((1, 8, 8), opset=14, pixels=True)
class trained(nn.Module):
    """Trained by pillar.py for a few steps: squares against discs."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), Polynomial(), nn.Conv2d(4, 6, 3, 2, 1), nn.BatchNorm2d(6), Polynomial(),
            nn.Flatten(), nn.Linear(24, 2))

    def forward(self, x):
        return self.net(x)

    def train_it(self):
        y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")

        def batches():
            for _ in range(20):
                labels = torch.randint(2, (32,))
                cy, cx, r = (torch.rand(32, 1, 1) * s + o for s, o in ((3, 2), (3, 2), (1, 2)))
                dy, dx = (y - cy).abs(), (x - cx).abs()
                square, disc = torch.maximum(dy, dx) < 0.9 * r, dy**2 + dx**2 < r**2
                picture = torch.where(labels.view(-1, 1, 1) == 0, square, disc)
                yield picture.float().unsqueeze(1) + 0.1 * torch.rand(32, 1, 8, 8), labels

        optimizer = torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)
        pillar.train(self, batches, optimizer, epochs=8, beta=1e-4)
        self.eval()
        x, labels = next(batches())
        right = (self(x).argmax(1) == labels).float().mean()
        print(f"trained: {100 * right:.0f} % of squares and discs are told apart")


def randomise(model, batch):
    """Weights that keep values their size, and batch norms as training leaves them:
    they normalise, and are not the identity otherwise."""
    for m in model.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.normal_(m.weight, 0, 1 / math.sqrt(m.weight[0].numel()))
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.uniform_(m.bias, -0.5, 0.5)
            m.momentum = 1.0
    model.train()
    model(batch)


def main():
    folder = pathlib.Path(__file__).parent
    listed = []
    for cls, shape, opset, pixels, fitted, options in networks:
        name = cls.__name__
        torch.manual_seed(1)
        model = cls()
        draw = torch.rand if pixels else torch.randn
        if hasattr(model, "train_it"):
            model.train_it()
        else:
            randomise(model, draw(64, *shape))
        model.eval()
        x = draw(SAMPLES, *shape)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model, x[:1], str(folder / f"{name}.onnx"), opset_version=opset, input_names=["pixels"], output_names=["logits"], **options)
        Replaced.active = True
        with torch.no_grad():
            y = torch.cat([model(v.unsqueeze(0)) for v in x])
        Replaced.active = False
        data = np.concatenate([x.numpy().ravel(), y.numpy().ravel()]).astype("<f4")
        (folder / f"{name}.bin").write_bytes(data.tobytes())
        listed.append({"name": name, "samples": SAMPLES, "input": list(shape), "outputs": y.shape[1:].numel(), "pixels": pixels})
        if fitted:
            listed[-1]["activations"] = {f: coefficients(f) for f in fitted}
        size = (folder / f"{name}.onnx").stat().st_size
        print(f"{name}: opset {opset}, {size} bytes, logits up to {y.abs().max():.3g}, apart by {y.std(0).mean():.3g}")
    text = ",\n".join(json.dumps(f) for f in listed)
    (folder / "fixtures.json").write_text(f"[\n{text}\n]\n")


if __name__ == "__main__":
    main()
