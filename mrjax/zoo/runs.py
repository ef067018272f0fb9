"""Trained systems in folders: train, keep, load and describe."""

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, PyTree

import mrjax
from mrjax.nn import History, Schedule, train as train_network
from mrjax.nn._network import plain, with_keys
from mrjax.zoo import blochnet, drone, fingerprints, hydra, mrf_autoencoders
from mrjax.zoo.fingerprints import Config, Estimate
from mrjax.zoo.system import System

SYSTEMS: dict[str, System] = {s.SYSTEM.name: s.SYSTEM for s in (blochnet, drone, hydra, mrf_autoencoders)}


def system_called(name: str) -> System:
    """The system of that name; `ValueError` lists all where there is none."""
    if name not in SYSTEMS:
        raise ValueError(f"The system must be one of {', '.join(SYSTEMS)}, but got {name!r}.")
    return SYSTEMS[name]


def configured(system: System, preset: str, changes: dict[str, str]) -> Any:
    """A preset with some values replaced, each given as text.

    **Arguments:**

    - `system`: Whose presets.
    - `preset`: "smoke", two minutes on two cores, or "paper", as published.
    - `changes`: Values by name of a setting, as on a command line.

    **Returns:** the configuration.

    **Raises:** `ValueError` for a preset or a name that does not exist, or a value that cannot be read.

    !!! example

        ```python
        >>> from mrjax import zoo
        >>> zoo.configured(zoo.system_called("blochnet"), "paper", {"steps": "100"}).steps
        100

        ```
    """
    if preset not in system.presets:
        raise ValueError(f"The preset must be one of {', '.join(system.presets)}, but got {preset!r}.")
    config = system.presets[preset]
    for name, text in changes.items():
        if name not in (fields := [field.name for field in dataclasses.fields(config)]):
            raise ValueError(f"{system.name} has no setting {name!r}; it has {', '.join(fields)}.")
        kind = type(getattr(config, name))
        try:
            config = dataclasses.replace(config, **{name: kind(text)})
        except ValueError as error:
            raise (
                ValueError(f"`{name}` must be {_KINDS[kind]}, but got {text!r}.") if _is_kind(error) else error
            ) from None
    return config


_KINDS = {int: "a whole number", float: "a number", str: "text"}


def _is_kind(error: ValueError) -> bool:
    return "invalid literal" in str(error) or "could not convert" in str(error)


def trained(system: System, config: Config, folder: Path | str | None, progress: bool = True) -> nnx.Module:
    """Train a system, or go on with what the folder holds.

    **Arguments:**

    - `system`, `config`: What to train and how.
    - `folder`: Where to keep configuration, checkpoints, log, loss figure, weights and model card; None to keep nothing.
    - `progress`: Whether to show a bar.

    **Returns:** the network.

    **Raises:** `ValueError` where the folder holds a training with other settings, or a damaged checkpoint.

    !!! example

        ```python
        >>> from mrjax import zoo
        >>> system = zoo.system_called("drone")
        >>> config = zoo.configured(system, "smoke", {"n_repetitions": "20", "batch_size": "8", "steps": "2"})
        >>> network = zoo.trained(system, config, folder=None, progress=False)
        >>> signal = zoo.fingerprints.stream(config).batch(5)["signal"][:, 0]
        >>> zoo.estimator(system, network)(signal)["t1"].shape
        (8,)

        ```
    """
    network, loss = system.network(config, nnx.Rngs(config.seed)), system.loss(config)
    batches = fingerprints.stream(config).batch
    schedule = Schedule(config.steps, checkpoint_every=min(500, config.steps))
    if folder is not None:
        folder = Path(folder)
        _claim(folder, system, config)
    history = train_network(
        network, loss, batches, schedule, optax.adam(config.learning_rate), folder, progress=progress
    )
    if folder is not None:
        _keep(folder, system, config, network, history)
    return network


