#!/bin/sh
# Print what became of a job, by its number: running, success or failed.
record=.snakemake/sge/$1

# Without an answer nothing is known: the job counts as running until the next time.
jobs=$(qstat -u "$(id -un)") || { echo running; exit; }
state=$(printf '%s\n' "$jobs" | awk -v job="$1" '$1 == job { print $5 }')
case $state in
    *E*) # it could not begin, and stays in the queue
        qstat -j "$1" | grep '^error reason' >&2
        qdel "$1" >&2
        echo failed
        exit
        ;;
    ?*)
        echo running
        exit
        ;;
esac

# The record of another node may take some seconds to be seen here. A killed job leaves none.
for _ in 1 2 3 4 5; do
    case $(cat "$record" 2>/dev/null) in
        0)
            echo success
            rm -f "$record" .snakemake/sge/*.o"$1"
            exit
            ;;
        ?*) break ;;
    esac
    sleep 2
    ls .snakemake/sge >/dev/null # or a file system may go on answering from its memory
done
echo failed
rm -f "$record"
