"""Trust on first use: the sha256 of files that nobody publishes a checksum for."""

import datetime
from pathlib import Path

import yaml

from dissection.errors import InputError
from dissection.jobs.files import whole_file
from dissection.jobs.locks import take_lock

RECORD = "recorded_hashes.yaml"  # in the folder of all downloads
HEADER = """\
# The sha256 of downloaded files without a published one, written when each was first used.
# A file that differs from its entry is refused. Delete an entry to accept another version.
"""


def read_record(record: Path) -> dict[str, dict[str, str]]:
    """Return the entries by file name; none if the record does not exist yet.

    Raises
    ------
    InputError
        If the file is not what `recorded_problem` writes.
    """
    try:
        entries = yaml.safe_load(record.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{record} cannot be read: {error}. Mend it, or delete it.") from error
    wrong = not isinstance(entries, dict) or [
        name
        for name, entry in entries.items()
        if not isinstance(entry, dict) or not isinstance(entry.get("sha256"), str)
    ]
    if wrong:
        where = f" for {wrong[0]}" if isinstance(wrong, list) else ""
        raise InputError(f"{record} has no sha256{where}. Mend the entry, or delete it.")
    return entries


def recorded_problem(record: Path, name: str, sha256: str, source: str) -> str | None:
    """Compare a file's hash with the record; a file that is not in it yet is added.

    Processes may do this at the same time: the one that comes first counts for all.

    Parameters
    ----------
    record : Path
        A YAML file for people; it need not exist.
    name : str
        The file's name in the record.
    sha256 : str
        The file's hash, 64 hexadecimal digits.
    source : str
        Where the file came from, kept for people.

    Returns
    -------
    str or None
        How the file differs from the record, as the end of a sentence about it.
    """
    if name not in read_record(record):
        record.parent.mkdir(parents=True, exist_ok=True)
        with record.with_name(f".{record.name}.lock").open("w") as lock:
            take_lock(lock, f"an entry in {record}")
            entries = read_record(record)
            if name not in entries:
                today = datetime.datetime.now(datetime.UTC).date().isoformat()
                entries[name] = {"sha256": sha256, "source": source, "first_used": today}
                text = HEADER + yaml.safe_dump(entries, width=1000)
                with whole_file(record) as path:
                    path.write_text(text, encoding="utf-8")
    entry = read_record(record)[name]
    if entry["sha256"] == sha256:
        return None
    return (
        f"has the sha256 {sha256}, but {entry['sha256']} was recorded on "
        f"{entry.get('first_used', 'an earlier day')} (source: {entry.get('source', 'unknown')}); "
        f"if the other version is wanted, delete the entry {name} in {record}"
    )
