import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given

torch = pytest.importorskip("torch", reason="networks are trained in torch: pip install 'istsim[torch]'")

from istsim.networks import data  # noqa: E402
from istsim.networks.data._cifar10 import holds_cifar10  # noqa: E402

RECORD = 3073
CIFAR10_FILES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")


def numbered(examples, test_examples=2):
    """Data whose examples are known by their number."""
    train, test = (torch.arange(count) for count in (examples, test_examples))
    return data.Data(
        "numbered", train[:, None].float(), train, test[:, None].float(), test, max(examples, test_examples)
    )


def seen(batches, worker, steps):
    """The numbers of the examples in each of a worker's batches."""
    return [batches(worker, step)[1].tolist() for step in steps]


def flat(lists):
    return [number for numbers in lists for number in numbers]


# --- Data


def test_data_say_whether_they_are_text():
    tokens = torch.zeros(4, 3, dtype=torch.long)
    assert data.Data("text", tokens, tokens, tokens, tokens, 5).is_text
    assert not numbered(4).is_text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"train_inputs": torch.zeros(0, 2), "train_targets": torch.zeros(0).long()},
            ["train_inputs", "not be empty", "(0, 2)"],
        ),
        ({"test_inputs": torch.zeros(3)}, ["test_inputs", "(examples, ...)", "(3,)"]),
        ({"test_inputs": torch.zeros(3, 0)}, ["test_inputs", "not be empty", "(3, 0)"]),
        ({"train_targets": torch.zeros(5).long()}, ["train_targets", "(4,)", "(4, 2)", "(5,)"]),
        ({"test_targets": torch.zeros(3, 1).long()}, ["test_targets", "(3,)", "(3, 1)"]),
        ({"train_targets": torch.zeros(4)}, ["train_targets", "torch.int64", "torch.float32", ".long()"]),
        ({"train_targets": torch.tensor([0, 1, -2, 0])}, ["train_targets", "0 to num_classes - 1 = 2", "got -2"]),
        ({"test_targets": torch.tensor([0, 1, 3])}, ["test_targets", "0 to num_classes - 1 = 2", "got 3"]),
        ({"test_inputs": torch.zeros(3, 5)}, ["inputs", "(2,)", "(5,)"]),
        ({"train_targets": torch.zeros(4, 2).long()}, ["train_inputs", "torch.int64", "torch.float32"]),
        ({"num_classes": 0}, ["num_classes", "at least 1", "0"]),
    ],
)
def test_data_that_do_not_fit_together_are_refused(change, words):
    fitting = {
        "name": "fitting",
        "train_inputs": torch.zeros(4, 2),
        "train_targets": torch.zeros(4, dtype=torch.long),
        "test_inputs": torch.zeros(3, 2),
        "test_targets": torch.zeros(3, dtype=torch.long),
        "num_classes": 3,
    }
    data.Data(**fitting)
    with pytest.raises(ValueError) as caught:
        data.Data(**{**fitting, **change})
    for word in words:
        assert word in str(caught.value)


def test_text_is_not_tested_by_classes():
    tokens = torch.zeros(4, 3, dtype=torch.long)
    with pytest.raises(ValueError, match=r"targets must have one shape for training and test, got \(3,\) and \(\)"):
        data.Data("mixed", tokens, tokens, tokens, tokens[:, 0], 5)


# --- digits


@pytest.fixture(scope="module")
def digits():
    return data.digits()


def test_digits_are_standardised_by_their_training_part(digits):
    assert digits.train_inputs.dtype == digits.test_inputs.dtype == torch.float32
    assert digits.train_inputs.mean().item() == pytest.approx(0, abs=1e-5)
    assert digits.train_inputs.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert digits.test_inputs.mean().abs() > 1e-5


