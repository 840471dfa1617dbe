#!/bin/sh
# Install napari-medsam @VERSION@ from this kit: ./install.sh [FOLDER]
# FOLDER is where it goes, ~/napari-medsam if not given. No network and no administrator rights
# are needed; nothing is written elsewhere but the model's weights, in the user's data folder.
set -eu

kit=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
into=${1:-$HOME/napari-medsam}
say() { printf '%s\n' "napari-medsam: $*"; }
stop() { say "$*" >&2; exit 1; }

case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) platform=linux_x86_64 ;;
    Darwin-arm64) platform=macosx_arm64 ;;
    *) stop "there are no wheels for $(uname -s) on $(uname -m) in any kit." ;;
esac

# The first Python this kit has wheels for.
python=''
for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
    [ -n "$candidate" ] || continue
    command -v "$candidate" >/dev/null 2>&1 || continue
    tag=$("$candidate" -c 'import sys; print("cp%d%d" % sys.version_info[:2])' 2>/dev/null) || continue
    if [ -f "$kit/requirements-$platform-$tag.txt" ]; then
        python=$candidate
        requirements=$kit/requirements-$platform-$tag.txt
        break
    fi
done
[ -n "$python" ] || stop "no Python found that this kit is for ($(cd "$kit" && ls requirements-*)); set PYTHON."

cd "$kit"
if command -v sha256sum >/dev/null 2>&1; then
    sha256sum --check --quiet SHA256SUMS || stop "the kit is damaged or altered; nothing was installed."
elif command -v shasum >/dev/null 2>&1; then
    shasum -a 256 --check --quiet SHA256SUMS || stop "the kit is damaged or altered; nothing was installed."
else
    say "neither sha256sum nor shasum is here; wheels and weights are still checked one by one."
fi

say "installing into $into"
mkdir -p "$into"
"$python" -m venv "$into/env" || stop "the environment could not be made (on Debian: python3-venv)."
# --isolated: no index or mirror that is set up on this machine is asked.
"$into/env/bin/python" -m pip --isolated install --quiet --disable-pip-version-check \
    --no-cache-dir --no-index --find-links "$kit/wheels" --require-hashes \
    --requirement "$requirements" || stop "pip failed; its message above says why."
for weights in "$kit"/weights/*/*; do
    [ -f "$weights" ] || continue
    "$into/env/bin/napari-medsam" models import "$weights" || stop "the weights were not taken."
done
ln -sf env/bin/napari-medsam "$into/napari-medsam"

say "done. To start: $into/napari-medsam    To check: $into/napari-medsam doctor"
