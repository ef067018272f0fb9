"""The model card: what was trained, on what, and how far it came."""

import dataclasses

import jax
from flax import nnx

import mrjax
from mrjax.nn import History
from mrjax.zoo.system import System, TrainingConfig


def card(system: System, config: TrainingConfig, network: nnx.Module, history: History) -> str:
    """A page of Markdown."""
    n_weights = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(network, nnx.Param)))
    losses = history.column("loss")[1]
    fell = f"{losses[0]:.3e} at first, {losses[-1]:.3e} at step {config.steps}" if len(losses) else "not logged"
    settings = ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(config).items())
    return "\n".join(
        [
            f"# {system.name}: {system.summary}",
            "",
            f"- Source: {system.source}",
            f"- Weights: {n_weights:,}",
            f"- Data: {system.described(config)}",
            f"- Settings: {settings}",
            f"- Loss: {fell}",
            f"- mrjax {mrjax.__version__}, jax {jax.__version__}, {jax.devices()[0].device_kind}",
            "",
        ]
    )