def test_digits_are_each_in_one_part_with_their_own_labels(digits):
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    both = torch.cat([digits.train_inputs, digits.test_inputs]).flatten(1).double().numpy()
    both = np.rint((both - both.min()) / (both.max() - both.min()) * 16)  # undone: the least pixel is 0, the largest 16
    targets = torch.cat([digits.train_targets, digits.test_targets]).numpy()
    as_rows = np.column_stack([both, targets]), np.column_stack([pixels, labels])
    found, expected = (rows[np.lexsort(rows.T)] for rows in as_rows)
    np.testing.assert_array_equal(found, expected)


def test_the_split_of_digits_is_always_the_same_and_not_by_their_order(digits):
    from sklearn.datasets import load_digits

    assert torch.equal(digits.test_targets, data.digits().test_targets)
    assert digits.test_targets.tolist() != load_digits().target[-359:].tolist()
    assert digits.test_targets[:12].tolist() == [8, 6, 6, 4, 9, 0, 5, 1, 4, 0, 6, 2]  # with any version of NumPy


# --- text


@pytest.mark.parametrize("context", [1, 64, 1000])
def test_text_is_every_byte_of_the_manual_but_what_fills_no_sequence(context):
    from pydoc_data.topics import topics

    manual = "\n".join(topics[topic] for topic in sorted(topics)).encode()
    texts = data.text(context)
    assert texts.is_text
    assert texts.num_classes == 256
    test_length = len(manual) // 10
    for inputs, expected in (
        (texts.train_inputs, manual[:-test_length]),
        (texts.test_inputs, manual[-test_length:]),
    ):
        assert inputs.shape[1] == context
        assert 0 < len(expected) - inputs.numel() <= context
        assert bytes(inputs.flatten().tolist()) == expected[: inputs.numel()]


def test_the_targets_of_text_are_the_next_bytes():
    texts = data.text(50)
    for inputs, targets in ((texts.train_inputs, texts.train_targets), (texts.test_inputs, texts.test_targets)):
        assert torch.equal(inputs.flatten()[1:], targets.flatten()[:-1])


def test_a_sequence_longer_than_the_text_is_refused(unchecked):
    with pytest.raises(ValueError, match=r"context must be less than the bytes of either text, .* got 10000000"):
        data.text(10_000_000)
    with pytest.raises(ValueError, match="context must be an integer of at least 1, got 0"):
        data.text(0)


# --- CIFAR-10


@pytest.fixture
def cifar10_files(tmp_path):
    """A folder with two records in each file, and all of them as arrays."""
    records = np.random.default_rng(0).integers(0, 256, (len(CIFAR10_FILES), 2, RECORD), dtype=np.uint8)
    records[:, :, 0] %= 10
    for name, content in zip(CIFAR10_FILES, records, strict=True):
        (tmp_path / name).write_bytes(content.tobytes())
    return tmp_path, records.reshape(-1, RECORD)


def test_cifar10_is_read_as_its_site_describes_it(cifar10_files):
    folder, records = cifar10_files
    read = data.cifar10(folder)
    assert read.train_inputs.shape == (10, 3, 32, 32)
    assert read.test_inputs.shape == (2, 3, 32, 32)
    assert torch.cat([read.train_targets, read.test_targets]).tolist() == records[:, 0].tolist()
    pixels = np.empty((12, 3, 32, 32))
    for channel, row, column in np.ndindex(3, 32, 32):
        pixels[:, channel, row, column] = records[:, 1 + 1024 * channel + 32 * row + column]
    mean, std = (moment(pixels[:10], axis=(0, 2, 3))[:, None, None] for moment in (np.mean, np.std))
    found = torch.cat([read.train_inputs, read.test_inputs]).numpy()
    np.testing.assert_allclose(found, (pixels - mean) / std, atol=1e-5)


def test_cifar10_is_found_in_the_folder_that_was_unpacked(cifar10_files, tmp_path):
    folder, _ = cifar10_files
    inside = tmp_path / "elsewhere" / "cifar-10-batches-bin"
    inside.mkdir(parents=True)
    for name in CIFAR10_FILES:
        (folder / name).rename(inside / name)
    assert len(data.cifar10(str(inside.parent)).train_inputs) == 10


