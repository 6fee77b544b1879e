#!/bin/bash
# Grid Engine; array indices start at 1:  qsub -t 1-200 -v DATASET=data/heads,TASKS=200 hpc/sge.sh
# -notify sends SIGUSR1 before the kill. Grid Engine requeues a job that ends with 99, so 75 is mapped to it; the trap
# forwards the signal, because a shell that waits cannot `exec`.
#$ -N datagen
#$ -cwd
#$ -pe smp 8
#$ -l h_rt=4:00:00
#$ -r y
#$ -notify
#$ -j y
set -u
"${DATAGEN:-datagen}" render --out "$DATASET" --shard "auto/$TASKS" --log-format json &
tool=$!
trap 'kill -USR1 $tool' USR1 TERM
# The first wait ends with the signal, the second with the tool.
wait $tool; code=$?
[ $code -gt 128 ] && kill -0 $tool 2>/dev/null && { wait $tool; code=$?; }
[ $code -eq 75 ] && exit 99
exit $code
