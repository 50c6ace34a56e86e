"""Fetch the networks that are downloaded, and note which files cannot be had, and why."""

import json

from dissection.downloads.missing import missing_files
from dissection.downloads.registry import fetch_named
from dissection.errors import InputError
from dissection.jobs.files import whole_file
from dissection.jobs.logs import log, logged

# Less than a file that the run cannot do without is worth: some of the paper's hosts have been down
# for years, and every run tries each of their addresses again.
PATIENCE = {"timeout": 15.0, "attempts": 2}


def main() -> None:
    params, registry = snakemake.params, snakemake.input.registry
    missing = missing_files(
        [*(name for names in params.networks.values() for name in names), *params.tables],
        lambda name: fetch_named(name, registry, params.folder, **PATIENCE),
    )
    lost = [name for name, files in params.networks.items() if missing.keys() & set(files)]
    if len(lost) == len(params.networks):
        raise InputError("None of the networks can be had.\n" + "\n".join(missing.values()))
    with whole_file(snakemake.output.missing) as path:
        path.write_text(json.dumps(missing, indent=1) + "\n", encoding="utf-8")
    if missing:
        log.warning(
            "The run goes on without %s.",
            ", ".join([*lost, *(name for name in params.tables if name in missing)]),
        )


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
