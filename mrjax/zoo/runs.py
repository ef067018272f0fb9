"""Systems of any task in folders: trained, kept and loaded."""

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import PyTree

from mrjax.nn import History, train as train_network
from mrjax.nn._network import plain, with_keys
from mrjax.zoo.model_card import card
from mrjax.zoo.registry import method_called, system_called
from mrjax.zoo.system import Evaluation, System, TrainingConfig


def configured(system: System, preset: str, changes: dict[str, str]) -> Any:
    """A preset with some values replaced, each given as text.

    **Arguments:**

    - `system`: Whose presets.
    - `preset`: The name of one, such as "smoke", which trains in minutes on one core.
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
    # all at once, since what one may be can depend on another
    return dataclasses.replace(config, **{name: _value(system, config, name, text) for name, text in changes.items()})


_KINDS = {int: "a whole number", float: "a number", str: "text"}


def _value(system: System, config: Any, name: str, text: str) -> Any:
    """A setting from its text, of the kind that the configuration has there."""
    if name not in (fields := [field.name for field in dataclasses.fields(config)]):
        raise ValueError(f"{system.name} has no setting {name!r}; it has {', '.join(fields)}.")
    kind = type(getattr(config, name))
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"`{name}` must be {_KINDS[kind]}, but got {text!r}.") from None


def trained(system: System, config: TrainingConfig, folder: Path | str | None, progress: bool = True) -> nnx.Module:
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
        >>> unseen = system.data(config).batch(5)["signal"][:, 0]
        >>> answer = zoo.estimator(system, network)(unseen)
        >>> [values.shape for values in answer.values()]
        [(8,), (8,)]

        ```
    """
    network = system.network(config, nnx.Rngs(config.seed))
    stream, schedule = system.data(config), system.schedule(config)
    if folder is not None:
        folder = Path(folder)
        _claim(folder, system, config)
    history = train_network(
        network,
        system.loss(config),
        stream.batch,
        schedule,
        system.optimiser(config),
        folder,
        batch_axes=stream.batch_axes,
        progress=progress,
    )
    if folder is not None:
        _keep(folder, system, config, network, history)
    return network


def load(folder: Path | str, system: System | None = None) -> tuple[System, TrainingConfig, nnx.Module]:
    """The trained system in a folder, with its configuration and its network in evaluation mode.

    **Arguments:**

    - `folder`: What `trained` or `mrjax train` wrote.
    - `system`: What was trained, if it is a system of your own; None for one of the zoo, which the folder names.

    **Returns:** the system, its configuration and the network.

    **Raises:** `ValueError` where the folder holds no finished training, a damaged one, that of another system, or weights of
    another network.

    !!! example

        ```python
        >>> import tempfile
        >>> from mrjax import zoo
        >>> system = zoo.system_called("drone")
        >>> config = zoo.configured(system, "smoke", {"n_repetitions": "20", "batch_size": "8", "steps": "2"})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     network = zoo.trained(system, config, folder, progress=False)
        ...     same_system, same_config, same_network = zoo.load(folder)
        >>> same_config == config
        True

        ```
    """
    folder = Path(folder)
    file = folder / "weights.npz"
    if not file.exists():
        raise ValueError(f"{folder} holds no finished training (no weights.npz); run `mrjax train` into it first.")
    system, config = _read_config(folder / "config.json", system)
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


def estimator(system: System, network: nnx.Module) -> Callable[[PyTree], PyTree]:
    """What a trained network answers, in evaluation mode: with running statistics and without dropout.

    **Arguments:**

    - `system`, `network`: As `trained` took and gave them, or `load`.

    **Returns:** a function from measurements of the task to what the system estimates; `trained` shows one.
    """
    graph, state = nnx.split(network)

    @jax.jit
    def answer(state: PyTree, measured: PyTree) -> PyTree:
        copy = nnx.merge(graph, state)
        copy.eval()
        return system.estimate(copy, measured)

    return lambda measured: answer(state, measured)


def judged(name: str) -> tuple[Evaluation, Any, Callable[[PyTree], PyTree]]:
    """What `mrjax evaluate` needs of a folder with a trained system, or of a method that needs no training.

    **Arguments:**

    - `name`: The folder, or the name of the method.

    **Returns:** how the task is judged, the configuration, and a function from measurements to what is estimated.

    **Raises:** `ValueError` as `load` does.
    """
    if (method := method_called(name)) is not None:
        return method.evaluation, method.config, method.estimator(method.config)
    system, config, network = load(name)
    return system.evaluation, config, estimator(system, network)


def _claim(folder: Path, system: System, config: TrainingConfig) -> None:
    """Write the configuration, or find the same one there."""
    file = folder / "config.json"
    if file.exists():
        if _read_config(file, system)[1] != config:
            raise ValueError(
                f"{folder} holds a training with other settings; see its config.json, or choose another folder."
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"system": system.name, "settings": dataclasses.asdict(config)}, indent=1)
    _replace(file, lambda part: part.write_text(text))


def _keep(folder: Path, system: System, config: TrainingConfig, network: nnx.Module, history: History) -> None:
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


def _read_config(file: Path, system: System | None) -> tuple[System, TrainingConfig]:
    """The system, that of the zoo where none is given, and the configuration in a file."""
    try:
        known = json.loads(file.read_text())
        name, settings = known["system"], known["settings"]
        system = system_called(name) if system is None else system
        kind = type(next(iter(system.presets.values())))
        config = kind(**settings) if name == system.name else None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{file} cannot be read as the configuration of a training: {error}.") from None
    if config is None:
        raise ValueError(f"{file} is of a training of {name}, not of {system.name}; choose another folder.")
    return system, config
