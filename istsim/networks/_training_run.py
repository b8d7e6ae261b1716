"""A training run by what it is made of: what `istsim train` does."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import operator
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch
from torch import nn

from istsim._validation import did_you_mean, one_of, positive_int, whole_number
from istsim.networks._architectures import blocks, neurons
from istsim.networks._engine import Engine
from istsim.networks._graph import spectral_gap
from istsim.networks._initialisation import initialised
from istsim.networks._layout import Layout
from istsim.networks._local_parallelism import LocalParallelism
from istsim.networks._masks import Masks
from istsim.networks._memory import Memory, predicted_memory
from istsim.networks._methods import IST, SDP, DataParallel, Method
from istsim.networks._sized_models import MODELS
from istsim.networks._trainer import MakeOptimizer, cross_entropy
from istsim.networks._training import Round, rounds
from istsim.networks.data import Batches, Data, cifar10, digits, saved_dataset, text
from istsim.networks.data._cifar10 import holds_cifar10

_OF_LOCAL = ("chunks", "window", "shared", "asynchronous", "head_width", "head_depth")
_ONE_REPLICA = ("local", "pipeline")
_WHOLE_NUMBERS = (
    *("workers", "local_steps", "resample_every", "chunks", "window", "microbatches", "head_width", "head_depth"),
    *("width", "rounds", "evaluate_every", "batch_size"),
)
_EVALUATIONS = 20  # about so many in a run
_CALIBRATION = 4096  # examples for the statistics of batch norms


_ONLY_OF = {
    **dict.fromkeys(("masking", "resample_every"), ("sdp",)),
    **dict.fromkeys(("mode", *_OF_LOCAL), ("local",)),
    "workers": ("ist", "sdp", "dense", "local-sgd", "dropout", "ddp", "fsdp", "pipeline"),
    "microbatches": ("pipeline",),
    "coverage": ("sdp", "dropout"),
    "local_steps": ("ist", "local-sgd", "local"),
    "rescale": ("ist",),
    "level": ("ist", "sdp", "dropout"),
    "checkpointing": ("dense", "ddp", "fsdp"),
}


@dataclasses.dataclass(frozen=True)
class TrainingRun:
    """A run of IST, SDP, or what they are compared with.

    Attributes:
        method: "ist" or "sdp"; or one by which every worker holds everything: "dense" is data parallelism, "local-sgd"
            averages values after local steps in place of gradients, "dropout" leaves units out in training; "ddp" and
            "fsdp" are torch's DistributedDataParallel and fully_shard, for runs by torchrun; "pipeline" is its
            pipeline parallelism; "local" is local-update parallelism, whose units are blocks of one model.
        masking: of SDP: "forward", workers compute with small models; "backward", with the whole one.
        level: what is held or not, or dropped: neurons, channels and heads (of which Dropout drops single entries), or
            whole blocks (Stochastic Depth).
        coverage: of SDP: the fraction of the workers that hold a unit; of dropout: the fraction that is kept.
        workers: how many; of a pipeline, its stages. Units of local updates are counted by their mode.
        local_steps: of IST and local SGD: steps between two rounds; of local updates, steps before units wait for each
            other. Else a round is a step.
        rescale: of IST: units' outputs are divided by the fraction held, or multiplied by it in evaluation.
        resample_every: of SDP: rounds after which all is dealt anew; None for never.
        mode: of local updates: "greedy", every block follows a loss of its own; "chunked"; or "overlapping" windows.
        chunks: of "chunked": how many.
        window: of "overlapping": the blocks that a loss sees.
        shared: of "overlapping": a block takes the sum of its windows' gradients, or that of the farthest-seeing one.
        asynchronous: of "overlapping", by torchrun: units wait for no values of blocks that others train.
        microbatches: of a pipeline: equal parts that a batch is cut into.
        head_width: of auxiliary heads' hidden layers; as wide as what they take in if None.
        head_depth: of auxiliary heads: their dense layers.
        checkpointing: of data parallelism: what blocks compute inside is computed again in the backward pass, and not
            kept.
        model: which.
        width: of the MLP's two hidden layers (256 if None), of the first stage of a ResNet or of a transformer (64).
        data: "digits" and "text" come with their packages; or a folder: CIFAR-10's binary files, or a data set that
            was written by `datasets`.
        rounds: how many.
        evaluate_every: rounds between evaluations on test data; a twentieth of the rounds if None.
        batch_size: of each worker.
        optimizer: "momentum" is SGD with momentum 0.9.
        step_size: of the optimizer.
        seed: of the initial model, the data's order and the masks.

    Example:
        >>> from istsim import networks
        >>> networks.TrainingRun(method="sdp", coverage=0.5).layout_and_method(networks.mlp([64, 32, 10]))[1]
        SDP(num_workers=4, coverage=0.5, masking='forward', resample_every=None)
    """

    method: Literal["ist", "sdp", "dense", "local-sgd", "dropout", "ddp", "fsdp", "local", "pipeline"] = "ist"
    masking: Literal["forward", "backward"] = "forward"
    level: Literal["neuron", "block"] = "neuron"
    coverage: float = 0.5
    workers: int = 4
    local_steps: int = 10
    rescale: Literal["none", "forward", "evaluation"] = "none"
    resample_every: int | None = None
    mode: Literal["greedy", "chunked", "overlapping"] = "greedy"
    chunks: int | None = None
    window: int | None = None
    shared: Literal["sum", "farthest"] = "sum"
    asynchronous: bool = False
    microbatches: int = 4
    head_width: int | None = None
    head_depth: int = 1
    checkpointing: bool = False
    model: Literal["mlp", "resnet18", "llama", "hf-llama", "hf-resnet"] = "mlp"
    width: int | None = None
    data: str = "digits"
    rounds: int = 150
    evaluate_every: int | None = None
    batch_size: int = 32
    optimizer: Literal["sgd", "momentum", "adam", "adamw"] = "sgd"
    step_size: float = 0.1
    seed: int = 0

    def __post_init__(self):
        _check(vars(self))
        given = {name: getattr(self, name) for name in (*_WHOLE_NUMBERS, "seed")}
        # Plain ints, which the log can hold, whatever library they came from.
        vars(self).update({name: operator.index(value) for name, value in given.items() if value is not None})

    @classmethod
    def read(cls, path: Path) -> TrainingRun:
        """The run of a log.json, or of a TOML or JSON file with some of the fields.

        Raises:
            ValueError: for a file that is neither, or names that are no fields.
        """
        path = Path(path)
        if path.is_dir():
            path = path / "log.json"
        try:
            found = json.loads(path.read_text()) if path.suffix == ".json" else tomllib.loads(path.read_text())
        except (json.JSONDecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not valid: {error}") from None
        except OSError as error:
            raise ValueError(f"cannot read the run's options: {error.strerror}: {str(path)!r}") from None
        options = found.get("run", found) if isinstance(found, dict) else found
        if not isinstance(options, dict):
            raise ValueError(f"{path} must name options of a run, got {options!r}")
        options = {name.replace("-", "_"): value for name, value in options.items()}
        fields = [field.name for field in dataclasses.fields(cls)]
        for name in options:
            if name not in fields:
                raise ValueError(
                    f"{path}: {name!r} is no option of a run; {did_you_mean(name, fields)}they are {', '.join(fields)}"
                )
        try:
            _check({**dataclasses.asdict(cls()), **options})
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        return cls(**options)

    def load_data(self) -> Data:
        """The data.

        Raises:
            ValueError: for a name that is neither known nor a folder.
        """
        if self.data in ("digits", "text"):
            return {"digits": digits, "text": text}[self.data]()
        folder = Path(self.data)
        if not folder.is_dir():
            raise ValueError(f"data must be 'digits', 'text' or a folder, got {self.data!r}")
        return cifar10(folder) if holds_cifar10(folder) else saved_dataset(folder)

    def empty_model(self, data: Data) -> nn.Module:
        """The model for these data, without values: on the device "meta".

        Raises:
            ValueError: for a model of images and data that are text, or the other way round.
        """
        if data.is_text != self.model.endswith("llama"):
            kind = "text" if data.is_text else "images"
            takes = [name for name in MODELS if data.is_text == name.endswith("llama")]
            raise ValueError(
                f"{self.data!r} is {kind}, which the model {self.model!r} does not take; those that do are "
                f"{', '.join(takes)}"
            )
        with torch.device("meta"):
            return MODELS[self.model](data, self.width or (256 if self.model == "mlp" else 64))

    def make_model(self, data: Data) -> nn.Module:
        """The model for these data, initialised by the seed; refuses what `empty_model` refuses."""
        return initialised(self.empty_model(data), self.seed)

    def layout_and_method(self, model: nn.Module) -> tuple[Layout, Method]:
        """What of the model may be held by some workers only, and how it is trained."""
        layout = neurons(model) if self.level == "neuron" else blocks(model)
        if self.method == "ist":
            return layout, IST(self.workers, self.local_steps, self.rescale)
        if self.method == "sdp":
            return layout, SDP(self.workers, self.coverage, self.masking, self.resample_every)
        if self.method == "local":
            options = {name: getattr(self, name) for name in _OF_LOCAL}
            return layout, LocalParallelism(self.mode, local_steps=self.local_steps, **options)
        local_steps = self.local_steps if self.method == "local-sgd" else 1
        keep = self.coverage if self.method == "dropout" else 1.0
        workers = 1 if self.method in _ONE_REPLICA else self.workers
        return layout, DataParallel(workers, local_steps, keep, self.checkpointing)

    def batches(self, data: Data) -> Batches:
        """What each worker trains on; the units of local updates share theirs."""
        return Batches(data, 1 if self.method in _ONE_REPLICA else self.workers, self.batch_size, seed=self.seed)

    def make_optimizer(self) -> MakeOptimizer:
        """Gives an optimizer for parameters."""
        return lambda parameters: _OPTIMIZERS[self.optimizer](parameters, self.step_size)

    def predicted_memory(self, data: Data) -> dict[str, dict[str, int]]:
        """Bytes of a worker or unit by kind, most of any, by theory: of this run, and of data parallelism."""
        model = self.empty_model(data)
        layout, method = self.layout_and_method(model)
        inputs, targets = self.batches(data)(0, 0)
        options: dict[str, Any] = {"make_optimizer": self.make_optimizer(), "loss": cross_entropy}
        options |= {"inputs": inputs, "targets": targets}
        if self.method in _ONE_REPLICA:
            from istsim.networks.local import predicted_memory_of_stages, predicted_memory_of_units

            if isinstance(method, LocalParallelism):
                parts = predicted_memory_of_units(model, method, **options)
            else:
                parts = predicted_memory_of_stages(model, self.workers, self.microbatches, **options)
            this = functools.reduce(Memory.most, parts)
        else:
            this = predicted_memory(model, layout, method, **options)
        dense = predicted_memory(model, layout, DataParallel(method.num_workers), **options)
        found = {"this": this, "data_parallelism": dense}
        if self.method == "fsdp":
            from istsim.networks.distributed._replicas import gathered_at_once

            sharded = {kind: getattr(found["this"], kind) // self.workers for kind in ("gradients", "optimizer")}
            parameters = found["this"].parameters // self.workers + gathered_at_once(model)
            found["this"] = dataclasses.replace(found["this"], parameters=parameters, **sharded)
        return {name: dataclasses.asdict(memory) for name, memory in found.items()}

    def rows(self, engine: Engine, data: Data, done: int = 0) -> Iterator[dict[str, Any]]:
        """Train, and give a row of numbers for each round after the first `done`: see `Log`."""
        layout, method = engine.layout, engine.method
        batches = self.batches(data)
        calibration = data.train_inputs[:_CALIBRATION].split(256) if _has_batch_norm(engine.model) else ()
        every = self.evaluate_every or max(1, self.rounds // _EVALUATIONS)
        steps = self.rounds * method.local_steps
        run = rounds(engine, method, Masks(method, layout, self.seed), batches, steps, done * method.local_steps)

        def row_of(one: Round) -> dict[str, Any]:
            row = {name: getattr(one, name) for name in ("steps", "loss", "bytes_down", "bytes_up", "flops", "seconds")}
            row = {"round": one.number, **row, "spectral_gap": spectral_gap(one.held)}
            row |= {"test_loss": math.nan, "accuracy": math.nan}
            if one.number % every == 0 or one.number == self.rounds or not math.isfinite(one.loss):
                found = engine.evaluate(data.test_inputs, data.test_targets, calibration)
                row |= {"test_loss": found.loss, "accuracy": found.accuracy}
            return row

        return map(row_of, run)


def _check(options: Mapping[str, Any]) -> None:
    """Refuse options of a run that are wrong, or would do nothing."""
    for name, kind in get_type_hints(TrainingRun).items():
        if get_origin(kind) is Literal:
            one_of(name, options[name], get_args(kind))
        if kind is bool and not isinstance(options[name], bool):
            raise ValueError(f"{name} must be true or false, got {options[name]!r}")
    for name in _WHOLE_NUMBERS:
        if options[name] is not None or getattr(TrainingRun, name) is not None:
            positive_int(name, options[name])
    whole_number("seed", options["seed"])
    for name in ("step_size", "coverage"):
        value = options[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ValueError(f"{name} must be a positive number, got {value!r}")
    if options["method"] == "dropout" and options["coverage"] > 1:
        raise ValueError(f"coverage must be at most 1, got {options['coverage']!r}")
    if options["method"] == "pipeline" and options["batch_size"] % options["microbatches"]:
        raise ValueError(
            f"microbatches must divide the batch_size, {options['batch_size']}, got {options['microbatches']}"
        )
    if not isinstance(options["data"], str):
        raise ValueError(f"data must be 'digits', 'text' or a folder, got {options['data']!r}")
    for name, methods in _ONLY_OF.items():
        if options["method"] not in methods and options[name] != getattr(TrainingRun, name):
            raise ValueError(
                f"{name} = {options[name]!r} is of {', '.join(methods)}: with method = {options['method']!r} leave "
                "it out"
            )


_OPTIMIZERS: dict[str, Callable[[Any, float], torch.optim.Optimizer]] = {
    "sgd": lambda parameters, step_size: torch.optim.SGD(parameters, step_size),
    "momentum": lambda parameters, step_size: torch.optim.SGD(parameters, step_size, momentum=0.9),
    "adam": lambda parameters, step_size: torch.optim.Adam(parameters, step_size),
    "adamw": lambda parameters, step_size: torch.optim.AdamW(parameters, step_size),
}


def _has_batch_norm(model: nn.Module) -> bool:
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
