"""What a training run is, as data: the method that makes bits, how long and how fast it trains, the recipe that joins them.

Stands on errors. No torch here, so that a recipe can be read, compared and stored by anyone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from hwflow.errors import RecipeError

WEIGHTS = ("sign", "imb", "wsd", "xnor", "trained", "recu", "biper", "adabin")
ACTS = ("sign", "asd", "asd-dynamic", "deviation", "react", "adabin")
ESTIMATORS = ("ste", "poly", "ede", "dte", "longtail", "identity", "fourier")


MOST = 1_000_000  # epochs of a run, and images of a batch


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise RecipeError(f"{what}: must be one of {', '.join(known)}, not {value!r}")


def _finite(what: str, values: Any) -> None:
    for f in fields(values):
        value = getattr(values, f.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise RecipeError(f"{what}: {f.name} must be a finite number, not {value}")


@dataclass(frozen=True)
class Method:
    """How real values become bits, forward, and how gradients pass, backward.

    `weights` is one of WEIGHTS, `acts` one of ACTS, `estimator` one of ESTIMATORS (`act_estimator` for the
    activations when it differs). More than one bit makes both fixed point: `weight_bits`, `act_bits` in 1..8.
    `t_min` and `t_max` bound the sharpness of EDE and DTE; `epsilon` is the share DTE keeps updatable.
    `real_until` is the share of training during which binary weights take part with their real values, so that
    activations become binary first: the two stages of Bi-Real and ReActNet. With `hardtanh`
    no gradient passes where an activation lies outside (-1, 1), as with the Hardtanh that the references put in front of
    every sign; nothing that is exported changes.
    `full` switches all quantizers off: the full-precision twin that teaches.
    """

    weights: str = "imb"
    acts: str = "sign"
    estimator: str = "dte"
    act_estimator: str | None = None
    weight_bits: int = 1
    act_bits: int = 1
    t_min: float = 0.1
    t_max: float = 10.0
    epsilon: float = 0.1
    real_until: float = 0.0
    hardtanh: bool = True
    full: bool = False

    def __post_init__(self) -> None:
        _finite("method", self)
        _one_of("weights", self.weights, WEIGHTS)
        _one_of("acts", self.acts, ACTS)
        _one_of("estimator", self.estimator, ESTIMATORS)
        _one_of("act_estimator", self.act_estimator or self.estimator, ESTIMATORS)
        for name in ("weight_bits", "act_bits"):
            if not 1 <= getattr(self, name) <= 8:
                raise RecipeError(f"method: {name} must be 1 .. 8, not {getattr(self, name)}")
        if not 0 < self.t_min <= self.t_max:
            raise RecipeError(f"method: needs 0 < t_min <= t_max, not {self.t_min} and {self.t_max}")
        if not 0 < self.epsilon < 1:
            raise RecipeError(f"method: epsilon must lie between 0 and 1, not {self.epsilon}")
        if not 0 <= self.real_until < 1:
            raise RecipeError(f"method: real_until must be at least 0 and below 1, not {self.real_until}")

    @property
    def for_acts(self) -> str:
        """The estimator of the activations."""
        return self.act_estimator or self.estimator


# what `--method NAME` means; the sharpness and the bits stay those of the recipe
METHODS: dict[str, Method] = {
    "ste": Method(weights="sign", estimator="ste"),
    "ir-net": Method(weights="imb", estimator="ede"),
    "dir-net": Method(weights="imb", estimator="dte"),
    "ir2-net": Method(weights="sign", estimator="ste", act_estimator="poly"),
    "sd-bnn": Method(weights="wsd", acts="asd", estimator="ede"),
    "xnor-net": Method(weights="xnor", estimator="ste"),
    "trained-binarization": Method(weights="trained", estimator="longtail"),
    "recu": Method(weights="recu", acts="deviation", estimator="identity", act_estimator="poly"),
    "biper": Method(weights="biper", acts="deviation", estimator="identity", act_estimator="poly"),
    "bi-real": Method(weights="xnor", estimator="ste", act_estimator="poly", real_until=0.5),
    "react": Method(weights="sign", acts="react", estimator="ste", act_estimator="poly"),
    "fda": Method(weights="sign", estimator="fourier"),
    "adabin": Method(weights="adabin", acts="adabin", estimator="ede", act_estimator="poly", hardtanh=False),
}


@dataclass(frozen=True)
class Training:
    """The run: how long, how fast, on what, and what is added to the loss. Every number has the unit its name says.

    `optimizer` is adam, adamw or sgd; `schedule` is cosine, onecycle or constant. `augment` names any of shift
    (by up to `shift` pixels), warp (turn, zoom, shear and bend a little, `warp` times
    as much as for a digit that stays readable) and flip. `rbd` and `logits` weigh the two distillations (papers: layerwise alignment, soft labels) from a
    full-precision twin trained for `teacher_epochs`; `restriction` adds IR2Net's second, erased pass.
    `scale_decay` is the L2 weight on trained weight scales. `ema` is the decay of averaged latent weights (0 is off).
    `amp` trains with bfloat16 products where the device has them (evaluation and export stay float32), `compile` by torch.compile.
    """

    epochs: int = 20
    batch: int = 100
    lr: float = 1e-3
    optimizer: str = "adam"
    schedule: str = "cosine"
    warmup: int = 0
    weight_decay: float = 0.0
    momentum: float = 0.9
    label_smoothing: float = 0.0
    augment: tuple[str, ...] = ()
    shift: int = 2
    warp: float = 1.0
    rbd: float = 0.0
    logits: float = 0.0
    temperature: float = 4.0
    teacher_epochs: int = 10
    restriction: bool = False
    scale_decay: float = 0.0
    ema: float = 0.0
    amp: bool = False
    compile: bool = False
    limit: int = 0  # train on the first `limit` images only; 0 is all
    seed: int = 0
    evaluate_every: int = 1
    threads: int = 0  # of the CPU; 0 is torch's choice, 1 is fastest for small networks

    def __post_init__(self) -> None:
        _finite("training", self)
        _one_of("optimizer", self.optimizer, ("adam", "adamw", "sgd"))
        _one_of("schedule", self.schedule, ("cosine", "onecycle", "constant"))
        for name in self.augment:
            _one_of("augment", name, ("shift", "warp", "flip"))
        for name in ("epochs", "batch"):
            if not 1 <= getattr(self, name) <= MOST:
                raise RecipeError(f"training: {name} must be 1 .. {MOST}, not {getattr(self, name)}")
        if not 0 <= self.seed < 1 << 63:
            raise RecipeError(f"training: seed must be 0 .. 2^63 - 1, not {self.seed}")
        if not self.lr > 0:
            raise RecipeError(f"training: lr must be above 0, not {self.lr}")
        if self.threads < 0:
            raise RecipeError(f"training: threads must be at least 0, not {self.threads}")


@dataclass(frozen=True)
class Recipe:
    """One training run: `network(method)` builds the torch module, `data` names the images, `training` the run.

    `input` is the contract with the hardware, TYPE/DENOMINATOR: the integers it receives and the real value of one
    step. `flat` networks take (n, features), the others (n, C, H, W). `source` is filled in by whoever loads the recipe ("models/mlp.py:digits").
    `task` is what the answers mean: an entry of hwflow.train.tasks.TASKS; `outputs` are the
    names of its outputs in the exported file.
    """

    name: str
    network: Callable[[Method], Any] = field(compare=False)
    data: str
    input: str = "u8/255"
    flat: bool = False
    method: Method = field(default_factory=Method)
    training: Training = field(default_factory=Training)
    source: str = ""
    task: str = "classify"
    outputs: tuple[str, ...] = ("y",)

    @property
    def denominator(self) -> int:
        """Steps per unit of the network's real input."""
        return int(self.input.partition("/")[2] or 1)

    def spec(self) -> dict[str, Any]:
        """What a checkpoint keeps: everything but the code."""
        return {"name": self.name, "data": self.data, "input": self.input, "source": self.source,
                "task": self.task, "method": asdict(self.method), "training": asdict(self.training)}  # fmt: skip