def load(folder: Path | str) -> tuple[System, Config, nnx.Module]:
    """The trained system in a folder, with its configuration and weights.

    **Raises:** `ValueError` where the folder holds no finished training, a damaged one, or weights of another network.
    """
    folder = Path(folder)
    file = folder / "weights.npz"
    if not file.exists():
        raise ValueError(f"{folder} holds no finished training (no weights.npz); run `mrjax train` into it first.")
    system, config = _read_config(folder / "config.json")
    network = system.network(config, nnx.Rngs(config.seed))
    try:
        with np.load(file) as stored:
            weights = dict(stored)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{file} cannot be read: {error}. `mrjax train` into the same folder writes it again."
        ) from None
    named = _named(network)
    if {k: v.shape for k, v in weights.items()} != {k: v.shape for k, v in named.items()}:
        raise ValueError(f"{file} does not fit the network of config.json; train again.")
    state = nnx.to_pure_dict(nnx.state(network))
    stored = jax.tree.unflatten(jax.tree.structure(state), [weights[name] for name in named])
    nnx.update(network, nnx.State(with_keys(stored, like=state)))
    network.eval()
    return system, config, network


def estimator(system: System, network: nnx.Module) -> Estimate:
    """What a trained network answers, in evaluation mode: with running statistics and without dropout.

    **Arguments:**

    - `system`, `network`: As `trained` took and gave them, or `load`.

    **Returns:** a function from fingerprints `(*batch, n)` to `t1` and `t2` in s, `(*batch)`.
    """
    graph, state = nnx.split(network)

    @jax.jit
    def answer(state: PyTree, signal: Float[Array, "*batch n"]) -> dict[str, Float[Array, "*batch"]]:
        copy = nnx.merge(graph, state)
        copy.eval()
        return fingerprints.relaxation_times(system.predict(copy, signal))

    return lambda signal: answer(state, signal)


def card(system: System, config: Config, network: nnx.Module, history: History) -> str:
    """The model card: what was trained, on what, and how far it came."""
    n_weights = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(network, nnx.Param)))
    losses = history.column("loss")[1]
    fell = f"{losses[0]:.3e} at first, {losses[-1]:.3e} at step {config.steps}" if len(losses) else "not logged"
    data = "the published FISP schedule" if config.train_on == "fisp" else "a smooth and a noisy spline schedule"
    settings = ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(config).items())
    return "\n".join(
        [
            f"# {system.name}: {system.summary}",
            "",
            f"- Source: {system.source}",
            f"- Weights: {n_weights:,}",
            f"- Data: simulated fingerprints of {data}, {config.n_repetitions} repetitions, T1 up to 5 s and T2 up to 2 s",
            f"- Settings: {settings}",
            f"- Loss: {fell}",
            f"- mrjax {mrjax.__version__}, jax {jax.__version__}, {jax.devices()[0].device_kind}",
            "",
        ]
    )


def _claim(folder: Path, system: System, config: Config) -> None:
    """Write the configuration, or find the same one there."""
    file = folder / "config.json"
    if file.exists():
        if _read_config(file) != (system, config):
            raise ValueError(
                f"{folder} holds a training with other settings; see its config.json, or choose another folder."
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"system": system.name, "settings": dataclasses.asdict(config)}, indent=1)
    _replace(file, lambda part: part.write_text(text))


def _keep(folder: Path, system: System, config: Config, network: nnx.Module, history: History) -> None:
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    history.plot(figure.subplots())
    figure.savefig(folder / "loss.png", dpi=150)
    (folder / "card.md").write_text(card(system, config, network, history))
    weights: dict[str, Any] = _named(network)
    # last, since weights say that a training is finished
    _replace(folder / "weights.npz", lambda part: np.savez(part, **weights))


def _replace(file: Path, write: Callable[[Path], Any]) -> None:
    """Write a file whole or not at all."""
    part = file.with_name(f"part.{file.name}")
    write(part)
    part.replace(file)


def _named(network: nnx.Module) -> dict[str, np.ndarray]:
    """All that the network holds, weights or not."""
    leaves = jax.tree_util.tree_leaves_with_path(plain(nnx.to_pure_dict(nnx.state(network))))
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in leaves}


def _read_config(file: Path) -> tuple[System, Config]:
    try:
        known = json.loads(file.read_text())
        system = system_called(known["system"])
        return system, type(system.presets["paper"])(**known["settings"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{file} cannot be read as the configuration of a training: {error}.") from None
