"""The list of downloads: its mistakes, its own soundness, and an entry that is fetched."""

import pytest
import yaml
from archives import archive_content
from file_formats import caffemodel
from http_server import Reply
from repository import ROOT

from dissection.downloads.first_use_hashes import read_record
from dissection.downloads.registry import (
    Download,
    fetch_download,
    read_registry,
    torchvision_download,
)
from dissection.errors import InputError


def write_registry(file, **changes):
    entry = {"path": "zoo/a.zip", "urls": ["http://host/a.zip"], "kind": "zip"} | changes
    entry = {key: value for key, value in entry.items() if value is not None}
    file.write_text(yaml.safe_dump({"a": entry}))
    return file


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"ulrs": []}, "a.ulrs: unknown key. Did you mean 'urls'?"),
        ({"kind": None}, "a: the key 'kind' is missing."),
        (
            {"kind": "rar"},
            "a.kind: 'rar' is not one of zip, tar, tar.gz, npy, prototxt, caffemodel",
        ),
        ({"kind": ["zip"]}, "a.kind: ['zip'] is not one of zip"),
        ({"urls": "http://host/a"}, "a.urls: 'http://host/a' should be a list"),
        ({"urls": []}, "a.urls: [] should be a list"),
        ({"urls": ["ftp://host/a"]}, "a.urls.0: 'ftp://host/a' should be a http or https URL"),
        ({"urls": ["http://h/a", "http://h/a"]}, "should be a list of different addresses"),
        ({"path": "/etc/a"}, "should be a path within"),
        ({"path": "zoo/../../a"}, "should be a path within"),
        ({"path": "zoo//a"}, "should be a path within"),
        ({"path": "."}, "should be a path within"),
        ({"md5": "12"}, "should be 32 hexadecimal digits"),
        ({"md5": "G" * 32}, "should be 32 hexadecimal digits"),
        ({"sha1": "a" * 39}, "should be 40 hexadecimal digits"),
        ({"sha256": 12345678}, "should be 8 to 64 hexadecimal digits"),
        ({"sha256": "abcdef1"}, "should be 8 to 64"),
        ({"size": "975 MB"}, "should be a number of bytes"),
        ({"size": True}, "should be a number of bytes"),
        ({"note": 1}, "should be text"),
        ({"archive": "b"}, "a: give urls, or archive and member."),
        ({"member": "*.npy"}, "a: give urls, or archive and member."),
    ],
)
def test_mistakes_in_the_registry(tmp_path, changes, message):
    path = write_registry(tmp_path / "downloads.yaml", **changes)
    with pytest.raises(InputError) as caught:
        read_registry(path)
    (key,) = changes
    assert f"{path} has mistakes:\n  a" in str(caught.value)
    assert key in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "no entries"),
        ("- a", "no entries"),
        ("a: b", "a: 'b' should be a group of keys"),
        ("a: {b", "cannot be read"),
        ("a: {path: x, path: y}", "the key 'path' is given twice"),
        ("a: {}\na: {}", "the key 'a' is given twice"),
    ],
)
def test_registry_of_another_form(tmp_path, text, message):
    path = tmp_path / "downloads.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_registry(path)


def test_file_that_has_no_address_is_asked_for(tmp_path):
    path = write_registry(tmp_path / "downloads.yaml", urls=None, note="Ask its authors.")
    with pytest.raises(InputError) as caught:
        fetch_download(read_registry(path)["a"], tmp_path)
    message = str(caught.value)
    assert message.startswith("a.zip could not be fetched: it has no address\n")
    assert f"\nAsk its authors.\nPut it at {tmp_path}/zoo/a.zip by hand" in message


def test_two_entries_with_one_path_are_refused(tmp_path):
    entry = {"path": "a", "urls": ["http://host/a"], "kind": "zip"}
    path = tmp_path / "downloads.yaml"
    path.write_text(yaml.safe_dump({"a": entry, "b": dict(entry)}))
    with pytest.raises(InputError, match=r"b\.path: it is that of a too"):
        read_registry(path)


PUBLISHED_NETWORKS = {"bvlc", "dissect", "places", "places365", "zoo"}
FOLDERS = {"broden", "camvid", "released", "sources"} | PUBLISHED_NETWORKS


