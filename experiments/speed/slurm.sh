#!/bin/bash
# One training on several machines, a process a GPU:
#
#     sbatch experiments/speed/slurm.sh data.batch_size=12        # settings of faceimit.train; 8 GPUs x 12 = the paper's 96
#
# Requeued by Slurm, or submitted again with RUN=runs/slurm/JOB, it goes on where it stopped.
#SBATCH --job-name=faceimit
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=14
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120 # before the time is over: training saves, says how to go on and ends with 143
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

run=${RUN:-runs/slurm/$SLURM_JOB_ID} # processes that srun starts cannot agree on a name by themselves
if [ -f "$run/checkpoints/last.ckpt" ]; then
    settings=("resume=$run")
else
    rmdir "$run/checkpoints" 2>/dev/null || true # of a start that ended before its first checkpoint
    settings=(experiment="${EXPERIMENT:-paper_table1}" profile="${PROFILE:-paper}" trainer=ddp run_dir="$run"
        trainer.num_nodes="$SLURM_NNODES" trainer.devices="$SLURM_NTASKS_PER_NODE" "$@")
fi
# the first process that fails ends the others, which would wait for it
srun --kill-on-bad-exit=1 python -m "${MODULE:-faceimit.train}" "${settings[@]}"
