"""Fits of published data and of published relaxation times, in float64, all from one common start."""

import csv

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.inverse import FitStatus, least_squares
from mrjax.protocols import cpmg, inversion_recovery
from mrjax.signals import relaxation
from mrjax.units import deg, ms


def variable_flip_angles(path):
    """Flip angles (rad), TR (s), signals and reference R1 (as in the file) of every row."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    numbers = lambda column: np.array([[float(word) for word in row[column].split()] for row in rows])
    return numbers("FA") * deg, numbers("TR"), numbers("s"), np.array([float(row["R1"]) for row in rows])


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "n", "r1_unit"),
    [("osipi_vfa_t1/t1_brain_data.csv", 76, 1.0), ("osipi_vfa_t1/t1_quiba_data.csv", 45, 1 / ms)],
)
def test_r1_of_the_osipi_variable_flip_angle_data(reference_data, name, n, r1_unit):
    """Within 0.05 / s + 5 % of the reference, the tolerance that OSIPI asks of its contributions."""
    flip_angle, tr, signals, r1 = variable_flip_angles(reference_data(name))
    assert signals.shape[0] == n
    np.testing.assert_array_equal(flip_angle, np.broadcast_to(flip_angle[0], flip_angle.shape))
    np.testing.assert_array_equal(tr, np.full_like(tr, tr[0, 0]))
    # linear regression tells nothing of the scale that the start must have, so the brightest image does
    scale = signals.max(axis=-1, keepdims=True)
    fit = least_squares(
        lambda p: relaxation.spgr(flip_angle[0], tr[0], p["t1"], m0=p["m0"]),
        signals / scale,
        init={"t1": 1.0, "m0": 10.0},
        bounds=({"t1": 1e-3, "m0": 0.0}, {"t1": 20.0, "m0": np.inf}),
    )
    assert np.all(fit.status == FitStatus.CONVERGED)
    reference = r1 * r1_unit
    np.testing.assert_array_less(np.abs(1 / fit.parameters["t1"] - reference), 0.05 + 0.05 * reference)


def spheres(path, field):
    """T1 and T2 in s of the 28 spheres of the NIST system phantom."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 28
    return (jnp.array([float(row[f"{time}_{field}_ms"]) * ms for row in rows]) for time in ("T1", "T2"))


def fits_exactly(sequence, tissue_of, truth, data, bounds):
    """A fit of one relaxation time and M0 = 1.7 to noiseless data, all spheres from one start."""
    ((name, (lower, start, upper)),) = bounds.items()
    fit = least_squares(
        lambda p: mr.simulate(sequence, tissue_of(p)),
        data,
        init={name: start, "m0": 1.0},
        bounds=({name: lower, "m0": 0.0}, {name: upper, "m0": 10.0}),
    )
    assert np.all(fit.status == FitStatus.CONVERGED)
    np.testing.assert_allclose(fit.parameters[name], truth, rtol=1e-5)
    np.testing.assert_allclose(fit.parameters["m0"], 1.7, rtol=1e-5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("field", ["1p5T", "3T"])
def test_t1_of_the_nist_spheres_from_inversion_recovery(reference_data, field):
    t1, t2 = spheres(reference_data("nist_phantom/nist_system_phantom.csv"), field)
    sequence = inversion_recovery(np.geomspace(5 * ms, 6.0, 12))
    data = mr.simulate(sequence, mr.Tissue(t1, t2, m0=1.7))
    tissue_of = lambda p: mr.Tissue(p["t1"], 0.1, m0=p["m0"])
    fits_exactly(sequence, tissue_of, t1, data, {"t1": (1e-3, 0.5, 10.0)})


@pytest.mark.exhaustive
@pytest.mark.parametrize("field", ["1p5T", "3T"])
def test_t2_of_the_nist_spheres_from_a_train_of_spin_echoes(reference_data, field):
    t1, t2 = spheres(reference_data("nist_phantom/nist_system_phantom.csv"), field)
    sequence = cpmg(np.full(16, np.pi), np.geomspace(2 * ms, 400 * ms, 16))
    data = mr.simulate(sequence, mr.Tissue(t1, t2, m0=1.7))
    tissue_of = lambda p: mr.Tissue(1.0, p["t2"], m0=p["m0"])
    fits_exactly(sequence, tissue_of, t2, data, {"t2": (1e-3, 0.1, 5.0)})
