"""Which method trains better: equal budgets, each at its own best learning rate, five seeds, paired tests.

Stands on the loop. Every finished run is kept in a JSON file at once, so the experiment can be interrupted and gone on with.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from scipy.stats import ttest_rel

from hwflow.bench.tables import FOLLOWS
from hwflow.errors import RecipeError
from hwflow.places import MODELS
from hwflow.recipe import METHODS, Method, Recipe
from hwflow.train import load_recipe
from hwflow.train.loop import measure
from hwflow.train.run import versions


@dataclass(frozen=True)
class Contender:
    """One method of the table: its name, its method, and what it changes in the training."""

    name: str
    method: Method
    training: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)  # what it gives the network besides the method


BASE = "STE + Hardtanh"  # what every other method is compared with
CONTENDERS = (
    Contender("STE", Method(weights="sign", estimator="identity", hardtanh=False)),
    Contender(BASE, Method(weights="sign", estimator="ste")),
    Contender("polynomial", Method(weights="sign", estimator="ste", act_estimator="poly")),
    Contender("EDE", Method(weights="sign", estimator="ede")),
    Contender("DTE", Method(weights="sign", estimator="dte")),
    Contender("IMB + EDE", Method(weights="imb", estimator="ede")),
    Contender("IMB + DTE", Method(weights="imb", estimator="dte")),
    Contender("WSD + ASD + EDE", Method(weights="wsd", acts="asd", estimator="ede")),
    Contender("ReCU", METHODS["recu"]),
    Contender("AdaBin", METHODS["adabin"]),
    Contender("IMB + DTE + RBD", Method(weights="imb", estimator="dte"), {"rbd": 1.0}),
    Contender("IMB + DTE + restriction", Method(weights="imb", estimator="dte"), {"restriction": True}),
)


@dataclass(frozen=True)
class Setting:
    """A network, its data and the budget of every method: `epochs` of `batch` images, rates to try, seeds to compare.

    `limit`: the first training images alone take part; 0 is all. All are compared with the contender named `base`.
    """

    spec: str
    file: str
    epochs: int
    batch: int
    rates: tuple[float, ...] = (0.005, 0.02, 0.08)
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    without: tuple[str, ...] = ()  # contenders that are no different on this network
    limit: int = 0
    base: str = BASE
    command: str = "hwflow bench experiment"


# a perceptron has no map of features whose attention could restrict its input
MLP = Setting("mlp:tfc", "experiment-mlp.json", 2, 40, without=("IMB + DTE + restriction",))
CNN = Setting("cnv:cnv-micro", "experiment-cnn.json", 2, 32)
MORE_RATES, BEYOND = 3, 4.0  # rates that are tried beyond an edge, each so many times further
SWEEP_SEED = 0  # of the runs that choose the rate; no compared run has it


def compare(
    setting: Setting,
    path: Path,
    contenders: tuple[Contender, ...] = CONTENDERS,
    say: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Run what `path` lacks of `setting` and return a row for each contender.

    A row has name, rate (the best of the setting's, by one run each with a seed of its own), accuracies (on the whole
    held-out split at the last epoch, a seed each), mean, deviation (of the sample), learned (the mean share of right
    answers while training, in the last epoch), gain over the setting's base in points and p, the two-sided paired t-test
    of the accuracies against those of the base with the same seeds.
    """
    table = _open_run(setting, path)
    base = load_recipe(setting.spec)
    for contender in contenders:
        if contender.name in setting.without:
            continue
        entry = table["runs"].setdefault(contender.name, {"sweep": {}, "accuracies": {}})
        for rate in setting.rates:
            _one(base, setting, contender, entry, "sweep", str(rate), rate, SWEEP_SEED, table, path, say)
        best = _best(entry["sweep"])
        for _ in range(MORE_RATES):  # a best rate at the edge of those tried says to look beyond it
            tried = [float(rate) for rate in entry["sweep"]]
            beyond = {min(tried): best / BEYOND, max(tried): best * BEYOND}.get(best)
            if beyond is None:
                break
            _one(base, setting, contender, entry, "sweep", f"{beyond:g}", beyond, SWEEP_SEED, table, path, say)
            best = _best(entry["sweep"])
        if entry.get("rate", best) != best:
            entry["accuracies"], entry["learned"] = {}, {}
        entry["rate"] = best
        for seed in setting.seeds:
            _one(base, setting, contender, entry, "accuracies", str(seed), best, seed, table, path, say)
    # in the order of the contenders, whichever were trained again; contenders of an earlier day stay behind them
    known = {c.name: table["runs"][c.name] for c in contenders if c.name in table["runs"]}
    table["runs"] = {**known, **table["runs"]}
    _keep(table, path)
    taking_part = {c.name for c in contenders}
    return summarise({**table, "runs": {k: v for k, v in table["runs"].items() if k in taking_part}}, setting.base)


def _best(sweep: dict[str, float]) -> float:
    """The rate of the best accuracy, the first tried of equal ones."""
    return float(max(sweep, key=lambda rate: sweep[rate]))


def _one(
    base: Recipe, setting: Setting, contender: Contender, entry: dict[str, Any], kind: str, key: str, rate: float,
    seed: int, table: dict[str, Any], path: Path, say: Callable[[str], None],
) -> None:  # fmt: skip
    """The accuracy of one run, trained unless the table has it."""
    if key in entry[kind]:
        return
    training = replace(
        base.training, epochs=setting.epochs, batch=setting.batch, lr=rate, seed=seed, optimizer="adam", schedule="cosine",
        augment=(), label_smoothing=0.0, evaluate_every=setting.epochs, teacher_epochs=setting.epochs, threads=1, amp=False,
        limit=setting.limit, **contender.training,
    )  # fmt: skip
    network = partial(base.network, **contender.network) if contender.network else base.network
    metrics = measure(replace(base, method=contender.method, training=training, network=network))
    entry[kind][key] = metrics["accuracy"]
    if kind == "accuracies":
        entry.setdefault("learned", {})[key] = metrics["history"][-1]["train_accuracy"]
    _keep(table, path)
    say(
        f"{contender.name}, rate {rate:g}, seed {seed}: {100 * metrics['accuracy']:.2f} % in {metrics['seconds']:.0f} s"
    )