def changed(recipe: Recipe, method: str | None = None, **training: Any) -> Recipe:
    """`recipe` with the named method and the given values of its training; None leaves a value as it is."""
    if method is not None:
        _one_of("method", method, tuple(METHODS))
        own = recipe.method
        kept = {name: getattr(own, name) for name in ("t_min", "t_max", "epsilon", "weight_bits", "act_bits")}
        recipe = replace(recipe, method=replace(METHODS[method], **kept))
    return replace(recipe, training=replace(recipe.training, **{k: v for k, v in training.items() if v is not None}))


def suffix_of(bits: int | None = None, width: int | None = None) -> str:
    """What the name of a recipe with other bits, and a width in percent of its own, ends with: -b2-w50."""
    return (f"-b{bits}" if bits is not None else "") + (f"-w{width}" if width is not None else "")


def method_of(spec: dict[str, Any]) -> Method:
    """The method a checkpoint names; fields this version does not know are ignored."""
    return Method(**_check_known(Method, spec["method"]))


def todays(spec: dict[str, Any]) -> dict[str, Any]:
    """What a run of any version keeps of its recipe, in today's names: `training` was once called plan."""
    return {"training" if key == "plan" else key: value for key, value in spec.items()}


def training_of(spec: dict[str, Any]) -> Training:
    """The training a checkpoint names; fields this version does not know are ignored."""
    training = _check_known(Training, todays(spec)["training"])
    return Training(**{**training, "augment": tuple(training.get("augment", ()))})


def _check_known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(kind)}
    return {k: v for k, v in values.items() if k in names}
