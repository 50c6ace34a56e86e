# Network Dissection (Bau et al., CVPR 2017): every plot of the slides.
#
#   snakemake --cores 8                                        everything of the default run
#   snakemake --cores 8 slide08_layers                         one figure
#   snakemake --cores 8 --configfile config/paper.yaml         the paper's own scale
#   snakemake --list-target-rules                              what can be asked for

from snakemake.utils import min_version

min_version("9.0")

# Not workflow.basedir, which is that of a workflow that takes this one as a module.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))

# A configuration given with --configfile replaces the default one; it is not merged into it.
if not workflow.configfiles:

    configfile: str(ROOT / "config/config.yaml")


include: "workflow/rules/common.smk"
include: "workflow/rules/missing.smk"
include: "workflow/rules/downloads.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/networks.smk"
include: "workflow/rules/dissection.smk"
include: "workflow/rules/rotation.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


# What needs no downloaded network is made while those are fetched.
SURE = RUN.of({k: v for k, v in NETWORKS.items() if k not in RUN.uncertain()})


rule all:
    """Everything that the configuration asks for."""
    default_target: True
    input:
        SURE.targets(),
        of_found(lambda run: run.targets()),
        rules.list_concepts.output,
        rules.judge_claims.output,
        rules.make_dataset_page.output,
        rules.make_report.output,


onsuccess:
    PROGRESS.say_results(rules.make_report.output.report)
    for name, reason in missing_downloads().items() if MISSING else ():
        print(f"\nWithout {name}: {reason}", file=sys.stderr)