def summarise(table: dict[str, Any], against: str = BASE) -> list[dict[str, Any]]:
    """The rows of a table whose runs are all there, compared with those of the contender `against`."""
    base = list(table["runs"][against]["accuracies"].values())
    rows = []
    for name, entry in table["runs"].items():
        found = list(entry["accuracies"].values())
        same = name == against or found == base
        learned = list(entry.get("learned", {}).values())
        rows.append({
            "name": name, "rate": entry["rate"], "accuracies": found, "mean": statistics.mean(found),
            "deviation": statistics.stdev(found), "learned": statistics.mean(learned) if learned else None,
            "gain": 100 * (statistics.mean(found) - statistics.mean(base)),
            "p": 1.0 if same else float(ttest_rel(found, base).pvalue),
        })  # fmt: skip
    return rows


def verdict(rows: list[dict[str, Any]], level: float = 0.05, against: str = BASE) -> str:
    """What the rows say: better, worse and ties, at `level` after Holm's correction for the number of comparisons."""
    others = sorted((row for row in rows if row["name"] != against), key=lambda row: row["p"])
    better: list[dict[str, Any]] = []
    worse: list[dict[str, Any]] = []
    ties: list[dict[str, Any]] = []
    holds = True
    for place, row in enumerate(others):
        holds = holds and row["p"] * (len(others) - place) <= level
        (ties if not holds else better if row["gain"] > 0 else worse).append(row)

    def listed(some: list[dict[str, Any]]) -> str:
        return ", ".join(f"{row['name']} ({row['gain']:+.2f} points)" for row in sorted(some, key=lambda r: -r["gain"]))

    parts = [f"{word} than {against}: {listed(some)}" for word, some in (("better", better), ("worse", worse)) if some]
    parts += [f"no difference shown: {listed(ties)}"] if ties else []
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]} (Holm, {100 * level:g} %)."


def _open_run(setting: Setting, path: Path) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    recipe = load_recipe(setting.spec)
    head = {
        "command": setting.command, "network": setting.spec, "data": recipe.data, "epochs": setting.epochs,
        "batch": setting.batch, "limit": setting.limit, "rates": list(setting.rates), "seeds": list(setting.seeds),
        "versions": versions(),
    }  # fmt: skip
    for key in ("network", "epochs", "batch", "limit", "rates", "seeds") if kept else ():
        if (before := kept.get(key, 0)) != head[key]:
            raise RecipeError(f"{path}: was made with {key} {before}, not {head[key]}; name another file")
    return {**head, "runs": kept.get("runs", {})}


def _keep(table: dict[str, Any], path: Path) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(table, indent=1) + "\n")
    part.replace(path)


def rows(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The rows of `hwflow bench experiment`: those of the kept runs; what the MLP lacks is trained first (all of it: 20 minutes).

    The CNN's contenders are trained by `python -m hwflow.bench.experiment cnn`; the sentence names those without all runs.
    """
    out = []
    for setting in (MLP, CNN):
        path = MODELS / "trained" / setting.file
        taking_part = CONTENDERS if setting is MLP else _finished(setting, path)
        if not taking_part:
            say(f"{setting.spec}: no contender is finished; python -m hwflow.bench.experiment cnn trains them")
            continue
        found = compare(setting, path, taking_part, say)
        left = [c.name for c in CONTENDERS if c not in taking_part and c.name not in setting.without]
        text = f"{setting.spec}: {verdict(found)}" + (f" Not compared yet: {', '.join(left)}." if left else "")
        say(text)
        for row in found:
            out.append(
                {
                    "network": setting.spec,
                    "method": row["name"],
                    "rate": row["rate"],
                    "held-out accuracy [%]": f"{100 * row['mean']:.2f} ± {100 * row['deviation']:.2f}",
                    f"gain over {BASE}": f"{row['gain']:+.2f}",
                    "p": f"{row['p']:.3f}",
                    "budget": f"{setting.epochs} epochs, batch {setting.batch}, {len(row['accuracies'])} seeds",
                }
            )
        out.append({FOLLOWS: text})
    return out


def _finished(setting: Setting, path: Path) -> tuple[Contender, ...]:
    """The contenders all of whose runs `path` keeps; none where those of the base are missing."""
    runs = json.loads(path.read_text())["runs"] if path.exists() else {}
    done = {name for name, entry in runs.items() if len(entry["accuracies"]) == len(setting.seeds)}
    return tuple(c for c in CONTENDERS if c.name in done) if setting.base in done else ()


def main(arguments: list[str] | None = None) -> None:
    """The command line: the experiment `mlp` or `cnn`, kept in the models room."""
    import argparse

    parser = argparse.ArgumentParser(prog="hwflow.bench.experiment", description=main.__doc__)
    parser.add_argument("which", choices=("mlp", "cnn"))
    names = [c.name for c in CONTENDERS]
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, help="who trains, beside what all are compared with"
    )
    given = parser.parse_args(arguments)
    setting = {"mlp": MLP, "cnn": CNN}[given.which]
    chosen = tuple(c for c in CONTENDERS if c.name in (BASE, *given.only))
    found = compare(setting, MODELS / "trained" / setting.file, chosen, lambda line: print(line, flush=True))
    print(verdict(found))


if __name__ == "__main__":
    main()
