#!/bin/bash
# LSF; array indices start at 1:  DATASET=data/heads TASKS=200 bsub -J "datagen[1-200]" < hpc/lsf.sh
# LSF requeues a task that ends with exit code 75.
#BSUB -n 8
#BSUB -R "span[hosts=1] rusage[mem=4096]"
#BSUB -W 4:00
#BSUB -wt 2 -wa USR1
#BSUB -r
#BSUB -Q 75
#BSUB -o datagen-%J_%I.log
set -eu
exec "${DATAGEN:-datagen}" render --out "$DATASET" --shard "auto/$TASKS" --log-format json
