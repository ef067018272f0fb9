"""The data that BlochNet and its competitors learn from, and how they are scored."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.zoo import fingerprints
from mrjax.zoo.fingerprints import FingerprintConfig, data
from mrjax.zoo.methods import dictionary_matching

pytestmark = pytest.mark.filterwarnings("ignore:.*truncates")

SHORT = FingerprintConfig(n_repetitions=60, n_states=10, batch_size=8)


def test_the_grids_have_the_published_number_of_atoms():
    for offset in (1e-3, 5e-3):
        grid = data.grid(offset)
        assert grid.size == 80_100
        assert np.all(grid.all()["t1"] >= grid.all()["t2"])


@pytest.mark.slow
def test_batches_are_fingerprints_of_the_published_schedule():
    batch = fingerprints.stream(SHORT).batch(3)
    flip_angle, tr = mr.protocols.published_fisp_schedule()
    sequence = mr.protocols.mrf_fisp(flip_angle[:60], tr[:60], 10e-3)
    signal = np.asarray(mr.simulate(sequence, mr.Tissue(batch["t1"][:, 0], batch["t2"][:, 0]), mr.EPG(10)))
    np.testing.assert_allclose(np.abs(signal.real).max(), 0, atol=1e-6)
    expected = -signal.imag / np.linalg.norm(signal, axis=-1, keepdims=True)
    np.testing.assert_allclose(batch["signal"][:, 0], expected, atol=2e-6)
    np.testing.assert_array_equal(batch["signal"], fingerprints.stream(SHORT).batch(3)["signal"])


@pytest.mark.exhaustive
def test_the_relaxation_after_the_echo_is_in():
    """The public decoder leaves it out, and reads a different signal."""
    flip_angle, tr = (jnp.asarray(x[:60]) for x in mr.protocols.published_fisp_schedule())
    tissue = mr.Tissue(jnp.array([0.8]), jnp.array([0.08]))
    before = [mr.Pulse(np.pi), mr.Spoil()]
    read = [mr.Pulse(flip_angle), mr.Delay(10e-3), mr.Sample()]
    right = mr.Sequence(*before, mr.Repeat(*read, mr.Delay(tr - 10e-3), mr.Dephase()))
    public = mr.Sequence(*before, mr.Repeat(*read, mr.Dephase()))
    decoded = fingerprints.fisp_decoder(SHORT)({"t1": tissue.t1, "t2": tissue.t2})
    np.testing.assert_allclose(decoded, mr.simulate(right, tissue, mr.EPG(10)), atol=1e-6)
    assert np.abs(decoded - mr.simulate(public, tissue, mr.EPG(10))).max() > 1e-2


@pytest.mark.exhaustive
def test_half_of_each_batch_is_played_with_each_spline():
    config = FingerprintConfig(train_on="splines", n_repetitions=60, n_states=10, batch_size=8)
    batch = fingerprints.stream(config).batch(0)
    angles, tr = fingerprints.schedules(config)
    assert angles.shape == (2, 60)
    assert float(angles.min()) >= 0
    assert float(angles.max()) <= np.deg2rad(120) + 1e-6
    for i in range(2):
        sequence = mr.protocols.mrf_fisp(angles[i], tr, jnp.float32(10e-3))
        signal = mr.simulate(sequence, mr.Tissue(batch["t1"][:, i], batch["t2"][:, i]), mr.EPG(10))
        np.testing.assert_allclose(batch["signal"][:, i], fingerprints.fingerprint(signal), atol=2e-6)


def test_noise_has_the_signal_to_noise_ratio_asked_for():
    clean = jnp.ones((200, 1000)) / np.sqrt(1000)
    noisy = fingerprints.noisy(jax.random.key(0), clean, 20.0)
    np.testing.assert_allclose(np.linalg.norm(noisy, axis=-1), 1)
    scale = (noisy * clean).sum(-1, keepdims=True)
    deviation = np.std(noisy / scale - clean)
    np.testing.assert_allclose(deviation * np.sqrt(1000), 1 / 20, rtol=0.01)


def test_labels_and_relaxation_times_are_inverse():
    times = {"t1": jnp.array([1.0, 0.3]), "t2": jnp.array([0.1, 0.05])}
    np.testing.assert_allclose(fingerprints.labels(times)[0], [3.0, 2.0], atol=1e-12)
    back = fingerprints.relaxation_times(fingerprints.labels(times))
    np.testing.assert_allclose(back["t2"], times["t2"], rtol=1e-12)


def test_scores_with_and_without_voxels_of_very_short_t2():
    truth = {"t1": np.array([1.0, 1.0]), "t2": np.array([0.1, 1e-3])}
    answer = lambda signal: {"t1": jnp.array([1.0, 1.0]), "t2": jnp.array([1.0, 1e-3])}
    scores = fingerprints.score(answer, truth, np.ones((2, 4)))
    assert (scores.n_voxels, scores.n_with_signal) == (2, 1)
    np.testing.assert_allclose((scores.all_voxels, scores.with_signal), (0.25, 0.5))


def test_a_voxel_without_signal_is_not_scored_as_seen():
    answer = lambda signal: {"t1": jnp.array([1.0, 1.0]), "t2": jnp.array([0.1, 0.1])}
    truth = {"t1": np.array([1.0, 2.0]), "t2": np.array([0.1, 0.1])}
    scores = fingerprints.score(answer, truth, np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert scores.with_signal == 0
    assert scores.all_voxels > 0


@pytest.mark.exhaustive
def test_dictionary_matching_answers_with_the_nearest_atom(monkeypatch):
    coarse = mr.synthesis.Grid({"t1": np.array([0.5, 1.0, 2.0]), "t2": np.array([0.05, 0.1])})
    monkeypatch.setattr(dictionary_matching, "grid", lambda offset: coarse)
    signal = fingerprints.fingerprint(
        fingerprints.fisp_decoder(SHORT)({"t1": np.array([1.03]), "t2": np.array([0.096])})
    )
    found = dictionary_matching.estimator(SHORT)(signal)
    assert (float(found["t1"][0]), float(found["t2"][0])) == (1.0, 0.1)


@pytest.mark.exhaustive
@pytest.mark.parametrize("t1_start", [1.0, 4.9])
def test_refinement_finds_the_truth_from_afar(t1_start):
    config = FingerprintConfig(n_repetitions=200, n_states=20)
    decoder = fingerprints.fisp_decoder(config)
    truth = {"t1": jnp.array([0.5, 1.3, 4.0]), "t2": jnp.array([0.04, 0.08, 1.5])}
    signal = fingerprints.simulated(decoder, truth)
    start = lambda s: {"t1": jnp.full(3, t1_start), "t2": jnp.full(3, 0.01)}
    found = fingerprints.refined(start, decoder)(signal)
    for name in truth:
        np.testing.assert_allclose(found[name], truth[name], rtol=1e-5)


def test_the_phantom_is_drawn_anew_for_each_slice():
    voxels = fingerprints.phantom(seed=1, draws=2, slices=(44,), shape=(20, 20))
    again = fingerprints.phantom(seed=1, draws=2, slices=(44,), shape=(20, 20))
    np.testing.assert_array_equal(voxels.t1, again.t1)
    half = voxels.t1.size // 2
    assert not np.allclose(voxels.t1[:half], voxels.t1[half:])
    assert np.all(voxels.t2 <= voxels.t1)


def test_maps_from_npz_and_from_nifti_are_the_same(tmp_path):
    t1, t2 = np.array([[1.0, 0.0], [0.8, 2.0]]), np.array([[0.1, 0.1], [0.05, 0.0]])
    np.savez(tmp_path / "maps.npz", t1=t1, t2=t2)
    mr.io.write_nifti(tmp_path / "t1.nii", 1e3 * t1[:, :, None], np.eye(4))
    mr.io.write_nifti(tmp_path / "t2.nii", 1e3 * t2[:, :, None], np.eye(4))
    from_npz = fingerprints.maps(tmp_path / "maps.npz")
    from_nifti = fingerprints.maps(tmp_path / "t1.nii", tmp_path / "t2.nii", milliseconds=True)
    np.testing.assert_allclose(from_npz.t1, [1.0, 0.8])
    np.testing.assert_allclose(from_nifti.t2, [0.1, 0.05], rtol=1e-6)


@pytest.mark.parametrize(
    ("t1", "t2", "message"),
    [
        (np.ones(3), np.full(2, 0.1), "one shape"),
        (np.zeros(3), np.ones(3), "no voxel with T1 and T2 above zero"),
        (np.full(3, 0.1), np.ones(3), "T2 must not exceed T1, but does in 3 of 3 voxels"),
    ],
)
def test_maps_that_cannot_be(tmp_path, t1, t2, message):
    np.savez(tmp_path / "maps.npz", t1=t1, t2=t2)
    with pytest.raises(ValueError, match=message):
        fingerprints.maps(tmp_path / "maps.npz")


def test_maps_in_milliseconds_by_mistake(tmp_path):
    np.savez(tmp_path / "maps.npz", t1=np.full(3, 1200.0), t2=np.full(3, 90.0))
    with pytest.warns(UserWarning, match="If you meant milliseconds"):
        fingerprints.maps(tmp_path / "maps.npz")


def test_a_file_that_is_no_map(tmp_path):
    (tmp_path / "maps.npz").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="must be an npz file with arrays `t1` and `t2`"):
        fingerprints.maps(tmp_path / "maps.npz")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train_on": "epi"}, "`train_on` must be 'fisp' or 'splines'"),
        ({"n_repetitions": 1001}, "`n_repetitions` must be at most 1000"),
        ({"steps": 0}, "`steps` must be an integer of at least 1"),
        ({"batch_size": 6}, "`batch_size` must be a multiple of 4"),
        ({"snr": 0.0}, "`snr` must be positive"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        FingerprintConfig(**settings)
