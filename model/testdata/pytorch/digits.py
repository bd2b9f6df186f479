import gzip, pathlib, sys
import numpy, torch
from torch import nn
from pillar import Polynomial, export, train


def read(folder, name):
    """The images or labels of an IDX file."""
    data = gzip.open(pathlib.Path(folder) / f"{name}-ubyte.gz").read()
    if "labels" in name:
        return torch.tensor(numpy.frombuffer(data, numpy.uint8, offset=8)).long()
    return torch.tensor(numpy.frombuffer(data, numpy.uint8, offset=16)).view(-1, 1, 28, 28) / 255


net = nn.Sequential(
    nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.BatchNorm2d(16), Polynomial(),
    nn.Conv2d(16, 32, 5, stride=2, padding=2), nn.BatchNorm2d(32), Polynomial(),
    nn.Flatten(), nn.Linear(1568, 100), nn.BatchNorm1d(100), Polynomial(),
    nn.Linear(100, 10))
folder, path, epochs = sys.argv[1], sys.argv[2], int(sys.argv[3])
images, labels = read(folder, "train-images-idx3"), read(folder, "train-labels-idx1")


def batches():
    for i in torch.randperm(len(images)).split(128)[:-1]:
        yield images[i], labels[i]


torch.manual_seed(1)
train(net, batches, torch.optim.Adam(net.parameters()), epochs)
export(net, images, path)

images, labels = read(folder, "t10k-images-idx3"), read(folder, "t10k-labels-idx1")
with torch.no_grad():
    right = (net(images).argmax(1) == labels).float().mean()
print(f"{100 * right:.2f} % of the test images;", "largest inputs of the activations:",
      *(f"{m.seen.abs().max():.1f}" for m in net if isinstance(m, Polynomial)))
