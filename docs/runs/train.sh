#!/usr/bin/env bash
# Trains the networks that section 3 of docs/pillar.md is about, and makes its tables
# and plots:
#
#	docs/runs/train.sh DATA OUT
#
# DATA has the folders mnist and fashion-mnist with their IDX files. It takes some four
# hours on two cores; what is trained already in OUT is not trained again, and what was
# cut off goes on. The reports of these runs are kept beside this script, so that the
# tables can be made without training:
#
#	docs/runs/train.sh --tables docs/runs
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
pillar=$(mktemp -d)/pillar
trap 'rm -rf "$(dirname "$pillar")"' EXIT
(cd "$here" && GOEXPERIMENT=simd go build -o "$pillar" ../../cmd/pillar)

# run NAME DATA-SET NETWORK FLAG…: does nothing where the report is there.
run() {
	local name=$1 set=$2
	shift 2
	if [ ! -e "$out/$name/report.json" ] && [ ! -e "$out/$name/seed-3/report.json" ]; then
		# A network that escapes cannot be compiled: its report says so.
		"$pillar" train "$@" --data "$data/$set" --out "$out/$name" || [ -e "$out/$name/report.json" ]
	fi
}

betas="1e-6 1e-5 1e-4 1e-3 1e-2"
if [ "${1-}" = --tables ]; then
	out=$2
else
	data=$1 out=$2
	run resnet8-penalty fashion-mnist resnet8 --epochs 10 --flip
	run resnet8-none fashion-mnist resnet8 --epochs 10 --flip --penalty 0
	run mnist-poly mnist lenet --epochs 10 --shift 2 --seeds 3
	run mnist-relu mnist lenet --epochs 10 --shift 2 --seeds 3 --relu
	run fashion-poly fashion-mnist lenet --epochs 10 --seeds 3 --penalty 1e-5 --penalty-range 5.5
	run fashion-relu fashion-mnist lenet --epochs 10 --seeds 3 --relu
	for degree in 2 4 6; do
		run "degree-$degree-none" fashion-mnist resnet8 --count 10000 --epochs 12 --flip --penalty 0 --activation "poly:$degree:5"
		run "degree-$degree-penalty" fashion-mnist resnet8 --count 10000 --epochs 12 --flip --activation "poly:$degree:5"
	done
	for beta in $betas; do
		run "beta-$beta" fashion-mnist resnet8 --count 10000 --epochs 12 --flip --penalty "$beta"
	done
fi

# table TITLE RUN…
table() {
	printf '\n%s\n\n' "$1"
	shift
	(cd "$out" && "$pillar" compare --sort --markdown "$@")
}

cd "$out" && out=$PWD
table MNIST mnist-poly mnist-relu
table Fashion-MNIST fashion-poly fashion-relu
table "with and without the penalty" resnet8-penalty resnet8-none
table degrees degree-{2,4,6}-{none,penalty}
table β $(for beta in $betas; do echo "beta-$beta"; done) degree-4-{none,penalty}
"$pillar" compare resnet8-penalty resnet8-none --plot "$here/../resnet8-training.png" >/dev/null
"$pillar" compare degree-{2,4,6}-{none,penalty} --plot "$here/../resnet8-degrees.png" --against degree >/dev/null
"$pillar" compare $(for beta in $betas; do echo "beta-$beta"; done) degree-4-{none,penalty} --plot "$here/../resnet8-beta.png" --against penalty >/dev/null
