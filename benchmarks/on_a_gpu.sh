#!/usr/bin/env bash
# All that a GPU has to show, within nine minutes, as one table:
#
#   benchmarks/on_a_gpu.sh [--device cpu] [--tiny] [--out FOLDER]
#
# Every section has a limit of its own; one that fails or is stopped is a line of the table, and the next one
# begins. FOLDER (default: $OUT, or runs/on-a-gpu) holds table.txt and each section's whole output. With
# --device cpu --tiny it only shows that all sections run. PYTHON is the interpreter, default python.
set -u
cd "$(dirname "$0")/.." || exit 1
export PYTHONPATH="src:benchmarks${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
python=${PYTHON:-python}
device=cuda tiny="" out=${OUT:-runs/on-a-gpu}
while [ $# -gt 0 ]; do
    case $1 in
        --device) device=$2; shift ;;
        --tiny) tiny=--tiny ;;
        --out) out=$2; shift ;;
        *) echo "on_a_gpu.sh: unknown option $1; expected --device, --tiny or --out" >&2; exit 2 ;;
    esac
    shift
done
mkdir -p "$out" || exit 1
table=$out/table.txt
: > "$table"

# section NAME SECONDS PATTERN COMMAND...: runs it, and puts the lines that match the pattern into the table.
section() {
    local name=$1 limit=$2 pattern=$3 began=$SECONDS code
    shift 3
    timeout -k 5 "$limit" "$@" > "$out/$name.txt" 2>&1
    code=$?
    grep -E "$pattern" "$out/$name.txt" | sed "s/^/$name | /" >> "$table"
    case $code in
        0) ;;
        124 | 137) echo "$name | stopped after its $limit s" >> "$table" ;;
        *) echo "$name | FAILED, code $code: $(tail -n 1 "$out/$name.txt")" >> "$table" ;;
    esac
    echo "$name | took $((SECONDS - began)) s" >> "$table"
}

lightly="--workers 16 --images 8192 --steps 30 --turns 3 --threads 8"
monitor="--turns 5"
if [ -n "$tiny" ]; then
    lightly="--workers 0 --images 32 --batch 8 --steps 1 --turns 1 --backbone test_resnet --threads 1"
    monitor="--turns 1 --dims 64 --batch 16"
fi

"$python" -c "
import torch
cuda = torch.cuda.is_available()
print('machine |', torch.cuda.get_device_name() if cuda else 'no GPU', '| torch', torch.__version__)
" >> "$table" 2>&1
# shellcheck disable=SC2086  # options are several words
{
    section training 130 "images/s|^lightly|^Eigenstep|^bare|times as fast|reaches|views take|waits for" \
        "$python" benchmarks/training_against_lightly.py --device "$device" $lightly
    section monitor 60 "step with|^ *[0-9]+ +window" \
        "$python" benchmarks/monitor_overhead.py --device "$device" $monitor
    section ntk 45 " \| " "$python" benchmarks/gpu_sections.py ntk --device "$device" $tiny
    section kernel 60 " \| " "$python" benchmarks/gpu_sections.py kernel --device "$device" $tiny
    section collectives 35 " \| " "$python" benchmarks/gpu_sections.py collectives --device "$device" $tiny
    section stepwise 100 " \| " "$python" benchmarks/gpu_sections.py stepwise --device "$device" $tiny
    section late_modes 75 " \| " "$python" benchmarks/gpu_sections.py late_modes --device "$device" $tiny
}
cat "$table"
