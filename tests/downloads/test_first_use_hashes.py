"""The record of the hashes of files that nobody published one of."""

import hashlib
import os
import subprocess
import sys

import pytest
import yaml
from fetching import BODY, OTHER, SHA256, refusal
from http_server import Reply
from repository import ROOT

from dissection.downloads import file_checks
from dissection.downloads.first_use_hashes import read_record
from dissection.errors import InputError

pytestmark = pytest.mark.usefixtures("no_proxy")


def test_first_hash_is_recorded_and_checked_ever_after(server, get, tmp_path):
    record = tmp_path / "recorded_hashes.yaml"
    url = server.serve("/a", Reply(BODY))
    options = {"recorded": record, "target": "zoo/a.bin"}
    path = get(url, **options)
    entry = yaml.safe_load(record.read_text())["zoo/a.bin"]
    assert entry["sha256"] == SHA256
    assert entry["source"] == url
    assert get(url, **options) == path

    path.write_bytes(OTHER)
    message = refusal(get, url, **options)
    assert hashlib.sha256(OTHER).hexdigest() in message
    assert f"but {SHA256} was recorded on {entry['first_used']} (source: {url})" in message
    assert f"delete the entry zoo/a.bin in {record}" in message

    path.unlink()
    other = server.serve("/a", Reply(OTHER))
    message = refusal(get, other, **options)
    assert "what the server sent has the sha256" in message
    assert f"The file to look for: sha256 {SHA256} (recorded when" in message
    assert not path.exists()
    assert get(other, server.serve("/b", Reply(BODY)), **options).read_bytes() == BODY


def test_only_sound_files_are_recorded(server, get, tmp_path):
    record = tmp_path / "recorded_hashes.yaml"
    url = server.serve("/a", Reply(BODY))
    refusal(get, url, recorded=record, check=file_checks.zip_problem)
    refusal(get, url, recorded=record, md5="0" * 32)
    assert not record.exists()
    get(url, recorded=record, sha256=SHA256)  # published: nothing to record
    assert not record.exists()
    get(url, recorded=record, sha256=SHA256[:8])
    assert read_record(record)["data/a.bin"]["sha256"] == SHA256


def test_file_by_hand_is_recorded(get, tmp_path):
    record = tmp_path / "record.yaml"
    (tmp_path / "a.bin").write_bytes(BODY)
    get("http://127.0.0.1:1/a", target="a.bin", recorded=record)
    assert read_record(record)["a.bin"]["source"] == "a file that was put there"


RECORD = """
import sys
from pathlib import Path
from dissection.downloads.first_use_hashes import recorded_problem
record, process = Path(sys.argv[1]), sys.argv[2]
for index in range(9):
    recorded_problem(record, f"{process}-{index}", process * 64, "test")
print(recorded_problem(record, "shared", process * 64, "test"))
"""


def test_processes_record_at_the_same_time(tmp_path):
    record = tmp_path / "record.yaml"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RECORD, str(record), process],
            env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
            stdout=subprocess.PIPE,
            text=True,
        )
        for process in "abc"
    ]
    answers = [process.communicate()[0].strip() for process in processes]
    assert len(read_record(record)) == 3 * 9 + 1
    assert answers.count("None") == 1
    assert record.read_text().startswith("# The sha256 of downloaded files")


@pytest.mark.parametrize("text", ["a: b: c", "- a", "a.zip: {}", "a.zip: {sha256: 12}", "\x00"])
def test_damaged_record_is_an_error(tmp_path, text):
    record = tmp_path / "record.yaml"
    record.write_text(text)
    with pytest.raises(InputError, match=r"record\.yaml"):
        read_record(record)
