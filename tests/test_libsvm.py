import numpy as np
import pytest

import istsim


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "data.txt"
        path.write_text(text)
        return path

    return write


def test_a_file_is_read_as_dense_arrays(write):
    features, targets = istsim.load_libsvm(write("# data\n+1 1:0.5 4:-2e1\n\n-1.5 2:3 # a comment\n0\n"))
    np.testing.assert_array_equal(features, [[0.5, 0, 0, -20], [0, 3, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(targets, [1, -1.5, 0])


def test_it_is_what_scikit_learn_reads(tmp_path):
    from sklearn.datasets import dump_svmlight_file

    rng = np.random.default_rng(0)
    features, targets = rng.standard_normal((7, 5)), rng.standard_normal(7)
    dump_svmlight_file(features, targets, str(tmp_path / "data.txt"), zero_based=False)
    read_features, read_targets = istsim.load_libsvm(tmp_path / "data.txt")
    np.testing.assert_allclose(read_features, features, rtol=1e-12)
    np.testing.assert_allclose(read_targets, targets, rtol=1e-12)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("one 1:2", "expected a number, got 'one'"),
        ("1 1:two", "expected a number, got 'two'"),
        ("1 1:nan", "expected a finite number, got 'nan'"),
        ("1 12", "expected index:value, got '12'"),
        ("1 -1:2", "expected index:value, got '-1:2'"),
        ("1 0:2", "expected increasing indices from 1, got 0 after 0"),
        ("1 2:1 2:1", "expected increasing indices from 1, got 2 after 2"),
    ],
)
def test_a_malformed_line_is_named_by_its_number(write, line, message):
    with pytest.raises(ValueError, match=f"data.txt, line 3: {message}"):
        istsim.load_libsvm(write(f"1 1:2\n\n{line}\n1 1:2\n"))


@pytest.mark.parametrize("text", ["", "# nothing\n", "1\n-1\n"])
def test_a_file_without_samples_is_refused(write, text):
    with pytest.raises(ValueError, match="at least one sample with a feature"):
        istsim.load_libsvm(write(text))
