"""Archives of every format, sound or made to do harm."""

import gzip
import io
import tarfile
import zipfile

FORMATS = ("zip", "tar", "tar.gz")


def tar_entry(name, kind=tarfile.REGTYPE, **attributes):
    """An entry of a tar archive under a name that nothing mends."""
    entry = tarfile.TarInfo()
    entry.name, entry.type = name, kind
    for attribute, value in attributes.items():
        setattr(entry, attribute, value)
    return entry


def tar_content(files, form=tarfile.PAX_FORMAT):
    """The bytes of a tar archive; a name may be a TarInfo."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in files:
            entry = tar_entry(name) if isinstance(name, str) else name
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def zip_content(files, method=zipfile.ZIP_DEFLATED):
    """The bytes of a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files:
            entry = zipfile.ZipInfo("x")
            entry.filename, entry.compress_type = name, method  # unmended
            archive.writestr(entry, content)
    return buffer.getvalue()


def archive_content(form, files):
    """The bytes of an archive of one of the `FORMATS`."""
    if form == "zip":
        return zip_content(files)
    content = tar_content(files)
    return gzip.compress(content) if form == "tar.gz" else content
