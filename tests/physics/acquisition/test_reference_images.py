"""k-space of whole sequences from files, against an independent program that follows every spin."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr

pytestmark = pytest.mark.filterwarnings(
    "ignore:When samples are taken"
)  # spoilers wind what these spins do not resolve

CASES = ("gre", "epi", "se_epi", "fse", "moled", "spiral", "radial_bssfp", "slice_gre")
SIZE_OF_A_BENCHMARK = pytest.param("spiral_8shot_80", marks=pytest.mark.slow)


def _how_often(name):
    """Two of the files say the same in single precision as the others."""
    return () if name in ("gre", "slice_gre") else pytest.mark.slow


def loaded(reference_data, name):
    """Sequence, spins, coils and the signal that is due, in the precision that JAX works in."""
    arrays = np.load(reference_data(f"imaging/{name}.npz"))
    real = jnp.result_type(float)
    own = {key: arrays[key].astype(real) for key in ("t1", "t2", "off_resonance", "b1", "x", "y", "z")}
    tissue = mr.Tissue(m0=arrays["pd"].astype(real), **own)
    sequence = mr.pulseq.to_sequence(mr.pulseq.read(reference_data(f"imaging/{name}.seq")))
    return sequence, tissue, jnp.asarray(arrays["coils"].astype(jnp.result_type(complex))), arrays["signal"]


def error(found, due):
    return np.abs(np.asarray(found) - due).max() / np.abs(due).max()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CASES, SIZE_OF_A_BENCHMARK])
def test_every_spin_at_every_sample_is_exact(reference_data, name):
    sequence, tissue, coils, due = loaded(reference_data, name)
    assert error(mr.acquire(sequence, tissue, coils=coils, tolerance=0), due) < 1e-12


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [*CASES, SIZE_OF_A_BENCHMARK])
def test_a_tolerance_is_kept(reference_data, name):
    sequence, tissue, coils, due = loaded(reference_data, name)
    found = error(mr.acquire(sequence, tissue, coils=coils), due)
    print(f"{name}: {found:.1e} of the largest sample; the tolerance is 1e-5")
    assert found < 1e-5


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [*(pytest.param(name, marks=_how_often(name)) for name in CASES), SIZE_OF_A_BENCHMARK])
@pytest.mark.parametrize("tolerance", [0, pytest.param(1e-5, marks=pytest.mark.exhaustive)])
def test_single_precision_keeps_its_digits(reference_data, name, tolerance):
    with jax.enable_x64(False):
        sequence, tissue, coils, due = loaded(reference_data, name)
        found = np.asarray(mr.acquire(sequence, tissue, coils=coils, tolerance=tolerance))
    with jax.enable_x64(True):
        # what the rounding of positions and gradients alone does: in `gre` spoilers wind hundreds of turns
        rounded = jax.tree.map(_widened, (sequence, tissue, coils))
        same = np.asarray(mr.acquire(rounded[0], rounded[1], coils=rounded[2], tolerance=0))
    assert error(found, same) < 2e-6
    assert error(found, due) < (3e-5 if name == "gre" else 1e-5)


def _widened(leaf):
    return jnp.asarray(leaf, jnp.result_type(leaf, jnp.float64)) if leaf.dtype.kind in "fc" else leaf
