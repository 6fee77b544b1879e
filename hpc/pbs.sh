#!/bin/bash
# PBS Pro, OpenPBS:  qsub -J 0-199 -v DATASET=data/heads,TASKS=200 hpc/pbs.sh      (Torque: qsub -t 0-199 …)
# PBS sends SIGTERM at the time limit and SIGKILL after the server's kill_delay, which should be 30 s or more.
#PBS -N datagen
#PBS -l select=1:ncpus=8:mem=4gb
#PBS -l walltime=04:00:00
#PBS -r y
#PBS -j oe
set -eu
cd "$PBS_O_WORKDIR"
exec "${DATAGEN:-datagen}" render --out "$DATASET" --shard "auto/$TASKS" --log-format json