def test_a_folder_is_known_to_hold_cifar10_by_any_of_its_files_and_no_deeper(tmp_path):
    assert not holds_cifar10(tmp_path)
    deep = tmp_path / "runs" / "cifar-10-batches-bin"
    deep.mkdir(parents=True)
    (deep / "test_batch.bin").touch()
    assert not holds_cifar10(tmp_path)
    assert holds_cifar10(deep.parent)
    assert holds_cifar10(deep)


def test_missing_files_of_cifar10_are_named_with_where_they_come_from(cifar10_files):
    folder, _ = cifar10_files
    (folder / "data_batch_3.bin").unlink()
    (folder / "test_batch.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold data_batch_3.bin, test_batch.bin: .*kriz/cifar.html"):
        data.cifar10(folder)


@pytest.mark.parametrize("size", [0, 1, RECORD - 1, 2 * RECORD - 1])
def test_a_truncated_file_of_cifar10_is_refused(cifar10_files, size):
    folder, _ = cifar10_files
    (folder / "data_batch_4.bin").write_bytes(bytes(size))
    with pytest.raises(ValueError, match=f"data_batch_4.bin must hold records of 3073 bytes, got {size} bytes"):
        data.cifar10(folder)


def test_a_label_of_cifar10_above_9_is_refused_with_its_record(cifar10_files):
    folder, _ = cifar10_files
    (folder / "test_batch.bin").write_bytes(bytes(RECORD) + bytes([10]) + bytes(RECORD - 1))
    with pytest.raises(ValueError, match=r"test_batch.bin, record 1: expected a label from 0 to 9, got 10"):
        data.cifar10(folder)


def test_a_channel_that_is_constant_stays_finite(tmp_path):
    for name in CIFAR10_FILES:
        (tmp_path / name).write_bytes(bytes([1]) + bytes([200]) * (RECORD - 1))
    read = data.cifar10(tmp_path)
    assert (read.train_inputs == 0).all()
    assert (read.test_inputs == 0).all()


# --- data sets of Hugging Face


@pytest.fixture(scope="module")
def datasets():
    pytest.importorskip("PIL", reason="images need Pillow")
    module = pytest.importorskip("datasets", reason="needs Hugging Face's datasets: pip install 'istsim[torch]'")
    module.disable_progress_bars()
    return module


@pytest.fixture
def save(datasets, tmp_path):
    """Saves columns, or several splits of them, and gives the folder."""

    def save(features=None, **columns):
        features = features and datasets.Features(features)
        if all(isinstance(value, dict) for value in columns.values()):
            splits = {name: datasets.Dataset.from_dict(split, features) for name, split in columns.items()}
            datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
        else:
            datasets.Dataset.from_dict(columns, features).save_to_disk(tmp_path / "saved")
        return tmp_path / "saved"

    return save


def colours(count, seed, size=(4, 5, 3)):
    return [array.astype(np.uint8) for array in np.random.default_rng(seed).integers(0, 256, (count, *size))]


def pictures(arrays, mode=None):
    from PIL import Image

    images = [Image.fromarray(array) for array in arrays]
    return [image.convert(mode) for image in images] if mode else images


@pytest.mark.parametrize("held_out", ["test", "validation"])
@pytest.mark.parametrize(("image", "label"), [("image", "label"), ("img", "fine_label"), ("pixel_values", "labels")])
def test_saved_images_are_standardised_by_channel(datasets, save, held_out, image, label):
    train, test = colours(6, seed=0), colours(3, seed=1)
    features = {image: datasets.Image(), label: datasets.ClassLabel(names=["cat", "dog", "eel"])}
    splits = {
        "train": {image: pictures(train), label: [0, 1, 0, 1, 0, 1]},
        held_out: {image: pictures(test), label: [1, 1, 0]},
    }
    read = data.saved_dataset(save(features, **splits))
    pixels = np.stack(train + test).transpose(0, 3, 1, 2).astype(float)
    mean, std = (moment(pixels[:6], axis=(0, 2, 3))[:, None, None] for moment in (np.mean, np.std))
    found = torch.cat([read.train_inputs, read.test_inputs])
    assert found.shape == (9, 3, 4, 5)
    assert found.is_contiguous()
    np.testing.assert_allclose(found.numpy(), (pixels - mean) / std, atol=1e-5)
    assert read.train_targets.tolist() == [0, 1, 0, 1, 0, 1]
    assert read.test_targets.tolist() == [1, 1, 0]
    assert read.num_classes == 3
    assert read.name == "saved"


