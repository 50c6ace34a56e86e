"""Read an array from a MATLAB file."""

import io

import numpy as np

from dissection.errors import InputError, did_you_mean

MATLAB_5, MATLAB_73 = b"MATLAB 5.0", b"MATLAB 7.3"  # how a file begins
MATLAB = (MATLAB_5, MATLAB_73)


def read_matlab(content: bytes, what: str, variable: str | None = None) -> np.ndarray:
    """Return an array of a MATLAB file.

    Parameters
    ----------
    content : bytes
        A whole file, as MATLAB writes up to ``-v7``.
    what : str
        The file, as messages begin.
    variable : str, optional
        Its name; ``a.b`` is field b of the structure a. Not needed where there is just one array.

    Raises
    ------
    InputError
        If the file was written with ``-v7.3``, or has no such array.
    ValueError
        If it is damaged.
    """
    if content.startswith(MATLAB_73):
        raise InputError(
            f"{what} was saved by MATLAB with -v7.3. Save it with -v7, or as PNG (imwrite)."
        )
    # Imported here as it takes longer than many a job that reads no such file.
    from scipy.io import loadmat

    try:
        found = loadmat(io.BytesIO(content))
    except Exception as error:  # of many kinds, NotImplementedError and TypeError among them
        raise ValueError(f"no MATLAB file that can be read: {error}") from error
    arrays = {name: array for name, array in found.items() if not name.startswith("__")}
    names = ", ".join(sorted(arrays)) or "none"
    if variable is None:
        if len(arrays) != 1:
            raise InputError(
                f"{what} has several arrays ({names}). Say which one holds the labels: "
                "variable, in the configuration."
            )
        return next(iter(arrays.values()))
    first, *fields = variable.split(".")
    if first not in arrays:
        raise InputError(
            f"{what} has no array '{first}'.{did_you_mean(first, arrays)} There are {names}."
        )
    array = arrays[first]
    for field in fields:
        known = array.dtype.names or ()
        if field not in known or array.size != 1:
            raise InputError(
                f"{what}: {variable}: there is no '{field}'.{did_you_mean(field, known)} There "
                f"are {', '.join(known) or 'no fields'}."
            )
        array = array[field].item()
    return np.asarray(array)
