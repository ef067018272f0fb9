"""Distributions of tissue parameters."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.synthesis import Grid, LogUniform, TissueMixture, Uniform, longer_t1

KEY = jax.random.key(5)
LIMITS = {"t1": (0.1, 4.0), "t2": (0.02, 2.0)}
PRIORS = {
    "grid": Grid({"t1": [0.1, 0.5, 1.0], "t2": [0.05, 0.2, 0.8]}, where=longer_t1),
    "uniform": Uniform(LIMITS),
    "uniform-where": Uniform(LIMITS, where=longer_t1),
    "log-uniform": LogUniform(LIMITS),
    "log-uniform-where": LogUniform(LIMITS, where=longer_t1),
    "mixture": TissueMixture({"t1": [0.8, 1.4], "t2": [0.07, 0.1]}, 0.1, [1, 3]),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_the_same_key_gives_the_same_numbers_in_and_out_of_jit(prior):
    outside = prior.sample(KEY, 300)
    inside = jax.jit(lambda prior, key: prior.sample(key, 300))(prior, KEY)
    others = prior.sample(jax.random.key(6), 300)
    assert set(outside) == {"t1", "t2"}
    for name, values in outside.items():
        assert values.shape == (300,)
        np.testing.assert_allclose(inside[name], values, rtol=1e-14)
        np.testing.assert_array_equal(prior.sample(KEY, 300)[name], values)
        assert np.any(np.asarray(others[name]) != np.asarray(values))


def test_the_order_of_names_does_not_change_the_draws():
    turned = Uniform({"t2": LIMITS["t2"], "t1": LIMITS["t1"]}).sample(KEY, 50)
    for name, values in PRIORS["uniform"].sample(KEY, 50).items():
        np.testing.assert_array_equal(turned[name], values)


MAKERS = {
    "grid": lambda: Grid({"t1": [0.1, 0.5], "t2": [0.05, 0.2]}, where=longer_t1),
    "uniform": lambda: Uniform(LIMITS, where=longer_t1),
    "log-uniform": lambda: LogUniform(LIMITS, where=longer_t1),
    "mixture": lambda: TissueMixture({"t1": [0.8, 1.4]}, 0.1, [1, 3]),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_prior_can_be_made_inside_jit(make):
    inside = jax.jit(lambda key: make().sample(key, 20))(KEY)
    np.testing.assert_allclose(inside["t1"], make().sample(KEY, 20)["t1"], rtol=1e-14)


def test_limits_are_checked_inside_jit():
    with pytest.raises(ValueError, match=r"`limits\['t1'\]` must be positive"):
        jax.jit(lambda key: LogUniform({"t1": (-1.0, 1.0)}).sample(key, 20))(KEY)


@pytest.mark.exhaustive
def test_many_samples_under_vmap():
    keys = jax.random.split(KEY, 4)
    many = jax.vmap(lambda key: PRIORS["uniform-where"].sample(key, 30)["t1"])(keys)
    for key, row in zip(keys, many, strict=True):
        np.testing.assert_array_equal(row, PRIORS["uniform-where"].sample(key, 30)["t1"])


def test_grid_lists_every_combination_that_is_kept():
    everything = PRIORS["grid"].all()
    expected = {(t1, t2) for t1 in (0.1, 0.5, 1.0) for t2 in (0.05, 0.2, 0.8) if t1 >= t2}
    pairs = list(zip(everything["t1"].tolist(), everything["t2"].tolist(), strict=True))
    assert set(pairs) == expected
    assert len(pairs) == PRIORS["grid"].size == len(expected)
    assert Grid({"t1": [1.0, 2.0], "t2": [0.1, 0.2, 0.3]}).size == 6


def test_grid_draws_every_combination_equally_often():
    samples = PRIORS["grid"].sample(KEY, 60_000)
    _, counts = np.unique(np.stack([samples["t1"], samples["t2"]]), axis=1, return_counts=True)
    assert counts.size == 6
    np.testing.assert_allclose(counts, 10_000, atol=400)  # four standard deviations


@pytest.mark.parametrize(("name", "of"), [("uniform", lambda x: x), ("log-uniform", np.log)])
def test_draws_are_even_between_their_limits(name, of):
    samples = PRIORS[name].sample(KEY, 100_000)
    for parameter, (low, high) in LIMITS.items():
        values = np.asarray(samples[parameter])
        assert low <= values.min() < values.max() <= high
        counts, _ = np.histogram(of(values), bins=10, range=(of(low), of(high)))
        np.testing.assert_allclose(counts, 10_000, atol=400)
    assert abs(np.corrcoef(samples["t1"], samples["t2"])[0, 1]) < 0.015


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", [Uniform, LogUniform])
def test_where_cuts_the_distribution_and_changes_nothing_else(kind):
    cut = kind(LIMITS, where=lambda p: p["t1"] < 0.4).sample(KEY, 20_000)
    free = kind({"t1": (0.1, 0.4), "t2": LIMITS["t2"]}).sample(KEY, 20_000)
    assert np.max(cut["t1"]) < 0.4
    for name in LIMITS:
        np.testing.assert_allclose(np.mean(cut[name]), np.mean(free[name]), rtol=0.03)
    kept = kind(LIMITS, where=longer_t1).sample(KEY, 20_000)
    assert np.all(kept["t1"] >= kept["t2"])


@pytest.mark.exhaustive
def test_mixture_has_the_means_spreads_and_weights_asked_for():
    mixture = TissueMixture({"t1": [0.5, 2.0], "t2": [0.05, 0.2]}, 0.1, [1, 3])
    samples = {name: np.asarray(value) for name, value in mixture.sample(KEY, 200_000).items()}
    second = samples["t1"] > 1.0  # seven standard deviations from either
    assert abs(second.mean() - 0.75) < 0.004
    for name, means in (("t1", (0.5, 2.0)), ("t2", (0.05, 0.2))):
        for tissue, mean in zip((~second, second), means, strict=True):
            np.testing.assert_allclose(samples[name][tissue].mean(), mean, rtol=2e-3)
            np.testing.assert_allclose(samples[name][tissue].std(), 0.1 * mean, rtol=0.02)
            logarithm = np.log(samples[name][tissue])
            assert abs(np.mean((logarithm - logarithm.mean()) ** 3) / logarithm.std() ** 3) < 0.05
    assert abs(np.corrcoef(samples["t1"][second], samples["t2"][second])[0, 1]) < 0.015


def test_mixture_without_spread_gives_the_means_and_weight_zero_never_comes():
    samples = TissueMixture({"t1": [0.5, 2.0, 9.0]}, 0.0, [1, 1, 0]).sample(KEY, 1000)
    np.testing.assert_array_equal(np.unique(samples["t1"]), [0.5, 2.0])


def test_one_trace_for_many_keys():
    sample = eqx.filter_jit(eqx.debug.assert_max_traces(lambda prior, key: prior.sample(key, 10), max_traces=1))
    for seed in range(3):
        sample(PRIORS["uniform-where"], jax.random.key(seed))


def test_longer_t1():
    values = {"t1": jnp.array([1.0, 1.0, 1.0]), "t2": jnp.array([0.9, 1.0, 1.1])}
    assert longer_t1(values).tolist() == [True, True, False]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Grid({"t1": [100, 2000.0], "b1": [500.0]}),
        lambda: Uniform({"t1": (100, 2000), "b1": (1, 500)}),
        lambda: LogUniform({"t2": (1, 300)}),
        lambda: TissueMixture({"t2": [70.0]}, 0.1, [1]),
    ],
)
def test_milliseconds_are_warned_of(make):
    with pytest.warns(UserWarning, match=r"`\w+\['(t[12]|b1)'\]` is (in s|relative to nominal) and reaches"):
        make()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Grid({}), "`values` must name at least one parameter, but is empty"),
        (lambda: Grid({"t1": []}), r"`values\['t1'\]` must be one-dimensional and not empty, but got .* \(0,\)"),
        (lambda: Grid({"t1": [[1.0]]}), r"`values\['t1'\]` must be one-dimensional .* \(1, 1\)"),
        (lambda: Grid({"t1": [1.0, np.nan]}), r"`values\['t1'\]` must be finite, but got nan"),
        (lambda: Grid({"t1": "long"}), r"`values\['t1'\]` must be a number or an array of numbers, but got 'long'"),
        (lambda: Grid({"t1": [1.0], "t2": [2.0]}, longer_t1), "`where` must keep at least one combination"),
        (lambda: Grid({"t1": [1.0, 2.0]}, lambda p: True), r"`where` must return one True or False .* got shape \(\)"),
        (lambda: Grid({"t1": [1.0, 2.0]}, lambda p: p["t1"]), r"`where` must return .* \(2,\) of float64"),
        (lambda: Uniform({}), "`limits` must name at least one parameter, but is empty"),
        (lambda: Uniform({"t1": (1.0, 2.0, 3.0)}), r"`limits\['t1'\]` must be \(low, high\) .* got \(1.0, 2.0, 3.0\)"),
        (lambda: Uniform({"t1": (2.0, 1.0)}), r"`limits\['t1'\]` must be \(low, high\) with low < high, but got \(2.0"),
        (lambda: Uniform({"t1": (2.0, np.inf)}), r"`limits\['t1'\]` must be finite"),
        (lambda: Uniform({"t1": (0.1, 1.0), "t2": (2.0, 3.0)}, longer_t1), "`where` must accept some samples, but rejects"),
        (lambda: LogUniform({"t1": (0.1, 1.0), "t2": (2.0, 3.0)}, longer_t1), "rejects all of 10000 draws"),
        (lambda: LogUniform({"t1": (0.0, 1.0)}), r"`limits\['t1'\]` must be positive, but got 0"),
        (lambda: TissueMixture({}, 0.1, [1]), "`means` must name at least one parameter, but is empty"),
        (lambda: TissueMixture({"t1": [1.0, 0.0]}, 0.1, [1, 1]), r"`means\['t1'\]` must be positive, but got 0"),
        (lambda: TissueMixture({"t1": [1.0]}, -0.1, [1]), "`spread` must not be negative"),
        (lambda: TissueMixture({"t1": [1.0]}, np.inf, [1]), "`spread` must be finite"),
        (lambda: TissueMixture({"t1": [1.0]}, [0.1], [1]), r"`spread` must be a scalar, but got shape \(1,\)"),
        (lambda: TissueMixture({"t1": [1.0]}, 0.1, [1, 1]), r"`weights` must have one value per tissue, \(1,\) .* \(2,\)"),
        (lambda: TissueMixture({"t1": [1.0, 2.0]}, 0.1, [1, -1]), "`weights` must not be negative"),
        (lambda: TissueMixture({"t1": [1.0, 2.0]}, 0.1, [1, np.inf]), "`weights` must be finite"),
        (lambda: TissueMixture({"t1": [1.0]}, 0.1, [0]), "The sum of `weights` must be positive, but got 0"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_the_number_of_samples_is_checked(prior):
    with pytest.raises(ValueError, match="`n` must be an integer of at least 1, but got 0"):
        prior.sample(KEY, 0)
