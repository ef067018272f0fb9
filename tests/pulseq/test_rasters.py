"""Dwell times that the usual raster does not hold are written on one that does, or refused with what would be."""

import numpy as np
import pytest
from test_imaging import from_text

import mrjax as mr
from mrjax.pulseq import PulseqError, Rasters, from_sequence, read, saturation_sequence, to_sequence, write

LINE = "[BLOCKS]\n1 30 0 0 0 0 1 0\n[ADC]\n1 64 {} 0 {} 0 0 0 0\n"


@pytest.mark.parametrize("dwell", [1230, 3333, 2501])
def test_a_file_with_fine_dwell_times_is_written_on_its_own_raster(tmp_path, dwell):
    file = from_text(tmp_path, LINE.format(dwell, 0))
    path = tmp_path / "file.seq"
    path.write_text(path.read_text().replace("AdcRasterTime 1e-7", "AdcRasterTime 1e-9"))
    file = read(path)
    sequence = to_sequence(file)
    write(sequence, tmp_path / "again.seq", rasters=Rasters.of(file))
    again = read(tmp_path / "again.seq")
    assert again.adc[1].dwell == file.adc[1].dwell == dwell / 1e9
    assert again.adc_raster == 1e-9
    np.testing.assert_array_equal(to_sequence(again).sample_times, sequence.sample_times)


@pytest.mark.parametrize(("dwell", "finer"), [(1.23e-6, "1e-08"), (1.234e-6, "1e-09")])
def test_a_fine_dwell_time_is_refused_with_the_nearest_and_the_raster_that_holds_it(dwell, finer):
    sequence = mr.Sequence(mr.sequence.Together(mr.Readout(1000, dwell), mr.Delay(2e-3)))
    cause = rf"the nearest are 1.2e-06 s and 1.3e-06 s. For a scanner that can play it, pass `rasters=Rasters\(adc={finer}\)`"
    with pytest.raises(ValueError, match=cause):
        from_sequence(sequence)
    file = from_sequence(sequence, rasters=Rasters(adc=float(finer)))
    assert file.adc[1].dwell == dwell
    assert file.definitions["AdcRasterTime"] == (float(finer),)


def test_a_dwell_time_between_nanoseconds_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"1.2345e-06 s is no multiple .* the nearest are 1.2e-06 s and 1.3e-06 s\.$"):
        from_sequence(mr.Sequence(mr.Readout(1000, 1.2345e-6)))


def test_offsets_in_ppm_take_a_field(tmp_path):
    file = from_text(tmp_path, LINE.format(1000, 2.5))
    path = tmp_path / "file.seq"
    path.write_text(path.read_text().replace("B0 3\n", ""))
    file = read(path)
    with pytest.raises(
        PulseqError, match=r"ADC event 1: .* gives offsets in ppm but no positive B0 .*; pass `b0` in T\."
    ):
        to_sequence(file)
    readout = to_sequence(file, b0=7.0)[0].tracks[0][0]
    np.testing.assert_allclose(float(readout.offset), 2.5e-6 * mr.units.GAMMA_BAR["1H"] * 7)
    saturating = LINE.replace("[ADC]", "2 30 1 0 0 0 0 0\n[RF]\n1 100 1 0 0 0 0 3.5 0 0 0 u\n[ADC]").format(1000, 0)
    saturating = saturating.replace("1 30 0 0 0 0 1 0\n2 30 1 0 0 0 0 0", "1 30 1 0 0 0 0 0\n2 30 0 0 0 0 1 0")
    from_text(tmp_path, saturating + "[SHAPES]\nshape_id 1\nnum_samples 100\n1\n0\n0\n97\n")
    path.write_text(path.read_text().replace("B0 3\n", ""))
    with pytest.raises(ValueError, match=r"gives offsets in ppm but no positive B0 .*; pass `b0` in T\."):
        saturation_sequence(read(path))
    pulse = saturation_sequence(read(path), b0=7.0)[1]
    np.testing.assert_allclose(float(pulse.offset), 3.5e-6 * mr.units.GAMMA_BAR["1H"] * 7, rtol=1e-8)
