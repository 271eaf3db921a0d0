"""Modules of PyTorch as circuits: values and gradients are those of PyTorch, and retrained learners are what
its own loops train to."""
import doctest
import math
import pickle

import numpy as np
import pytest

from circuit import CircuitError, InputError, cross_entropy, evaluate, gradient, record, relu
from circuit.importers import from_torch
from deletion import SGD, Learner, Momentum, retrain
from taylor import Polynomial
from taylor import evaluate as taylor_evaluate

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

TOLERANCE = 1e-12


class Lambda(nn.Module):
    """A function as a module, with a matrix of parameters beside it."""

    def __init__(self, function):
        super().__init__()
        self.function, self.w = function, nn.Parameter(torch.randn(3, 4))

    def forward(self, x):
        return self.function(x @ self.w)


class Attention(nn.Module):
    """Causal attention, and an unbatched head."""

    def __init__(self):
        super().__init__()
        self.embed, self.norm, self.out = nn.Embedding(7, 8), nn.LayerNorm(8), nn.Linear(8, 7)
        self.attention, self.drop = nn.MultiheadAttention(8, 2, batch_first=True), nn.Dropout(0.1)
        self.register_buffer("place", torch.linspace(0.0, 1.0, 5))

    def forward(self, ids):
        x = self.embed(ids) + self.place[:ids.shape[1], None]
        z, mask = self.norm(x), nn.Transformer.generate_square_subsequent_mask(ids.shape[1])
        y, _ = self.attention(z, z, z, need_weights=False, attn_mask=mask)
        return self.out(self.drop(F.gelu(x + y)))


