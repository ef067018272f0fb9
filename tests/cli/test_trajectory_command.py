"""`mrjax design trajectory` with a network: what is written holds together, and start and learned are trained alike."""

import json

import numpy as np
import pytest
from skimage.metrics import structural_similarity

import mrjax as mr
from mrjax.cli import main
from mrjax.cli.designs import trajectory, trajectory_network
from mrjax.units import mT

SETTINGS = """
matrix: 16
fov: 200mm
start: START
n_shots: 3
dwell_time: 10us
coefficients: [5, 6]
steps: 3
network_steps: 4
train: [30, 36]
test: [50, 54]
reconstruction: NETWORK
coils: 2
iterations: 2
channels: 4
batch: 2
"""


@pytest.mark.parametrize(
    ("start", "network"),
    [
        pytest.param("radial", "nc_pdnet", marks=pytest.mark.slow),
        pytest.param("spiral", "modl", marks=pytest.mark.exhaustive),
    ],
)
def test_what_is_written_holds_together(tmp_path, start, network):
    config, out = tmp_path / "asked.yaml", tmp_path / "out"
    config.write_text(SETTINGS.replace("START", start).replace("NETWORK", network))
    assert main(["--no-cache", "design", "trajectory", "--config", str(config), "--out", str(out)]) == 0
    card = json.loads((out / "card.json").read_text())
    found, truth = card["found"], trajectory.images_of({**card["asked"]}, card["asked"]["test"])
    with np.load(out / "trajectory.npz") as file:
        for name, suffix in (("start", "_of_the_start"), ("learned", "")):
            seen = np.abs(file[name])
            error = np.sqrt(np.mean((seen - truth) ** 2, axis=(1, 2)))
            np.testing.assert_allclose(found[f"psnr{suffix}_dB"], np.mean(-20 * np.log10(error)), rtol=1e-4)
            similar = [structural_similarity(t, s, data_range=1.0) for t, s in zip(truth, seen, strict=True)]
            np.testing.assert_allclose(found[f"ssim{suffix}"], np.mean(similar), rtol=1e-3)
    assert found["duration_s"] == found["duration_of_the_start_s"]
    scanner = mr.Scanner(max_gradient=30 * mT, max_slew=120.0)
    scanner.check(mr.pulseq.to_sequence(mr.pulseq.read(out / "trajectory_1.5.seq")))
    steps = {path.parent.name: len(path.read_text().splitlines()) for path in out.glob("*/log.jsonl")}
    learned = {"learned_0": 3, "learned_1": 3, "learned_network": 4}
    assert steps == {"first": 4} | learned | {
        name.replace("learned", "start"): count for name, count in learned.items()
    }


def test_noise_is_that_of_a_pixel_that_is_fully_sampled():
    n, settings = 16, {"matrix": 16, "noise": 0.05, "coils": 1}
    batch = trajectory_network.with_noise(settings, np.zeros((40, n, n)), n * n, np.random.default_rng(0))
    pixels = np.fft.ifft2(batch["noise"].reshape(40, n, n))
    np.testing.assert_allclose(np.std(pixels), 0.05, rtol=0.02)


def test_batches_follow_from_seed_stage_and_step_and_keep_magnitudes():
    settings = {"matrix": 16, "noise": 0.05, "coils": 2, "seed": 3, "batch": 4}
    images = np.random.default_rng(0).uniform(size=(3, 16, 16))
    batch = lambda *place: trajectory_network.batch_of(settings, images, 10, *place)
    first, again = batch(1, 5), batch(1, 5)
    np.testing.assert_array_equal(first["images"], again["images"])
    np.testing.assert_array_equal(first["noise"], again["noise"])
    for other in (batch(0, 5), batch(1, 6)):
        assert not np.array_equal(first["noise"], other["noise"])
    orientations = [np.rot90(one, turns) for image in images for one in (image, image.T) for turns in range(4)]
    for seen in first["images"]:
        assert min(np.max(np.abs(np.abs(seen) - one)) for one in orientations) < 1e-6
    assert np.std(np.angle(first["images"])) > 0.1
