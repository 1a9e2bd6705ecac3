#!/bin/sh
# Makes the pictures of this folder. Usage: examples/gallery/make.sh [SHARDPLAN [FOLDER]], from the root of the project.
set -eu
shardplan=${1:-shardplan}
folder=${2:-examples/gallery}
config=examples/configs/llama3_70b_trn1.yaml

"$shardplan" mesh --sizes tp=8,cp=2,pp=4 --world 128 --format svg > "$folder/rank_grid.svg"
"$shardplan" mesh --notation nxd --sizes tp=32,pp=8 --world 512 --node 32 --format svg > "$folder/rank_grid_512.svg"
"$shardplan" explain "$config" --tensor model.layers.0.self_attn.qkv_proj.weight_qkv --format svg \
  > "$folder/shard_map.svg" 2> /dev/null
"$shardplan" schedule --kind 1f1b -p 4 -m 8 --format svg > "$folder/pipeline_1f1b.svg"
"$shardplan" schedule --kind interleaved -p 4 -m 8 -v 2 --format svg > "$folder/pipeline_interleaved.svg"
"$shardplan" schedule --kind zbv -p 4 -m 8 --costs 10,11,9 --unit ms --format svg > "$folder/pipeline_zbv.svg"
"$shardplan" schedule --kind dualpipev -p 64 -m 192 --format svg > "$folder/pipeline_64.svg"