class InPlace(nn.Module):
    """relu_ where nothing else reads its operand; and a matrix that is not trained."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)
        self.second.weight.requires_grad_(False)

    def forward(self, x):
        return self.second(F.relu(self.first(x), inplace=True)) + x.var(unbiased=False)


class Aliased(InPlace):
    """relu_ of what is read again."""

    def forward(self, x):
        y = self.first(x)
        return F.relu(y.view(-1), inplace=True).sum() + y.sum()


class Tied(nn.Module):
    """One matrix that embeds and unembeds."""

    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, ids):
        return self.out(torch.tanh(self.embed(ids)))


def convolutions():
    return nn.Sequential(nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.SiLU(),
                         nn.Conv2d(4, 6, 3, padding="same", groups=2), nn.GroupNorm(2, 6), nn.MaxPool2d(2),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3), nn.LogSoftmax(-1))


torch.manual_seed(0)
X, IMAGE, IDS = torch.randn(5, 3), torch.randn(2, 2, 8, 8), torch.tensor([[1, 4, 0, 6], [2, 2, 5, 3]])
MODULES = {
    "linear": (lambda: nn.Linear(3, 2), X), "one row": (lambda: nn.Linear(3, 2), X[0]),
    "perceptron": (lambda: nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2), nn.Softmax(-1)), X),
    "convolutions": (convolutions, IMAGE), "unbatched": (lambda: nn.Conv2d(2, 3, 3, dilation=2), IMAGE[0]),
    "conv1d": (lambda: nn.Sequential(nn.Conv1d(2, 3, 3), nn.AvgPool1d(2), nn.ReLU()), IMAGE[:, :, 0]),
    "average": (lambda: nn.Sequential(nn.Conv2d(2, 3, 1), nn.AvgPool2d(3, 2, 1)), IMAGE),
    "in place": (InPlace, X), "attention": (Attention, IDS), "tied": (Tied, IDS),
    "encoder": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu"),
                torch.randn(2, 4, 8)),
    "pre-norm": (lambda: nn.TransformerEncoderLayer(8, 2, 16, norm_first=True, batch_first=True),
                 torch.randn(2, 4, 8)),
    "rms": (lambda: nn.Sequential(nn.Linear(3, 4), nn.RMSNorm(4, eps=1e-5)), X),
} | {name: (lambda function=function: Lambda(function), X) for name, function in {
    "tanh gelu": lambda x: F.gelu(x, approximate="tanh"), "softplus": F.softplus, "elu": F.elu,
    "leaky": F.leaky_relu, "relu6": F.relu6, "mish": F.mish, "logsigmoid": F.logsigmoid,
    "clamp": lambda x: x.clamp(-0.3, 0.4),
    "functions": lambda x: x.exp() + x.sin() * x.cos() - x.erf() + x.abs(),
    "powers": lambda x: (x * x + 1).sqrt() + (x * x + 1).rsqrt() + x ** 3 + 2 / (x.square() + 2),
    "logs": lambda x: torch.log(x * x + 1) + torch.log1p(x * x) + torch.expm1(x),
    "sums": lambda x: x.sum(0) + x.mean() + x.var(0) + x.amax(1, keepdim=True) + x.logsumexp(1)[:, None],
    "shapes": lambda x: torch.cat([x.t().reshape(4, 5)[None], x.view(1, 4, 5)], 0)[1, ::2, 1:].flatten(),
    "moves": lambda x: torch.stack(x.chunk(2, 1)).permute(2, 0, 1).expand(2, 2, 5),
    "repeat": lambda x: x.repeat(2, 1, 2)[1, :, 3:6] ** 2,
    "masks": lambda x: x.masked_fill(torch.eye(5, 4) > 0, 2.0) * torch.where(x > 0, x, 0.5 * x),
    "products": lambda x: x.t() @ x + torch.einsum("ij,ik->jk", x, x ** 2),
    "batches": lambda x: torch.bmm(x[None], x.t()[None]) @ x.reshape(2, 2, 5, 1),
    "softmax": lambda x: F.softmax(x, 0) * F.log_softmax(x, 1), "cumsum": lambda x: x.cumsum(0).flip(1),
    "scores": lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None], is_causal=True),
    "split": lambda x: torch.roll(x, 1, 1).split([1, 3], 1)[1].squeeze() + x.select(1, 0)[:, None]}.items()}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def imported(name):
    make, x = MODULES[name]
    torch.manual_seed(0)
    module = make().eval().to(torch.float64)
    x = x.to(torch.float64) if x.is_floating_point() else x
    return from_torch(module, x), module, x


@pytest.mark.parametrize("name", MODULES)
def test_values_and_gradients(name):
    ours, module, x = imported(name)
    y = module(x)
    factors = torch.randn(y.shape, dtype=torch.float64)
    (factors * y).sum().backward()
    assert np.abs(ours(ours.parameters, x.numpy()) - y.detach().numpy()).max() <= TOLERANCE * max(
        1.0, y.abs().max().item())
    circuit, inputs = ours.circuit, [*ours.parameters.values(), x.numpy()]
    total = record(lambda *wires: (factors.numpy() * circuit(*wires)).sum(), *circuit.inputs)
    slopes = evaluate(gradient(total, range(len(ours.parameters))), inputs)[1:]
    trained = [(which, x) for which, x in module.named_parameters() if x.requires_grad]
    for (which, parameter), slope in zip(trained, slopes):
        theirs = np.zeros(slope.shape) if parameter.grad is None else parameter.grad.numpy()
        assert np.abs(slope - theirs).max() <= TOLERANCE * max(1.0, np.abs(theirs).max()), which


@pytest.mark.parametrize("name", ["perceptron", "attention", "encoder"])
def test_third_order_coefficients(name):
    """Of the circuit, against the polynomial through values of PyTorch along a line. (Its own derivatives of
    third order will not do: that of layer_norm is wrong.)"""
    ours, module, x = imported(name)
    rng, inputs, steps = np.random.default_rng(0), [], {}
    for key, value in ours.parameters.items():
        steps[key] = 0.1 * rng.normal(size=value.shape)
        orders = np.zeros((1, 3) + value.shape, complex)
        orders[0, 0] = steps[key]
        inputs.append(Polynomial(value, orders))
    series, = taylor_evaluate(ours.circuit, [*inputs, x.numpy()])
    weights = rng.normal(size=series.shape)

    def along(t):
        moved = {key: x.detach() + t * torch.tensor(steps[key]) for key, x in module.named_parameters()}
        with torch.no_grad():
            return (weights * torch.func.functional_call(module, moved, (x,)).numpy()).sum()

    nodes = 0.5 * np.cos(np.pi * (np.arange(60) + 0.5) / 60)
    fit = np.polynomial.Chebyshev.fit(nodes, [along(t) for t in nodes], 36, domain=[-0.5, 0.5])
    for r in (1, 2, 3):
        mine = (weights * series.coefficients[0, r - 1].real).sum()
        assert mine == pytest.approx(fit.deriv(r)(0.0) / math.factorial(r), rel=1e-9, abs=1e-9)


# learners ---------------------------------------------------------------------------------------------------

COUNT = 12
ROWS = np.random.default_rng(1).normal(size=(COUNT, 3))
CLASSES = np.random.default_rng(2).integers(0, 2, COUNT)
SCHEDULE = np.stack([np.random.default_rng(k).permutation(COUNT)[:4] for k in range(30)])


def perceptron():
    return nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 2)).to(torch.float64)


def learner(optimizer):
    model = from_torch(perceptron(), ROWS[:4])
    return Learner(model.parameters, list(zip(ROWS, CLASSES)),
                   lambda p, x, y: cross_entropy(model(p, x), y), optimizer, SCHEDULE)


@pytest.mark.parametrize("ours, theirs", [
    (SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    (Momentum(0.05, 0.9), lambda p: torch.optim.SGD(p, 0.05, momentum=0.9))])
def test_retrained_learners_are_those_of_torch(ours, theirs):
    rows = retrain(learner(ours), [[1, 2], [3]], progress=False)
    for row, deleted in zip(rows, ([1, 2], [3])):
        torch.manual_seed(0)
        module = perceptron()
        weights, optimizer = torch.ones(COUNT, dtype=torch.float64), theirs(module.parameters())
        weights[deleted] = 0.0
        for chosen in SCHEDULE:
            optimizer.zero_grad()
            losses = F.cross_entropy(module(torch.tensor(ROWS[chosen])), torch.tensor(CLASSES[chosen]),
                                     reduction="none")
            (losses * weights[chosen]).mean().backward()
            optimizer.step()
        truth = np.concatenate([x.detach().numpy().ravel() for x in module.parameters()])
        assert np.abs(row - truth).max() <= 1e-10 * np.abs(truth).max()


def test_modules_travel_to_other_processes():
    model = from_torch(perceptron(), ROWS[:4])
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again(again.parameters, ROWS[:4]), model(model.parameters, ROWS[:4]))
    with pytest.raises(CircuitError, match="another process"):
        again(again.parameters, ROWS)


def test_the_example_prints_what_it_says(capsys):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    example, = doctest.DocTestFinder(recurse=False).find(from_torch, "from_torch", globs={})
    runner.run(example)
    assert runner.tries and not runner.failures, capsys.readouterr().out


# what is refused --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("function, match", [
    (torch.round, "round at .*test_torch.py.*flat in between"), (torch.special.gammaln, "no rule"),
    (lambda x: x.argmax(1) * 1.0, "argmax at .*test_torch.py"), (lambda x: x.detach() * x, "detach.*stopped"),
    (lambda x: x.to(torch.int64) * 1.0, "rounded to whole")])
def test_operations_that_are_refused(function, match):
    with pytest.raises(CircuitError, match=match):
        from_torch(Lambda(function), X)


def test_other_things_that_are_refused():
    with pytest.raises(InputError, match="expected a torch.nn.Module"):
        from_torch(relu, X)
    with pytest.raises(CircuitError, match="relu_ at .*no rule"):
        from_torch(Aliased(), X)
    with pytest.raises(CircuitError, match="torch.bool"):
        from_torch(nn.Linear(3, 2), X > 0)
    with pytest.raises(CircuitError, match="padding_idx"):
        from_torch(nn.Embedding(7, 4, padding_idx=0), IDS)
    model = from_torch(nn.Linear(3, 2), X)
    with pytest.raises(InputError, match="expected a dict of the parameters"):
        model({"weight": np.zeros((2, 3))}, X.numpy())
    with pytest.raises(CircuitError, match="2 inputs for a module with 1"):
        model(model.parameters, X.numpy(), X.numpy())
