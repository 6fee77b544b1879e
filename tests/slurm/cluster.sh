#!/usr/bin/env bash
# usage: SLURM_TEST_DIR=/abs/dir tests/slurm/cluster.sh up|down
# A Slurm of one machine for tests: no cgroups, no database, no service manager; everything in one directory.
# Needs root and Debian's slurm-wlm and munge.
set -euo pipefail
D=${SLURM_TEST_DIR:?an empty, absolute directory}
stop() { # PIDFILE: ends a daemon and waits for it
  [ -f "$1" ] || return 0
  local pid; pid=$(cat "$1")
  kill "$pid" 2>/dev/null || return 0
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.2; done
  echo "pid $pid ($1) did not end" >&2; return 1
}
case "${1:-}" in
up)
  mkdir -p "$D"/{munge,state,spool,log}; chmod 755 "$D"; chmod 711 "$D/munge"
  head -c 128 /dev/urandom >"$D/munge/key"; chmod 600 "$D/munge/key"
  # config_overrides: more processors than the machine has may be declared. RequeueExit: 75 goes back into the queue.
  cat >"$D/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldParameters=preempt_send_user_signal
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$D/munge/socket
CredType=cred/munge
SlurmctldPort=${SLURM_TEST_PORT:-26817}
SlurmdPort=$((${SLURM_TEST_PORT:-26817} + 1))
SlurmctldPidFile=$D/slurmctld.pid
SlurmdPidFile=$D/slurmd.pid
StateSaveLocation=$D/state
SlurmdSpoolDir=$D/spool
SlurmctldLogFile=$D/log/slurmctld.log
SlurmdLogFile=$D/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$D/log/jobcomp.txt
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
JobRequeue=1
RequeueExit=75
KillWait=12
MinJobAge=300
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=localhost NodeAddr=127.0.0.1 CPUs=4 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefMemPerCPU=200 State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=12
PartitionName=high Nodes=ALL MaxTime=INFINITE DefMemPerCPU=200 State=UP PriorityTier=10 PreemptMode=OFF
CONF
  munged --key-file="$D/munge/key" --socket="$D/munge/socket" --pid-file="$D/munge/pid" \
    --log-file="$D/munge/log" --seed-file="$D/munge/seed"
  slurmctld -f "$D/slurm.conf" -c
  slurmd -f "$D/slurm.conf" -N localhost
  for _ in $(seq 50); do
    SLURM_CONF=$D/slurm.conf sinfo -h -o %T 2>/dev/null | grep -q idle && exit 0
    sleep 0.2
  done
  tail -n 20 "$D/log/slurmctld.log" >&2; exit 1 ;;
down)
  export SLURM_CONF=$D/slurm.conf
  scancel -u "$(id -un)" 2>/dev/null || true
  # Daemons that go while tasks run leave their watchers behind.
  for _ in $(seq 100); do [ -z "$(squeue -h 2>/dev/null)" ] && break; sleep 0.3; done
  stop "$D/slurmd.pid"; stop "$D/slurmctld.pid"; stop "$D/munge/pid" ;;
*) sed -n 2,4p "$0" >&2; exit 2 ;;
esac