def test_test_comes_before_validation(datasets, save):
    features = {"image": datasets.Image(), "label": datasets.Value("int32")}
    splits = {
        split: {"image": pictures(colours(count, seed=0)), "label": list(range(count))}
        for split, count in (("validation", 2), ("train", 4), ("test", 3))
    }
    assert len(data.saved_dataset(save(features, **splits)).test_inputs) == 3


def test_images_without_a_split_are_split_always_the_same_and_not_by_their_order(datasets, save):
    features = {"image": datasets.Image(), "label": datasets.Value("int64")}
    folder = save(features, image=pictures(colours(20, seed=0)), label=list(range(20)))
    one, same = data.saved_dataset(folder), data.saved_dataset(folder)
    assert one.test_targets.tolist() == same.test_targets.tolist() != [16, 17, 18, 19]
    assert sorted(torch.cat([one.train_targets, one.test_targets]).tolist()) == list(range(20))
    assert len(one.test_targets) == 4
    assert one.num_classes == 20


def test_a_training_split_alone_is_split(datasets, save):
    features = {"image": datasets.Image(), "label": datasets.Value("int64")}
    folder = save(features, train={"image": pictures(colours(5, seed=0)), "label": [0, 1, 2, 3, 4]})
    assert len(data.saved_dataset(folder).test_targets) == 1


def test_images_keep_their_labels_when_split(datasets, save):
    levels = np.arange(10, dtype=np.uint8)
    features = {"image": datasets.Image(), "label": datasets.Value("int64")}
    read = data.saved_dataset(
        save(
            features, image=pictures([np.full((2, 2), 20 * level, np.uint8) for level in levels]), label=levels.tolist()
        )
    )
    for inputs, targets in ((read.train_inputs, read.train_targets), (read.test_inputs, read.test_targets)):
        assert inputs.shape[1:] == (1, 2, 2)
        order = targets.argsort()
        assert (inputs[order, 0, 0, 0].diff() > 0).all()


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("1", 1), ("LA", 1), ("RGBA", 3), ("P", 3), ("CMYK", 3)])
def test_images_of_other_modes_become_grey_or_coloured(datasets, save, mode, channels):
    features = {"image": datasets.Image(), "label": datasets.Value("int64")}
    images = pictures(colours(5, seed=0), mode)
    folder = save(features, image=images, label=[0, 1, 0, 1, 0])
    assert data.saved_dataset(folder).train_inputs.shape == (4, channels, 4, 5)


def test_a_grey_image_among_coloured_ones_gets_three_equal_channels(datasets, save):
    grey, coloured = colours(1, 0, (4, 5)), colours(3, 1)
    features = {"image": datasets.Image(), "label": datasets.Value("int64")}
    splits = {
        "train": {"image": pictures([*grey, *coloured]), "label": [0, 1, 1, 1]},
        "test": {"image": pictures(coloured), "label": [1, 1, 1]},
    }
    read = data.saved_dataset(save(features, **splits))
    pixels = np.stack([np.stack([grey[0]] * 3, axis=-1), *coloured]).transpose(0, 3, 1, 2).astype(float)
    mean, std = (moment(pixels, axis=(0, 2, 3))[:, None, None] for moment in (np.mean, np.std))
    np.testing.assert_allclose(read.train_inputs.numpy(), (pixels - mean) / std, atol=1e-5)


