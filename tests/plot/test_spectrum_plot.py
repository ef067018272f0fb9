"""The picture of a fitted spectrum."""

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr


def test_a_fit_is_drawn_with_its_parts():
    decays = np.exp(-2j * np.pi * 127.73 * np.outer([4.65 - 2.01, 4.65 - 3.03], 1e-3 * np.arange(128)))
    model = mr.signals.models.Spectrum(decays, ["NAA", "Cr"], 1e-3, window_ppm=(1.5, 3.5), n_baseline=4)
    found = dict.fromkeys(model.names, 0.1) | {"delay": 0.0, "NAA": 9.0, "Cr": 6.0, "lorentz_width": 6.0}
    data = np.asarray(model({name: jnp.asarray(value) for name, value in found.items()}))
    axes = mr.plot.spectrum_fit(model, data, found)
    residual, measured, fit, *rest = axes.get_lines()
    assert len(rest) == 3
    np.testing.assert_allclose(measured.get_ydata(), np.real(data * np.exp(-0.1j)), rtol=1e-12)
    np.testing.assert_allclose(fit.get_ydata(), measured.get_ydata(), rtol=1e-9)
    assert np.ptp(residual.get_ydata()) < 1e-9
    assert axes.get_xlim()[0] > axes.get_xlim()[1]
    assert [text.get_text() for text in axes.texts] == ["NAA", "Cr"]
    with pytest.raises(ValueError, match="`data` must be one spectrum"):
        mr.plot.spectrum_fit(model, data[:-1], found)
    with pytest.raises(ValueError, match="but lack Cr"):
        mr.plot.spectrum_fit(model, data, {name: value for name, value in found.items() if name != "Cr"})
