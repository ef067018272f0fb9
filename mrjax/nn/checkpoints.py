"""States of a training on disk, whole or not at all."""

from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from mrjax.nn._network import plain, with_keys

KEPT = 2
"""Newest checkpoints that stay: should one be damaged, there is another."""


class CheckpointFolder:
    """The checkpoints in a folder, written by orbax: a write that is cut short leaves the older ones as they were."""

    def __init__(self, folder: Path):
        self.folder = folder.absolute()
        options = ocp.CheckpointManagerOptions(max_to_keep=KEPT, enable_async_checkpointing=False)
        handler = ocp.StandardCheckpointHandler()  # told at once, so that structures can be read without numbers
        self._manager = ocp.CheckpointManager(self.folder, options=options, item_handlers=handler)

    def __enter__(self) -> "CheckpointFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._manager.close()

    @property
    def newest(self) -> int | None:
        """Step of the newest checkpoint; None where there is none."""
        return self._manager.latest_step()

    def save(self, step: int, state: PyTree) -> None:
        """Write `state` as that of `step`; what was saved for that step before stays."""
        if self.newest != step:
            self._manager.save(step, args=ocp.args.StandardSave(plain(state)))

    def restore(self, step: int, like: PyTree) -> PyTree:
        """The state of a step, in the structure, shapes and dtypes of `like`.

        **Raises:** `ValueError` where the checkpoint is damaged or of another network; it says what to do.
        """
        place = self.folder / str(step)
        try:
            stored = _leaves(self._manager.item_metadata(step).tree)
        except Exception as error:  # orbax and its storage raise all kinds
            raise _unreadable(place, error) from error
        if stored != _leaves(plain(like)):
            raise ValueError(f"The checkpoint {place} is of another network or optimiser; take an empty folder.")
        try:
            restored = self._manager.restore(step, args=ocp.args.StandardRestore(plain(like)))
        except Exception as error:
            raise _unreadable(place, error) from error
        return with_keys(restored, like)


def _leaves(tree: PyTree) -> set[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Path and shape of all leaves, the same whether a tuple with names comes as such or, as orbax stores it, as a dict."""
    flat = jax.tree_util.tree_leaves_with_path(tree)
    return {(tuple(_name(key) for key in path), tuple(leaf.shape)) for path, leaf in flat}


def _name(key: Any) -> str:
    return str(next(getattr(key, name) for name in ("name", "key", "idx") if hasattr(key, name)))


def _unreadable(place: Path, error: Exception) -> ValueError:
    reason = (str(error).strip().splitlines() or ["no reason given"])[0][:120]
    return ValueError(
        f"The checkpoint {place} cannot be read ({type(error).__name__}: {reason}). Delete that folder to go on from the "
        "checkpoint before it, if there is one."
    )