def test_images_saved_undecoded_are_decoded(datasets, save):
    features = {"image": datasets.Image(decode=False), "label": datasets.Value("int64")}
    folder = save(features, image=pictures(colours(5, seed=0)), label=[0] * 5)
    assert data.saved_dataset(folder).train_inputs.shape == (4, 3, 4, 5)


def test_saved_text_becomes_bytes(save):
    train, test = ["Grüße", "", "from\nhere"], ["and", "there"]
    read = data.saved_dataset(save(train={"text": train}, test={"text": test}), context=3)
    assert bytes(read.train_inputs.flatten().tolist()) == "Grüße\n\nfrom\nhere".encode()[:15]
    assert bytes(read.train_targets.flatten().tolist()) == "Grüße\n\nfrom\nhere".encode()[1:16]
    assert bytes(read.test_inputs.flatten().tolist()) == b"and\nther"[:6]
    assert read.is_text
    assert read.num_classes == 256


def test_text_without_a_split_is_tested_by_its_last_fifth(save):
    read = data.saved_dataset(save(text=["abcdefghij", "klmnopqrs"]), context=1)
    assert bytes(read.train_inputs.flatten().tolist()) == b"abcdefghij\nklmn"
    assert bytes(read.test_inputs.flatten().tolist()) == b"pqr"


def test_columns_may_be_named(datasets, save):
    features = {
        "image": datasets.Image(),
        "depth": datasets.Image(),
        "label": datasets.Value("int64"),
        "coarse": datasets.Value("int64"),
        "caption": datasets.Value("string"),
    }
    folder = save(
        features,
        image=pictures(colours(5, seed=0)),
        depth=pictures(colours(5, 0, (2, 2))),
        label=[0] * 5,
        coarse=[3] * 5,
        caption=["a picture"] * 5,
    )
    read = data.saved_dataset(folder, inputs="depth", targets="coarse")
    assert read.train_inputs.shape == (4, 1, 2, 2)
    assert read.train_targets.tolist() == [3] * 4
    assert data.saved_dataset(folder, inputs="caption", context=2).is_text


@pytest.fixture
def bad_images(datasets, save):
    """Saves five good images with one thing that is not."""

    def bad_images(image=None, label=None, image_kind=None, label_kind=None, names=("image", "label")):
        features = {names[0]: image_kind or datasets.Image(), names[1]: label_kind or datasets.Value("int64")}
        return save(features, **{names[0]: image or pictures(colours(5, 0)), names[1]: label or [0, 1, 0, 1, 0]})

    return bad_images


def refused(folder, *words, **arguments):
    with pytest.raises(ValueError) as caught:
        data.saved_dataset(folder, **arguments)
    for word in words:
        assert word in str(caught.value)


def test_columns_that_are_missing_are_answered_by_those_there_are(bad_images):
    folder = bad_images(names=("photo", "kind"))
    refused(
        folder, "'image'", "'img'", "'pixel_values'", "'text'", "got 'photo', 'kind'", "inputs=", "or rename the column"
    )
    refused(folder, "'label'", "'labels'", "'fine_label'", "got 'photo', 'kind'", "targets=", inputs="photo")
    refused(folder, "inputs must be a column", "'photo', 'kind'", "got 'picture'", inputs="picture")
    refused(folder, "targets must be a column", "'photo', 'kind'", "got 'breed'", inputs="photo", targets="breed")


def test_a_column_that_is_missing_for_testing_only_is_named(save):
    refused(save(train={"text": ["abc"]}, test={"words": ["abc"]}), "'text'", "for testing", "'words'", context=1)


def test_a_data_set_without_a_training_split_is_refused(save):
    refused(save(test={"text": ["abc"]}, other={"text": ["abc"]}), "'train'", "'test', 'other'")


def test_images_of_different_sizes_are_refused(bad_images):
    images = pictures([*colours(4, 0), *colours(1, 0, (4, 6, 3))])
    refused(bad_images(images), "one size", "column 'image'", "5 x 4 in row 0", "6 x 4 in row 4", "resize")


