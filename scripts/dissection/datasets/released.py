"""Whether an archive that was taken for the released Broden holds it."""

from pathlib import Path

import pandas as pd

from dissection.datasets.broden import Broden
from dissection.errors import InputError
from dissection.jobs.tables import read_table

# Another data set is online under the same file names; its own category gives it away.
DECOY = "action"


def released_statistics(folder: str | Path, archive: str | Path, remedy: str) -> pd.DataFrame:
    """Count what an unpacked archive of Broden holds.

    Parameters
    ----------
    folder : str or Path
        Where the archive was unpacked, for now.
    archive : str or Path
        For messages.
    remedy : str
        How to get another archive in place of this one, as a sentence.

    Returns
    -------
    DataFrame
        See `dissection.datasets.broden.Broden.statistics`.

    Raises
    ------
    InputError
        If the archive holds another data set, or none in Broden's format.
    """
    folder = Path(folder)
    try:
        if DECOY in set(read_table(folder / "category.csv", ["name"], "")["name"]):
            raise InputError(
                f"it has a category '{DECOY}': it is Broden with action regions, another data set "
                "whose archives have the same names"
            )
        return Broden(folder).statistics()
    except InputError as error:
        reason = str(error).replace(f"{folder}/", "").strip().rstrip(".")
        raise InputError(
            f"{archive} does not hold the released Broden: {reason}. {remedy} The addresses of the "
            "right archives are in config/downloads.yaml."
        ) from error
