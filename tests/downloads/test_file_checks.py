"""Files are recognised by what they hold, whole or cut off."""

import pickle
import zipfile

import numpy as np
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


def npy(tmp_path, array):
    path = tmp_path / "a.npy"
    np.save(path, array, allow_pickle=True)
    return path


@pytest.mark.parametrize("kind", ["u1", "<f4", ">i8", "?", "U3", [("a", "f4"), ("b", "i2", 2)]])
def test_npy_is_recognised(tmp_path, kind):
    path = npy(tmp_path, np.zeros((3, 5), kind))
    assert file_checks.npy_problem(path) is None
    content = path.read_bytes()
    for end in (0, 5, 7, 20, 100, len(content) - 1):
        path.write_bytes(content[:end])
        assert "is no whole .npy file" in file_checks.npy_problem(path)
    path.write_bytes(content + b"12")
    assert file_checks.npy_problem(path) == "has 2 bytes after its array"


TABLE = 'unit,label\r\n1,"a, b"\r\n2,\r\n'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (TABLE, None),
        ("\ufeff" + TABLE.replace("\r\n", "\n"), None),
        (TABLE[:-2], "is cut off in its last line"),
        (TABLE[:-3], "line 3 has 1 fields, line 1 has 2"),
        (TABLE[:17], "is no CSV table (unexpected end of data)"),
        (TABLE + "3,a,b\r\n", "line 4 has 3 fields"),
        ("unit,label\r\n", "is no CSV table with rows"),
        (b"\xff\xfe\x00", "is no CSV table ("),
    ],
)
def test_csv(tmp_path, content, problem):
    path = tmp_path / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = file_checks.csv_problem(path)
    assert found is None if problem is None else problem in found


class Trap:
    """What unpickling would run."""

    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_npy_of_objects_is_refused_and_never_unpickled(tmp_path):
    for array in (np.array([Trap()]), np.array([(Trap(), 1)], [("a", "O"), ("b", "i4")])):
        problem = file_checks.npy_problem(npy(tmp_path, array))
        assert "is no whole .npy file of numbers (Array can't be memory-mapped: Python" in problem
    (tmp_path / "b").write_bytes(pickle.dumps(Trap()))
    assert "is no whole .npy file" in file_checks.npy_problem(tmp_path / "b")


@pytest.mark.parametrize(
    "header",
    [
        "{}",
        "__import__('os').abort()",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': 'nonsense', 'fortran_order': False, 'shape': (1,)}",
        "(" * 5000,
        "\xff",
    ],
)
@pytest.mark.parametrize("version", [1, 2, 3, 9])
def test_npy_with_an_odd_head(tmp_path, header, version):
    text = header.encode("latin1")
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY" + bytes([version, 0]) + length + text + bytes(4))
    assert "is no whole .npy file" in file_checks.npy_problem(path)


def test_row_of_comments_is_no_endless_task():
    assert file_checks.html_page(b"<!-- a -->" * 1600) is None
    assert file_checks.html_page(b"<!-- a --> " * 100 + b"<html>") == "an HTML page"


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