def test_images_of_more_than_8_bits_are_refused(bad_images):
    images = pictures([np.full((4, 4), 1000, np.uint16)] * 5)
    refused(bad_images(images), "column 'image', row 0", "RGB", "got I;16")


def test_columns_of_another_kind_are_refused(datasets, bad_images):
    kind = datasets.Value("float32")
    refused(bad_images([0.0] * 5, image_kind=kind), "column 'image' must hold images or text", "float32", "cast_column")
    refused(bad_images(label=[0.5] * 5, label_kind=kind), "column 'label'", "class labels or integers", "float32")
    names = datasets.Value("string")
    refused(bad_images(label=["cat"] * 5, label_kind=names), "column 'label'", "string", "class_encode_column('label')")


def test_rows_without_a_value_are_refused(save, bad_images):
    refused(bad_images(label=[0, None, 1, None, 0]), "column 'label'", "every row", "got none in row 1")
    refused(bad_images(pictures(colours(2, 0)) + [None] * 3), "column 'image', row 2", "got None")
    refused(save(text=["a", None, "b"]), "column 'text'", "every row", "got none in row 1")


def test_too_few_rows_are_refused(datasets, save):
    features = {"image": datasets.Image(), "label": datasets.Value("int64")}
    refused(save(features, image=pictures(colours(1, 0)), label=[0]), "at least 2 images", "got 1")
    refused(save(text=["abc"]), "context must be less", "got 64")


def test_two_images_are_one_for_training_and_one_for_testing(datasets, save):
    features = {"image": datasets.Image(), "label": datasets.Value("int64")}
    read = data.saved_dataset(save(features, image=pictures(colours(2, 0)), label=[0, 1]))
    assert len(read.train_inputs) == len(read.test_inputs) == 1


def test_targets_of_text_are_refused(save):
    refused(save(text=["abc"] * 9, label=[1] * 9), "targets must be None for text", "'label'", targets="label")


def test_a_folder_where_nothing_was_saved_is_refused_with_all_that_a_folder_may_hold(datasets, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match=f"{folder} must hold .*save_to_disk.*CIFAR-10.*data_batch_1.bin"):
            data.saved_dataset(folder)


# --- batches


