"""A data set of another's is read from its folder alone: nothing else is opened, nothing fetched, nothing run."""

import io
import json
import socket
import sys

import numpy as np
import pytest

pytest.importorskip("torch", reason="networks need torch: pip install 'istsim[torch]'")
Image = pytest.importorskip("PIL.Image", reason="images need Pillow")
datasets = pytest.importorskip("datasets", reason="needs Hugging Face's datasets: pip install 'istsim[torch]'")

from istsim import cli  # noqa: E402
from istsim.networks import data  # noqa: E402

datasets.disable_progress_bars()
CLASSES = {"label": datasets.Value("int64")}


def png(mode="PNG"):
    file = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(file, mode)
    return file.getvalue()


def save_images(folder, images, name="image"):
    """As an attacker does: `save_to_disk` itself would put the images into the folder."""
    kind = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    rows = {name: images, "label": [0] * len(images)}
    datasets.Dataset.from_dict(rows, datasets.Features({name: kind, **CLASSES})).save_to_disk(folder)
    info = json.loads((folder / "dataset_info.json").read_text())
    info["features"][name] = {"_type": "Image"}
    (folder / "dataset_info.json").write_text(json.dumps(info))


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("an address was fetched")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_images_that_are_in_the_folder_are_read(tmp_path, no_network):
    save_images(tmp_path / "saved", [{"bytes": png(), "path": "anything.png"}] * 5)
    assert data.saved_dataset(tmp_path / "saved").train_inputs.shape == (4, 3, 4, 4)


@pytest.mark.parametrize(
    "name", ["{tmp_path}/secret.png", "../secret.png", "https://example.org/a.png", "hf://a/b.png"]
)
def test_an_image_that_is_only_named_is_neither_opened_nor_fetched(name, tmp_path, no_network, monkeypatch, capsys):
    (tmp_path / "secret.png").write_bytes(png())
    name = name.format(tmp_path=tmp_path)
    save_images(tmp_path / "saved", [{"bytes": png(), "path": None}] * 4 + [{"bytes": None, "path": name}])
    monkeypatch.chdir(tmp_path / "saved")
    with pytest.raises(ValueError, match=rf"column 'image', row [04]: expected an image, got only the name '{name}'"):
        data.saved_dataset(tmp_path / "saved")
    monkeypatch.setattr(
        sys, "argv", ["istsim", "train", "--data", str(tmp_path / "saved"), "--out", str(tmp_path / "o")]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "neither opened nor fetched" in capsys.readouterr().err


def test_an_image_for_which_pillow_would_start_another_program_is_refused(tmp_path):
    save_images(tmp_path / "saved", [{"bytes": png("EPS"), "path": None}] * 2)
    with pytest.raises(ValueError, match="row 0: expected an image in one of the formats PNG"):
        data.saved_dataset(tmp_path / "saved")


def lines(folder, text="All happy families are alike."):
    datasets.Dataset.from_dict({"text": [text] * 99}).save_to_disk(folder)


def edit(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def absolute(folder, outside):
    edit(folder / "state.json", _data_files=[{"filename": str(next(outside.glob("*.arrow")))}])


def parents(folder, outside):
    edit(
        folder / "state.json",
        _data_files=[{"filename": f"../{next(outside.glob('*.arrow')).relative_to(outside.parent)}"}],
    )


def linked(folder, outside):
    arrow = next(folder.glob("*.arrow"))
    arrow.unlink()
    arrow.symlink_to(next(outside.glob("*.arrow")))


def linked_state(folder, outside):
    (folder / "state.json").unlink()
    (folder / "state.json").symlink_to(outside / "state.json")


def split_elsewhere(folder, outside):
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": [f"../{outside.name}"]}))
    (folder / "state.json").unlink()


def linked_split(folder, outside):
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train"]}))
    (folder / "state.json").unlink()
    (folder / "train").symlink_to(outside)


def split_at_an_address(folder, outside):
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train::https://example.org/x.zip"]}))
    (folder / "state.json").unlink()


def number(folder, outside):
    edit(folder / "state.json", _data_files=[{"filename": 3}])


LEADING_OUT = [absolute, parents, linked, linked_state, split_elsewhere, linked_split]


@pytest.mark.parametrize("lead", [*LEADING_OUT, split_at_an_address, number], ids=lambda lead: lead.__name__)
def test_no_name_in_a_saved_data_set_leads_outside_its_folder(lead, tmp_path, no_network):
    lines(tmp_path / "saved")
    lines(tmp_path / "outside", "a secret, not to be trained on")
    lead(tmp_path / "saved", tmp_path / "outside")
    reason = "leads outside .*saved and is refused" if lead in LEADING_OUT else "is refused: nothing is fetched"
    with pytest.raises(ValueError, match=reason):
        data.saved_dataset(tmp_path / "saved", context=16)


def test_links_inside_a_data_set_and_to_all_of_it_are_followed(tmp_path):
    lines(tmp_path / "saved")
    arrow = next((tmp_path / "saved").glob("*.arrow"))
    arrow.rename(arrow.with_name("moved"))
    arrow.symlink_to("moved")
    (tmp_path / "link").symlink_to(tmp_path / "saved")
    assert len(data.saved_dataset(tmp_path / "link", context=16).train_inputs)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"_data_files": 3}', "\xff"])
def test_a_damaged_data_set_is_named(content, tmp_path):
    lines(tmp_path / "saved")
    (tmp_path / "saved" / "state.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=r"state\.json is damaged: expected a list of '_data_files'"):
        data.saved_dataset(tmp_path / "saved")


def test_an_address_is_no_folder(no_network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="must hold what save_to_disk"):
        data.saved_dataset("https://example.org/data")


def test_a_link_in_the_place_of_a_file_of_cifar10_is_refused_where_it_leads_outside(tmp_path):
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    for folder in ("outside", "saved"):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_bytes(bytes([7]) + bytes(3072))
    (tmp_path / "saved" / "test_batch.bin").unlink()
    (tmp_path / "saved" / "test_batch.bin").symlink_to(tmp_path / "outside" / "test_batch.bin")
    with pytest.raises(ValueError, match=r"names 'test_batch\.bin', which leads outside .*saved and is refused"):
        data.cifar10(tmp_path / "saved")
