"""Weights of timm from the Hub, which is a server on loopback here."""

import hashlib
import random

import pytest
from http_server import FaultyServer, Reply

from dissection.downloads.hub import fetch_from_hub
from dissection.errors import InputError

BODY = random.Random(1).randbytes(50_000)
COMMIT = "0123456789abcdef" * 2 + "01234567"
NAME = "timm--resnet18.a1_in1k@"
REPOSITORY = "/timm/resnet18.a1_in1k/resolve"
SHA256 = hashlib.sha256(BODY).hexdigest()

pytestmark = pytest.mark.usefixtures("no_proxy")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    with FaultyServer() as server:
        yield server


def offer(server, file="model.safetensors", revision="main", body=BODY, digest=SHA256):
    headers = {"X-Repo-Commit": COMMIT, "X-Linked-Etag": f'"{digest}"', "X-Linked-Size": "50000"}
    server.serve(
        f"{REPOSITORY}/{revision}/{file}", Reply(body, etag=f'"{digest}"', headers=headers)
    )
    server.serve(f"{REPOSITORY}/{COMMIT}/{file}", Reply(body, etag=f'"{digest}"', headers=headers))


def missing(server, *files):
    headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}
    for file in files:
        server.serve(f"{REPOSITORY}/main/{file}", Reply(b"", 404, headers=headers))


def test_weights_are_fetched_and_kept_by_their_commit(server, tmp_path, caplog):
    caplog.set_level("INFO", "dissection")
    offer(server)
    path = fetch_from_hub(NAME + "main", tmp_path, server.url(""))
    assert path.read_bytes() == BODY
    assert path.parts[-2:] == (COMMIT, "model.safetensors")
    assert path.is_relative_to(tmp_path / "huggingface")
    assert f"commit {COMMIT} of timm/resnet18.a1_in1k" in caplog.text
    server.requests.clear()
    again = fetch_from_hub(NAME + COMMIT, tmp_path, server.url(""))
    assert (again, server.requests) == (path, [])  # a commit does not change


def test_other_files_are_taken_where_there_are_no_safetensors(server, tmp_path):
    missing(server, "model.safetensors")
    offer(server, "pytorch_model.bin")
    assert fetch_from_hub(NAME + "main", tmp_path, server.url("")).name == "pytorch_model.bin"


def test_a_file_that_is_not_what_the_hub_says_is_refused(server, tmp_path):
    offer(server, digest="0" * 64)
    with pytest.raises(InputError, match=rf"has the sha256 {SHA256}, but the Hub says 0+"):
        fetch_from_hub(NAME + "main", tmp_path, server.url(""))
    offer(server)
    assert fetch_from_hub(NAME + "main", tmp_path, server.url("")).read_bytes() == BODY


@pytest.mark.parametrize("why", ["no network", "no file", "no revision"])
def test_without_them_it_is_said_what_to_put_where(server, tmp_path, monkeypatch, why):
    endpoint = server.url("")
    if why == "no network":
        monkeypatch.setattr("time.sleep", lambda _: None)  # between the tries of the client
        endpoint = "http://127.0.0.1:9"
    if why == "no file":
        missing(server, "model.safetensors", "pytorch_model.bin")
    place = tmp_path / "timm/resnet18.a1_in1k.safetensors"
    message = rf"could not be fetched .*model\.safetensors of .*timm/resnet18\.a1_in1k.* at {place}"
    with pytest.raises(InputError, match=message):
        fetch_from_hub(NAME + "main", tmp_path, endpoint)
    place.parent.mkdir()
    place.write_bytes(BODY)
    assert fetch_from_hub(NAME + "main", tmp_path, endpoint) == place


def test_networks_without_published_weights_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no weights of 'resnet18_none'.*pretrained: false"):
        fetch_from_hub("timm--resnet18_none@main", tmp_path)