@st.composite
def batches(draw):
    """Batches of numbered examples."""
    num_workers = draw(st.integers(1, 6))
    examples = draw(st.integers(num_workers, 60))
    batch_size = draw(st.integers(1, examples // num_workers))
    return data.Batches(numbered(examples), num_workers, batch_size, seed=draw(st.integers(0, 2**70)))


@given(batches())
def test_shards_are_disjoint_have_every_example_and_differ_in_size_by_at_most_one(batches):
    examples = len(batches.data.train_inputs)
    assert sorted(np.concatenate(batches.shards)) == list(range(examples))
    sizes = [len(shard) for shard in batches.shards]
    assert len(sizes) == batches.num_workers
    assert max(sizes) - min(sizes) <= 1
    assert batches.steps_per_epoch == min(sizes) // batches.batch_size


@given(batches(), st.integers(0, 3))
def test_in_an_epoch_an_example_is_seen_at_most_once_and_by_its_worker_only(batches, epoch):
    steps = range(epoch * batches.steps_per_epoch, (epoch + 1) * batches.steps_per_epoch)
    for worker, shard in enumerate(batches.shards):
        lists = seen(batches, worker, steps)
        assert all(len(numbers) == batches.batch_size for numbers in lists)
        assert len(set(flat(lists))) == len(flat(lists))
        assert set(flat(lists)) <= set(shard.tolist())
        assert len(shard) - len(flat(lists)) <= batches.batch_size


@given(batches(), st.data())
def test_a_batch_depends_on_worker_and_step_alone(batches, draws):
    fresh = data.Batches(batches.data, batches.num_workers, batches.batch_size, batches.seed)
    where = st.tuples(st.integers(0, batches.num_workers - 1), st.integers(0, 10**6))
    for worker, step in draws.draw(st.lists(where, min_size=1, max_size=6)):
        once = data.Batches(batches.data, batches.num_workers, batches.batch_size, batches.seed)(worker, step)
        again = fresh(worker, step)
        assert torch.equal(once[0], again[0])
        assert torch.equal(once[1], again[1])


@given(batches(), st.integers(0, 100))
def test_inputs_and_targets_belong_together(batches, step):
    for worker in range(batches.num_workers):
        inputs, targets = batches(worker, step)
        assert inputs[:, 0].tolist() == targets.tolist()


@given(st.integers(2, 6), st.integers(0, 1000))
def test_workers_see_different_data(num_workers, seed):
    batches = data.Batches(numbered(120), num_workers, 20, seed)
    for step in range(batches.steps_per_epoch):
        together = flat(seen(batches, worker, [step])[0] for worker in range(num_workers))
        assert len(set(together)) == len(together)


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_seeds_give_different_shards_and_orders(one, other):
    assume(one != other)
    first, second = (data.Batches(numbered(60), 3, 5, seed) for seed in (one, other))
    assert first.shards[0].tolist() != second.shards[0].tolist()
    assert seen(first, 0, range(4)) != seen(second, 0, range(4))


@given(st.integers(0, 1000))
def test_every_epoch_and_every_worker_has_its_own_order(seed):
    batches = data.Batches(numbered(60), 2, 30, seed)
    ranks = []
    for worker, shard in enumerate(batches.shards):
        rank = {number: place for place, number in enumerate(shard.tolist())}
        ranks += [tuple(rank[number] for number in flat(seen(batches, worker, [epoch]))) for epoch in range(3)]
    assert len(set(ranks)) == len(ranks)


def test_no_random_numbers_of_others_are_used_up(seed):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    batches = data.Batches(numbered(20), 2, 5, seed % 1000)
    batches(1, 3)
    data.digits()
    assert torch.equal(torch_state, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_state, np.random.get_state()[1])


def test_batches_are_the_same_with_any_version_of_numpy():
    batches = data.Batches(numbered(12), 2, 3, seed=1)
    assert seen(batches, 0, range(3)) == [[9, 0, 11], [2, 10, 4], [11, 0, 2]]
    assert seen(batches, 1, range(3)) == [[7, 8, 5], [3, 1, 6], [8, 5, 1]]


def test_text_is_dealt_by_sequences():
    batches = data.Batches(data.text(16), num_workers=3, batch_size=8, seed=0)
    inputs, targets = batches(2, 10)
    assert inputs.shape == targets.shape == (8, 16)
    assert torch.equal(inputs[:, 1:], targets[:, :-1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: data.Batches(numbered(5), 6, 1, 0), ["num_workers", "at most", "5", "6"]),
        (lambda: data.Batches(numbered(11), 3, 4, 0), ["batch_size", "at most 3", "3 workers", "11", "got 4"]),
        (lambda: data.Batches(numbered(5), 0, 1, 0), ["num_workers", "at least 1", "0"]),
        (lambda: data.Batches(numbered(5), 2, 0, 0), ["batch_size", "at least 1", "0"]),
        (lambda: data.Batches(numbered(5), 2, 1, -1), ["seed", "at least 0", "-1"]),
        (lambda: data.Batches(numbered(5), 2, 1, 0.5), ["seed", "at least 0", "0.5"]),
        (lambda: data.Batches(numbered(5), 2, 1, 0)(2, 0), ["worker", "2", "got 2"]),
        (lambda: data.Batches(numbered(5), 2, 1, 0)(-1, 0), ["worker", "at least 0", "-1"]),
        (lambda: data.Batches(numbered(5), 2, 1, 0)(0, -1), ["step", "at least 0", "-1"]),
        (lambda: data.Batches(numbered(5), 2, 1, 0)(0, True), ["step", "at least 0", "True"]),
    ],
)
def test_bad_arguments_of_batches_are_refused_with_what_was_expected_and_what_came(call, words, unchecked):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
