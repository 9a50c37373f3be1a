"""The second example: a small network that learns to read handwritten digits, in PyTorch's way of writing."""

from __future__ import annotations

import time

from tqdm import tqdm

import funcgrad as torch
import funcgrad.nn.functional as F
from funcgrad.demo import digits
from funcgrad.tape import stats

BATCH = 32
GOAL = 0.95


class Network:
    """64 pixels, two hidden layers of 128, 10 classes."""

    def __init__(self):
        self.w1, self.b1 = layer(64, 128)
        self.w2, self.b2 = layer(128, 128)
        self.w3, self.b3 = layer(128, 10)

    def parameters(self):
        return [self.w1, self.b1, self.w2, self.b2, self.w3, self.b3]

    def __call__(self, x):
        x = F.relu(x @ self.w1 + self.b1)
        x = F.relu(x @ self.w2 + self.b2)
        return x @ self.w3 + self.b3


def layer(inputs: int, outputs: int):
    weight = torch.randn(inputs, outputs) * (2 / inputs) ** 0.5
    bias = torch.zeros(outputs)
    return weight.requires_grad_(), bias.requires_grad_()


class SGD:
    """Stochastic gradient descent with momentum."""

    def __init__(self, parameters, lr: float, momentum: float):
        self.parameters, self.lr, self.momentum = parameters, lr, momentum
        self.velocities = [torch.zeros_like(p) for p in parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    def step(self):
        with torch.no_grad():
            for p, v in zip(self.parameters, self.velocities, strict=True):
                v.mul_(self.momentum).add_(p.grad)
                p -= self.lr * v


def batches(images, labels):
    """Both in a new order, BATCH at a time. What is left over waits for the next epoch: batches of one size make
    one program."""
    order = torch.randperm(len(images)).numpy()
    for i in range(0, len(order) - BATCH + 1, BATCH):
        rows = order[i : i + BATCH]
        yield torch.tensor(images[rows]), torch.tensor(labels[rows])


def train(model, train_set, epochs: int) -> dict:
    """Trains; returns what it took."""
    optimizer = SGD(model.parameters(), lr=0.05, momentum=0.9)
    per_epoch = len(train_set[0]) // BATCH
    marks = []  # what had been done when each epoch began
    with tqdm(total=epochs * per_epoch, unit=" steps") as bar:
        for epoch in range(epochs):
            marks.append((time.perf_counter(), stats.compiles, stats.runs))
            for images, labels in batches(*train_set):
                loss = F.cross_entropy(model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                bar.update()
            bar.set_postfix(epoch=epoch + 1, loss=f"{loss.item():.4f}")
    marks.append((time.perf_counter(), stats.compiles, stats.runs))
    return {"steps": epochs * per_epoch, "per_epoch": per_epoch, "marks": marks}


def accuracy(model, test_set) -> float:
    images, labels = map(torch.tensor, test_set)
    with torch.no_grad():
        return (model(images).argmax(1) == labels).float().mean().item()


def main(epochs: int = 15, seed: int = 0) -> int:
    """0 if the test accuracy is over GOAL, else 1."""
    torch.manual_seed(seed)
    train_set, test_set = digits.split()
    model = Network()

    print(
        f"\n{len(train_set[0])} handwritten digits to learn from, {len(test_set[0])} to be tested on",
        flush=True,
    )
    took = train(model, train_set, epochs)
    score = accuracy(model, test_set)

    print(f"test accuracy     {score:.1%}")
    report(**took)
    if score <= GOAL:
        print(f"expected more than {GOAL:.0%}: train for more epochs")
        return 1
    return 0


def report(steps: int, per_epoch: int, marks: list) -> None:
    """Steps a second, compiles and runs; the first epoch, in which the programs are compiled, apart from the rest."""
    first, last = marks[0], marks[-1]
    warm = marks[1] if len(marks) > 2 else first
    later = steps - (per_epoch if warm is not first else 0)
    runs, compiles = last[2] - warm[2], last[1] - warm[1]
    compiled = " once compiled" if warm is not first else ", compiling included"
    print(
        f"steps             {steps} in {last[0] - first[0]:.1f} s; {later / (last[0] - warm[0]):.0f} a second{compiled}"
    )
    print(f"programs compiled {last[1] - first[1]}")
    print(f"programs run      {last[2] - first[2]}")
    when = "after the first epoch" if warm is not first else "in one epoch"
    verdict = "one program a step" if runs == later else f"{runs / later:.2f} programs a step"
    print(f"{when}: {later} steps, {runs} runs, {compiles} compiles: {verdict}")
