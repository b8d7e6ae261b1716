"""What theory says about networks: predictions of the exact engine, beside training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from istsim import figures
from istsim.experiments._seconds import SECONDS

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray
    from torch import nn

_UNITS, _IMAGES = 6, 400
_MADE_BY = ("istsim", "jax", "torch")  # whose versions are stored with the data


def _perceptron() -> nn.Module:
    from istsim import networks

    model = networks.mlp([64, _UNITS, 10])
    model[-1].bias.requires_grad_(False)  # else all workers would hold it, and there would be no formulas
    return model


def _residual_network() -> nn.Module:
    from torch.func import replace_all_batch_norm_modules_

    from istsim import networks

    model = networks.ResNet(10, channels=1, width=2, depths=(1, 1))
    replace_all_batch_norm_modules_(model)  # statistics of each batch, none kept
    return model


@dataclasses.dataclass(frozen=True)
class NetworkPrediction:
    """A network's next rounds, predicted from its local quadratic, and trained.

    In contrast to an `Experiment`, theory and runs need not agree: a network is not a quadratic.

    Attributes:
        name: of its files.
        title: a line for people.
        text: what it shows.
        network: makes it, untrained.
        steps: that it is trained for before.
        images: that each of the two workers has.
        step_size: of the rounds.
        rounds: that are predicted.
        local_steps: of IST; None for SDP with forward masking in its place.
    """

    name: str
    title: str
    text: str
    network: Callable[[], nn.Module]
    steps: int
    images: int
    step_size: float
    rounds: int
    local_steps: int | None

    @property
    def seconds(self) -> float:
        """The expected seconds of a processor, see `_seconds`."""
        return SECONDS.get(self.name, 1.0)

    def measure(self, quick: bool) -> xarray.Dataset:
        """Predict, then train: all data as one dataset over `algorithm`."""
        import torch
        import xarray

        from istsim import networks

        data = networks.digits()
        inputs, targets = data.train_inputs[:_IMAGES].double(), data.train_targets[:_IMAGES]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = self.network().double()
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
        for _ in range(self.steps):
            optimizer.zero_grad()
            networks.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
        methods: dict[str, Any] = {"SDP, backward masking": networks.SDP(2, 0.5, "backward", resample_every=1)}
        if self.local_steps is None:
            methods["SDP, forward masking"] = networks.SDP(2, 0.5, "forward", resample_every=1)
        else:
            methods[f"IST, {self.local_steps} local steps"] = networks.IST(2, self.local_steps)
        found = [
            networks.compare_with_quadratic(
                model,
                networks.neurons(model),
                method,
                [(inputs[i::2][: self.images], targets[i::2][: self.images]) for i in range(2)],
                step_size=self.step_size,
                rounds=self.rounds,
                repetitions=10 if quick else 40,
            )
            for method in methods.values()
        ]
        together: Any = xarray.concat(found, dim="algorithm", combine_attrs="drop").assign_coords(
            algorithm=list(methods)
        )
        together["floor"] = "algorithm", [one.attrs["floor"] for one in found]
        together.attrs = {"experiment": self.name, "title": self.title, "text": self.text, "stored": 0}
        together.attrs |= {f"{name}_version": metadata.version(name) for name in _MADE_BY}
        return together

    def stored(self) -> xarray.Dataset:
        """The data of a full `measure` that come with the package, so that nobody needs torch to see them."""
        import xarray

        data = xarray.load_dataset(Path(__file__).parent / "stored" / f"{self.name}.nc", engine="h5netcdf")
        return data.assign_attrs(stored=1)

    def figure(self, data: xarray.Dataset) -> matplotlib.figure.Figure:
        """From the data to a figure."""
        return figures.prediction(data)

    def caption(self, data: xarray.Dataset) -> str:
        """What the figure shows, and by how much the prediction is off."""
        told, last = [], data.isel(round=-1)
        count = data.sizes["repetition"]
        for name in data.algorithm.values:
            one, start = last.sel(algorithm=name), float(data.predicted_loss.sel(algorithm=name)[0])
            error = float(one.loss.std("repetition", ddof=1)) / count**0.5
            told.append(
                f"{name}: the loss changes by {float(one.predicted_loss) - start:+.4f} as predicted, by "
                f"{float(one.loss.mean('repetition')) - start:+.4f} ± {error:.1g} in training"
            )
        origin = ""
        if data.attrs["stored"]:
            *some, last = (f"{name} {data.attrs[f'{name}_version']}" for name in _MADE_BY)
            origin = (
                f" These data were not made now: they come with istsim, and were made by {', '.join(some)} and {last}. "
                "With --networks they are made anew."
            )
        return (
            f"{data.attrs['text']} Lines: predicted by the exact engine, without training. Dots: mean of {count} runs, "
            "with two standard errors. Below: the root of the parameters' summed variances over masks. "
            f"{'; '.join(told)}.{origin}"
        )


PREDICTIONS = (
    NetworkPrediction(
        name="network-prediction",
        title="A network, predicted from its local quadratic",
        text=(
            f"A network with one hidden layer of {_UNITS} units, trained for a while on {_IMAGES} digits; then two "
            "workers, each of which holds half of the units in every round, go on from there with step size "
            "0.1. Masking the gradient is predicted well; masking the model leads away from where the quadratic was "
            "made, in the first round already, and is predicted in kind only."
        ),
        network=_perceptron,
        steps=60,
        images=_IMAGES // 2,
        step_size=0.1,
        rounds=15,
        local_steps=None,
    ),
    NetworkPrediction(
        name="resnet-prediction",
        title="A residual network, predicted from its local quadratic",
        text=(
            "A small residual network, trained for a while on 400 digits; then two workers with 100 digits each, which "
            "hold half of the channels in every round. Under backward masking the loss falls as predicted at first, "
            "and then by less, for the losses bend within these steps. Under IST the direction and the order of "
            "magnitude are right."
        ),
        network=_residual_network,
        steps=100,
        images=100,
        step_size=0.005,
        rounds=10,
        local_steps=3,
    ),
)
