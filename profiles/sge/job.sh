#!/bin/sh
# properties = {properties}
# How the job ends, for status.sh: Grid Engine's own records come late and not everywhere.
trap 'echo $? >"$SGE_O_WORKDIR/.snakemake/sge/$JOB_ID"' EXIT
{exec_job}
