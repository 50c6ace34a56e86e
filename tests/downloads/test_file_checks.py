"""Files are recognised by what they hold, whole or cut off."""

import zipfile

import pytest
import torch
from file_formats import BODY, caffemodel, message_field

from dissection.downloads import file_checks


@pytest.mark.parametrize("field", [2, 100])
def test_caffemodel_is_recognised(tmp_path, field):
    path = tmp_path / "a.caffemodel"
    path.write_bytes(caffemodel(field))
    assert file_checks.caffemodel_problem(path) is None


def test_caffemodel_cut_anywhere_is_noticed(tmp_path):
    path, whole = tmp_path / "a.caffemodel", caffemodel()
    ends = [len(caffemodel()[:10]) + n * len(message_field(100, BODY)) for n in (1, 2)]
    for end in {1, 5, 11, 1000, 400_000, 700_000, len(whole) - 1} - set(ends):
        path.write_bytes(whole[:end])
        assert "cut off" in (file_checks.caffemodel_problem(path) or ""), end


@pytest.mark.parametrize("content", [b"name: 'text'", BODY, b"\xff" * 20, b"\x0b", b"\x0a\x01a"])
def test_other_files_are_no_caffemodel(tmp_path, content):
    path = tmp_path / "a.caffemodel"
    path.write_bytes(content)
    assert "is no Caffe model" in file_checks.caffemodel_problem(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_checkpoint_is_recognised(tmp_path, zipped):
    path = tmp_path / "a.pth"
    torch.save({"w": torch.zeros(3)}, path, _use_new_zipfile_serialization=zipped)
    assert file_checks.checkpoint_problem(path) is None


def test_other_files_are_no_checkpoint(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(BODY)
    assert "is no PyTorch checkpoint" in file_checks.checkpoint_problem(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")
    assert "it has no data.pkl" in file_checks.checkpoint_problem(path)
    torch.save({"w": torch.zeros(3000)}, path)
    path.write_bytes(path.read_bytes()[:-100])
    assert "is no whole zip archive" in file_checks.checkpoint_problem(path)


def test_prototxt_is_recognised(tmp_path):
    path = tmp_path / "a.prototxt"
    for text in (
        'name: "a"\nlayer {\n}\n',
        "layers{ name: 'conv1' }",
        " layer: {",
        "input: 'data' input_dim: 227 layers { layer { name: 'conv1' type: 'conv' } }",
        "input: 'data'; layers\n<\n layer < name: 'conv1' > >",
    ):
        path.write_text(text)
        assert file_checks.prototxt_problem(path) is None
    for text in ("no network\n", "# layer {\n", "no_layer {", "a # layer {"):
        path.write_text(text)
        assert "has no 'layer {'" in file_checks.prototxt_problem(path)
    path.write_bytes(BODY)
    assert "is not text" in file_checks.prototxt_problem(path)


@pytest.mark.parametrize(
    "head",
    [
        b"<html>",
        b"\xef\xbb\xbf \n<!doctype HTML>",
        b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC>",
        b"<!-- saved from url -->\n<html lang='en'>",
        b"<HEAD><meta>",
    ],
)
def test_web_pages_are_recognised(head):
    assert file_checks.html_page(head) == "an HTML page"