def test_the_registry_of_the_repository_is_sound():
    registry = read_registry(ROOT / "config/downloads.yaml")
    for name in ("broden1_224", "broden1_227", "broden1_384"):
        assert registry[name].kind == "zip"
    assert registry["broden1_224"].md5 == "be13c292eaef3300da03f8d0e48eab1c"
    pairs = [name for name in registry if name.endswith(".caffemodel")]
    assert len(pairs) == 11 + 6 + 2 + 1
    for name in pairs:
        description = registry[name.replace(".caffemodel", ".prototxt")]
        assert description.kind == "prototxt"
        assert description.path == registry[name].path.replace(".caffemodel", ".prototxt")
    for name, entry in registry.items():
        folder, file = entry.path.split("/")
        assert folder in FOLDERS, name
        if folder == "zoo":  # the paper's own
            assert file == name
        head = entry.path.rpartition("-")[2].removesuffix(".pth")
        if name.startswith("dissect-"):
            assert entry.sha256 == head


def test_torchvision_names_its_addresses_and_hashes():
    entry = torchvision_download("ResNet152_Weights.IMAGENET1K_V2")
    assert entry.urls == ("https://download.pytorch.org/models/resnet152-f82ba261.pth",)
    assert (entry.path, entry.sha256) == ("torchvision/resnet152-f82ba261.pth", "f82ba261")
    with pytest.raises(InputError, match=r"Did you mean 'AlexNet_Weights\.IMAGENET1K_V1"):
        torchvision_download("AlexNet_Weights.IMAGENET_V1")


def test_entry_is_fetched_with_its_checks(server, tmp_path):
    model = caffemodel()
    entry = Download(
        "a", "zoo/a.caffemodel", (server.serve("/a", Reply(model)),), "caffemodel", size=len(model)
    )
    path = fetch_download(entry, tmp_path)
    assert path == tmp_path / "zoo/a.caffemodel"
    assert read_record(tmp_path / "recorded_hashes.yaml")["zoo/a.caffemodel"]
    path.unlink()
    server.serve("/a", Reply(model[:-1], length=False))
    with pytest.raises(InputError, match="bytes instead of"):
        fetch_download(entry, tmp_path, sleep=lambda _: None)


def in_archive(server, tmp_path, files, **changes):
    url = server.serve("/both.tar.gz", Reply(archive_content("tar.gz", files.items())))
    entries = {
        "both": {"path": "places/both.tar.gz", "urls": [url], "kind": "tar.gz"},
        "a.prototxt": {"path": "places/a.prototxt", "archive": "both",
                       "member": "*deploy*.prototxt", "kind": "prototxt"} | changes,
        "a.caffemodel": {"path": "places/a.caffemodel", "archive": "both",
                         "member": "*.caffemodel", "kind": "caffemodel"},
    }  # fmt: skip
    (tmp_path / "downloads.yaml").write_text(yaml.safe_dump(entries))
    return read_registry(tmp_path / "downloads.yaml")


FILES = {
    "places/net_deploy.prototxt": b'layers { layer { name: "conv1" type: "conv" } bottom: "data" }',
    "places/net_train.prototxt": b'layers { layer { name: "loss" type: "softmax" } }',
    "places/net_iter_300000.caffemodel": caffemodel(),
    "places/classes.csv": b"/a/abbey 0",
}


def test_files_within_an_archive_are_taken_out_of_it(server, tmp_path):
    registry = in_archive(server, tmp_path, FILES)
    for name, member in (("a.prototxt", "net_deploy.prototxt"),
                         ("a.caffemodel", "net_iter_300000.caffemodel")):  # fmt: skip
        path = fetch_download(registry[name], tmp_path / "resources")
        assert path == tmp_path / "resources/places" / name
        assert path.read_bytes() == FILES[f"places/{member}"]
    assert len(server.requests) == 1  # the archive was kept
    left = sorted(path.name for path in (tmp_path / "resources/places").iterdir())
    assert left == ["a.caffemodel", "a.prototxt", "both.tar.gz"]


@pytest.mark.parametrize("member", ["*.prototxt", "*.pth"])
def test_a_file_that_is_not_the_only_one_of_its_name_is_refused(server, tmp_path, member):
    registry = in_archive(server, tmp_path, FILES, member=member)
    with pytest.raises(InputError, match=r"has (2|no) files named .*net_deploy\.prototxt"):
        fetch_download(registry["a.prototxt"], tmp_path / "resources")
    assert not (tmp_path / "resources/places/a.prototxt").exists()


def test_an_archive_that_is_not_listed_is_refused(tmp_path):
    path = write_registry(tmp_path / "downloads.yaml", urls=None, archive="b", member="x")
    with pytest.raises(InputError, match=r"a\.archive: there is no entry 'b' with urls"):
        read_registry(path)
