"""What a pool file and a sequence both state, and what a sequence states and plays, is compared."""

import numpy as np
import pytest
from saturation_files import saturation_file

import mrjax as mr
from mrjax.cli import main
from mrjax.io import FileError, read_pools
from mrjax.pulseq import m0_measurements, offsets_ppm, read

POOLS = """\
water_pool: {{f: 1.0, t1: 1.0, t2: 0.1}}
cest_pool: {{amide: {{f: 1.0e-3, t1: 1.3, t2: 0.1, k: 30, dw: 3.5}}}}
b0: {b0}
gamma: {gamma}
"""


def sequence(stated=(-300, -3.5, 3.5), played=None, field=3.0, definitions=""):
    """A block of 1 s at each offset, and a readout, in a file that states the offsets."""
    definitions = f"offsets_ppm {' '.join(map(str, stated))}\nM0_offset -300\n{definitions}"
    return saturation_file(stated if played is None else played, field=field, definitions=definitions)


@pytest.fixture
def files(tmp_path):
    """`files(pools, sequence)` writes both and gives their paths."""

    def write(text, b0=3.0, gamma=267.5153):
        paths = tmp_path / "pools.yaml", tmp_path / "scan.seq"
        paths[0].write_text(POOLS.format(b0=b0, gamma=gamma))
        paths[1].write_text(text)
        return paths

    return write


def test_a_sequence_for_another_field_is_refused(files, tmp_path, capsys):
    pools, scan = files(sequence(definitions="B0 3"), b0=7)
    with pytest.raises(FileError, match=r"scan\.seq states B0 = 3 T, but the pool file b0 = 7 T: the offsets"):
        read_pools(pools).sequence(read(scan))
    assert main(["cest", "simulate", str(pools), str(scan), "--out", str(tmp_path / "out")]) == 2
    assert "states B0 = 3 T" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    # capitals do not matter, and a file that leaves the field open is taken
    pools, scan = files(sequence(definitions="b0 3"), b0=7)
    with pytest.raises(FileError, match=r"states B0 = 3 T"):
        read_pools(pools).sequence(read(scan))
    pools, scan = files(sequence(definitions="B0 -1"), b0=3)
    assert read_pools(pools).sequence(read(scan)).n_samples == 3


def test_a_field_of_that_name_is_taken_and_offsets_are_those_of_the_tissue(files):
    pools, scan = files(sequence(field=2.8936, definitions="B0 2.8936"))
    pools, file = read_pools(pools), read(scan)
    assert pools.sequence(file).n_samples == 3
    np.testing.assert_array_equal(offsets_ppm(file, pools.conventions), [-300, -3.5, 3.5])
    with pytest.warns(UserWarning, match=r"measurement 1 is said to be at -300 ppm, but is at -289\.3"):
        there = offsets_ppm(file, pools.conventions, b0=pools.b0)
    np.testing.assert_allclose(there[1:], np.array([-3.5, 3.5]) * 2.8936 / 3, rtol=1e-4)
    # the M0 scan is still known by the offset that the file states for it
    assert m0_measurements(file, pools.conventions, b0=pools.b0).tolist() == [0]


def test_offsets_are_those_that_are_played(files):
    _, scan = files(sequence(played=(-300, -3.5, 1.5), definitions="B0 3"))
    with pytest.warns(UserWarning, match=r"measurement 3 is said to be at 3\.5 ppm, but is at 1\.49996 ppm of 127\.7"):
        found = offsets_ppm(read(scan))
    np.testing.assert_allclose(found, [-300, -3.5, 1.5], rtol=1e-4)
    # at 7 T a sequence for 3 T that states no field plays 1.5 ppm where it says 3.5
    _, scan = files(sequence())
    assert offsets_ppm(read(scan)).tolist() == [-300, -3.5, 3.5]
    with pytest.warns(UserWarning, match=r"is said to be at"):
        np.testing.assert_allclose(offsets_ppm(read(scan), b0=7.0)[1:], [-1.5, 1.5], rtol=1e-4)


def test_a_gyromagnetic_ratio_is_compared(files):
    for stated in ("gamma_hz 42.5764", "gamma_hz 42576400"):
        pools, scan = files(sequence(definitions=stated))
        assert read_pools(pools).sequence(read(scan)).n_samples == 3
        pools, scan = files(sequence(definitions=stated), gamma=251.662)
        with pytest.raises(FileError, match=r"267\.515 rad/s/uT, but the pool file gamma = 251\.662 rad/s/uT"):
            read_pools(pools).sequence(read(scan))


def test_offsets_in_ppm_are_of_the_field_of_the_pools(files):
    text = (
        sequence(stated=(3.5,), played=(0,))
        .replace("minor 3", "minor 5")
        .replace("1 50 1 0 0 0 0", "1 50 1 0 0 5e5 0 3.5 0 0 0 s")
    )
    rasters = "BlockDurationRaster 1e-5\nRadiofrequencyRasterTime 1e-6\nGradientRasterTime 1e-5\nAdcRasterTime 1e-7\n"
    text = (
        text.replace("M0_offset -300\n", rasters)
        .replace("1 0 1 0 0 0 0 0", "1 100000 1 0 0 0 0 0")
        .replace("1000 0 0 0", "1000 0 0 0 0 0 0")
    )
    pools, scan = files(text, b0=7)
    pools = read_pools(pools)
    pulse = next(event for event in pools.sequence(read(scan)).events if isinstance(event, mr.ContinuousWave))
    np.testing.assert_allclose(pulse.offset, 3.5 * 7 * 267.5153 / (2 * np.pi), rtol=1e-12)


def test_a_gyromagnetic_ratio_in_mhz_is_refused(files):
    pools, _ = files(sequence(), gamma=42.5764)
    with pytest.raises(
        FileError, match=r"gamma must be in rad/s/uT, but 42\.5764 is the proton's in MHz/T; write 267\.515"
    ):
        read_pools(pools)
