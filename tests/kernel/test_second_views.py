"""What `y` is: a target that a pipeline passes along, or second views where that was said."""

import warnings

import numpy as np
import pandas
import pytest
import scipy.sparse
import torch
from sklearn.decomposition import KernelPCA
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eigenstep import ContrastiveKernelPCA

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = X + 0.1 * RNG.normal(size=X.shape)
TARGETS = {
    "multi-label": RNG.integers(0, 2, (60, 3)),
    "column": X[:, :1],
    "frame of one column": pandas.DataFrame({"t": X[:, 0]}),
    "sparse labels": scipy.sparse.csr_array(RNG.integers(0, 2, (60, 3))),
    "sets of labels": [["a"], ["a", "b"]] * 30,
    "words": np.array([["a", "b"]] * 60, dtype=object),
    "tensor": torch.ones(60, 2),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("y_is", [None, "target"])
def test_a_target_of_any_other_shape_changes_nothing(target, y_is):
    plain = ContrastiveKernelPCA(3).fit(X)
    given = ContrastiveKernelPCA(3, y_is=y_is).fit(X, TARGETS[target])
    np.testing.assert_array_equal(given.eigenvalues_, plain.eigenvalues_)
    assert given.n_views_ == 60


@pytest.mark.parametrize("target", ["multi-label", "column", "frame of one column"])
def test_a_pipeline_does_what_it_does_with_kernel_pca(target):
    y, head = TARGETS[target], KNeighborsClassifier() if target == "multi-label" else Ridge()
    theirs = make_pipeline(KernelPCA(3, kernel="rbf"), head).fit(X, y).predict(X)
    ours = ContrastiveKernelPCA(3, kernel="rbf", center=True, whiten=False)
    np.testing.assert_allclose(make_pipeline(ours, head).fit(X, y).predict(X), theirs, atol=1e-8)


OF_XS_SHAPE = {
    "array": Y,
    "frame": pandas.DataFrame(Y),
    "list": Y.tolist(),
    "sparse": scipy.sparse.csr_array(Y),
    "tensor": torch.tensor(Y),
    "labels": RNG.integers(0, 2, X.shape),
}


@pytest.mark.parametrize("kind", OF_XS_SHAPE)
@pytest.mark.parametrize("method", ["fit", "fit_transform", "partial_fit"])
def test_a_y_that_may_be_either_is_refused_in_words_that_say_how_to_go_on(kind, method):
    model = ContrastiveKernelPCA(3, n_landmarks=20, random_state=0)
    with pytest.raises(ValueError, match=r"y_is='view' or 'target' for a y of X's shape \(60, 4\)"):
        getattr(model, method)(X, OF_XS_SHAPE[kind])
    getattr(model.set_params(y_is="target"), method)(X, OF_XS_SHAPE[kind])
    assert model.n_views_ == 60


@pytest.mark.parametrize("given", [{"groups": np.arange(60) // 2}, {"pair_graph": np.eye(60)}])
def test_other_ways_to_say_pairs_leave_y_what_it_was_said_to_be(given):
    with pytest.raises(ValueError, match="y_is='view' or 'target'"):
        ContrastiveKernelPCA(3).fit(X, Y, **given)
    with pytest.raises(ValueError, match="one way to tell which rows are views"):
        ContrastiveKernelPCA(3, y_is="view").fit(X, Y, **given)
    with_target = ContrastiveKernelPCA(3, y_is="target").fit(X, Y, **given)
    np.testing.assert_array_equal(
        with_target.eigenvalues_, ContrastiveKernelPCA(3).fit(X, **given).eigenvalues_
    )


def test_augmented_rows_can_be_fitted_beside_targets_of_their_shape():
    model = ContrastiveKernelPCA(3, augment=lambda rows, generator: rows + 0.1, y_is="target", random_state=0)
    pipeline = make_pipeline(model, Ridge())
    search = GridSearchCV(pipeline, {"contrastivekernelpca__n_components": [1, 3]}, cv=3, error_score="raise")
    assert search.fit(X, Y).best_estimator_[0].n_views_ == 120


def test_second_views_must_be_given_where_they_were_announced():
    model = ContrastiveKernelPCA(3, y_is="view")
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        model.fit(X)
    with pytest.raises(ValueError, match=r"second views, row by row and of X's shape .* got shape \(60, 3\)"):
        model.fit(X, TARGETS["multi-label"])
    with pytest.raises(ValueError, match="expected y_is as 'view', 'target' or None, got 'pairs'"):
        ContrastiveKernelPCA(3, y_is="pairs").fit(X, Y)


def test_second_views_of_a_frame_are_put_in_the_order_of_xs_columns():
    first = pandas.DataFrame(X, columns=list("abcd"))
    second = pandas.DataFrame(Y, columns=list("abcd"))
    expected = ContrastiveKernelPCA(3, y_is="view").fit(X, Y).eigenvalues_
    for order in ("abcd", "dbca"):
        model = ContrastiveKernelPCA(3, y_is="view").fit(first, second[list(order)])
        np.testing.assert_array_equal(model.eigenvalues_, expected)
    batches = ContrastiveKernelPCA(3, y_is="view", random_state=0)
    for rows in (slice(0, 30), slice(30, 60)):
        batches.partial_fit(first[rows], second[list("cadb")][rows])
    np.testing.assert_allclose(batches.eigenvalues_, expected, rtol=0.1)


@pytest.mark.parametrize("columns", [list("abce"), list("abcc"), list("ABCD")])
def test_second_views_with_other_columns_are_refused_by_name(columns):
    first = pandas.DataFrame(X, columns=list("abcd"))
    second = pandas.DataFrame(Y, columns=columns)
    with pytest.raises(ValueError, match=f"columns 'a', 'b', 'c', 'd' in y, got '{columns[0]}'"):
        ContrastiveKernelPCA(3, y_is="view").fit(first, second)


def test_names_on_one_side_alone_are_told():
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = ContrastiveKernelPCA(3, y_is="view")
    with pytest.warns(UserWarning, match="X has column names and y has none"):
        model.fit(frame, Y)
    with pytest.warns(UserWarning, match="y has column names and X has none"):
        model.fit(X, pandas.DataFrame(Y, columns=list("abcd")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(pandas.DataFrame(X), pandas.DataFrame(Y))


def test_labels_for_views_are_told_by_their_shape():
    with pytest.raises(ValueError, match=r"as second views, row by row .* \(60, 4\), got shape \(60,\)"):
        ContrastiveKernelPCA(3, y_is="view").fit(X, X[:, 0] > 0)


def test_second_views_that_a_pipeline_left_unscaled_are_told():
    x, y = 50 + 10 * X, 50 + 10 * Y
    scaler = StandardScaler().fit(x)
    with pytest.warns(UserWarning, match="change X alone"):
        make_pipeline(StandardScaler(), ContrastiveKernelPCA(3, y_is="view")).fit(x, y)
    with warnings.catch_warnings(action="error"):
        ContrastiveKernelPCA(3, y_is="view").fit(scaler.transform(x), scaler.transform(y))
        ContrastiveKernelPCA(3, y_is="view").fit(x, y)
