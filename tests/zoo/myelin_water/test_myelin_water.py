"""Myelin water: what is drawn, the fit, and the network that is compared with it."""

import argparse

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax import zoo
from mrjax.zoo import myelin_water
from mrjax.zoo.methods import mwf_fit
from mrjax.zoo.myelin_water import LIMITS, MyelinWaterConfig
from mrjax.zoo.systems.ann_mwf import SYSTEM

CONFIG = MyelinWaterConfig(batch_size=500)
OPTIONS = {"voxels": 200, "maps": None, "snr": None}


@pytest.fixture(scope="module")
def fit():
    return mwf_fit.estimator(CONFIG)


@pytest.fixture(scope="module")
def samples():
    return myelin_water.stream(CONFIG).batch(2)


@pytest.mark.exhaustive
def test_echoes_are_magnitudes_of_three_pools_with_noise(samples):
    batch = samples
    assert batch["echoes"].shape == (500, 32)
    np.testing.assert_array_equal(batch["echoes"], myelin_water.stream(CONFIG).batch(2)["echoes"])
    low, high = LIMITS["myelin_fraction"]
    fraction = np.asarray(batch["myelin_fraction"])
    assert low <= fraction.min() < 0.02 < 0.28 < fraction.max() <= high
    # more myelin water decays sooner
    assert np.corrcoef(fraction, batch["echoes"][:, 12])[0, 1] < -0.8


def test_the_signal_is_the_sum_of_the_pools():
    te = np.asarray(myelin_water.echo_times(CONFIG))
    np.testing.assert_allclose(te[[0, 31]], [1.6e-3, 32.6e-3])
    pools = {"myelin_fraction": 0.15, "axonal_share": 0.7, "m0": 2.0}
    pools |= {"myelin_t2star": 0.01, "axonal_t2star": 0.06, "extracellular_t2star": 0.04}
    found = myelin_water.three_pools(jnp.asarray(te), {name: jnp.asarray(value) for name, value in pools.items()})
    by_hand = 0.3 * np.exp(-te / 0.01) + 2 * 0.85 * (0.7 * np.exp(-te / 0.06) + 0.3 * np.exp(-te / 0.04))
    np.testing.assert_allclose(found, by_hand, rtol=1e-12)


@pytest.mark.exhaustive
def test_the_fit_finds_fractions_without_noise_in_any_unit(fit):
    fraction = jnp.linspace(0.05, 0.25, 5)
    usual = {name: jnp.full(5, (low + high) / 2) for name, (low, high) in LIMITS.items()}
    echoes = myelin_water.three_pools(myelin_water.echo_times(CONFIG), usual | {"myelin_fraction": fraction})
    for scale in (1.0, 300.0):
        # the valley is flat: its floor explains the signal to 1e-5
        np.testing.assert_allclose(fit(scale * echoes), fraction, atol=1.5e-2)


@pytest.mark.exhaustive
def test_the_fit_is_judged(fit):
    evaluation, config = mwf_fit.METHOD.evaluation, CONFIG
    report = evaluation.report(config, fit, argparse.Namespace(**OPTIONS))
    voxels, error, bias = report.rows[0]
    assert voxels == "200"
    assert 2 < float(error.split()[0]) < 8.6, error  # that of always answering with the mean
    better = evaluation.report(config, fit, argparse.Namespace(**OPTIONS | {"snr": 3000.0}))
    assert float(better.rows[0][1].split()[0]) < 0.7 * float(error.split()[0])
    assert abs(float(bias.split()[0])) < 3


@pytest.mark.exhaustive
def test_the_network_is_better_than_the_fit(tmp_path, fit):
    config = zoo.configured(SYSTEM, "smoke", {"steps": "800", "batch_size": "500"})
    zoo.trained(SYSTEM, config, tmp_path, progress=False)
    evaluation, config, estimate = zoo.judged(str(tmp_path))
    rows = [evaluation.report(config, judged, argparse.Namespace(**OPTIONS)).rows[0] for judged in (estimate, fit)]
    of_network, of_fit = (float(row[1].split()[0]) for row in rows)
    assert of_network < 0.9 * of_fit
    losses = mr.nn.History.read(tmp_path / "log.jsonl").column("loss")[1]
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.exhaustive
def test_a_map_of_a_user_is_judged_on(tmp_path):
    fraction = np.zeros((4, 4, 2))
    fraction[1:3, 1:3] = 0.12
    mr.io.write_nifti(tmp_path / "mwf.nii", fraction, np.eye(4))
    options = argparse.Namespace(**OPTIONS | {"maps": tmp_path / "mwf.nii"})
    always = lambda echoes: jnp.full(len(echoes), 0.1)
    report = myelin_water.EVALUATION.report(CONFIG, always, options)
    assert report.rows == [("8", "2.00 %", "-2.00 %")]
    mr.io.write_nifti(tmp_path / "mwf.nii", 100 * fraction, np.eye(4))
    with pytest.raises(ValueError, match="must hold fractions above 0 and up to 1; divide percentages by 100"):
        myelin_water.EVALUATION.report(CONFIG, always, options)


def test_settings_that_cannot_be():
    with pytest.raises(ValueError, match="`n_echoes` must be at least 7, as three pools have six unknowns, but got 6"):
        MyelinWaterConfig(n_echoes=6)
    with pytest.raises(ValueError, match="`snr` must be positive and finite, but got 0"):
        MyelinWaterConfig(snr=0.0)
