#!/usr/bin/env bash
# From recordings to a page that people look at, without a download: writes synthetic conversations as wav files, makes
# audio and text features of them, trains DER-GCN, tests it, and annotates the conversations that it was not trained on.
#   experiments/emotion/sample.sh [FOLDER] [DIALOGUES] [EPOCHS]    default: runs/sample 120 60
set -euo pipefail
folder=${1:-runs/sample} dialogues=${2:-120} epochs=${3:-60}

options=(--model EmotionTask --model.lr 0.003 --model.model DERGCN --model.model.bottleneck 32 --model.model.input_dropout 0.5
  --data ConversationDataModule --data.path "$folder/features" --data.batch_size 8
  --trainer.max_epochs "$epochs" --trainer.gradient_clip_val 5 --trainer.default_root_dir "$folder")

python -m graphml.data.samples.conversations "$folder/recordings" --dialogues "$dialogues"
graphml features "$folder/recordings" "$folder/features"
graphml fit "${options[@]}"
checkpoint=$(ls -t "$folder"/fit/version_*/checkpoints/*.ckpt | head -n 1)
graphml test "${options[@]}" --ckpt_path "$checkpoint"
graphml annotate "$checkpoint" "$folder/features" --split test --out "$folder/annotated"
