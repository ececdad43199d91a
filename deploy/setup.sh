#!/usr/bin/env bash
# Installs what gridwatch needs on Debian 12: packages, the ONNX Runtime library, the demo's clip.
# Safe to run again at any time; where nothing is to do it ends within a second and touches nothing.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: deploy/setup.sh [--runtime | --no-demo] [--test] [--bench] [--ci] [--check] [--no-packages]

Installs what building and running gridwatch and its demo need.

  --runtime      only what running a built gridwatch needs: no compiler, no demo clip
  --no-demo      without the demo's clip, which the tests use too
  --test         also what the tests need: mosquitto, its clients, openssl, PostgreSQL
  --bench        also what the benchmarks need: ffmpeg, valgrind
  --ci           also cargo-deny, pinned (built from source, some minutes, once)
  --check        install nothing; print what is missing and exit with 1 if anything is
  --no-packages  leave the system's packages alone (they come from elsewhere); fetch the rest
  --help         this text

Packages are installed with apt-get, as root or through sudo. All else goes to .deps in the repository; where
GRIDWATCH_DEPS names a folder, that is used and .deps links to it, so that several checkouts can share one.
ONNX Runtime is fetched with pip and honours its settings and cache.
TEXT
}

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Absolute, since work below changes folders.
deps=$(realpath -m "${GRIDWATCH_DEPS:-$repo/.deps}")

runtime_packages=(
    ca-certificates
    fonts-wqy-microhei # Chinese text on annotated pictures
    gstreamer1.0-libav # avdec_h264, avdec_h265
    gstreamer1.0-plugins-bad # h264parse, h265parse, x265enc
    gstreamer1.0-plugins-base
    gstreamer1.0-plugins-good # files, RTP
    gstreamer1.0-plugins-ugly # x264enc, for simulated cameras
    libgstrtspserver-1.0-0 # simulated cameras
)
build_packages=(
    build-essential
    libgstreamer-plugins-base1.0-dev
    libgstreamer1.0-dev
    libgstrtspserver-1.0-dev
    pkg-config
)
test_packages=(mosquitto mosquitto-clients openssl postgresql-15)
bench_packages=(ffmpeg valgrind)

# A real street-camera clip inside Debian's opencv-doc. Only the clip is taken out: the package would put 270 MB of
# documentation on the machine, and slim images drop everything below /usr/share/doc.
clip_path=usr/share/doc/opencv-doc/examples/data/vtest.avi
clip_sha256=45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf

cargo_deny_version=0.20.2

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: error: %s\n' "$1" >&2
    shift
    local line
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

want_build=yes want_clip=yes want_test=no want_bench=no want_ci=no want_packages=yes check=no
for option in "$@"; do
    case $option in
        --runtime) want_build=no want_clip=no ;;
        --no-demo) want_clip=no ;;
        --test) want_test=yes ;;
        --bench) want_bench=yes ;;
        --ci) want_ci=yes ;;
        --check) check=yes ;;
        --no-packages) want_packages=no ;;
        --help | -h)
            usage
            exit 0
            ;;
        *)
            usage >&2
            fail "unknown option '$option'"
            ;;
    esac
done

machine=$(uname -m)
case $machine in
    x86_64 | aarch64) ;;
    *) fail "there is no ONNX Runtime release for this machine ($machine)" "use x86_64 or aarch64" ;;
esac

packages=("${runtime_packages[@]}")
[[ $want_build == no ]] || packages+=("${build_packages[@]}")
[[ $want_test == no ]] || packages+=("${test_packages[@]}")
[[ $want_bench == no ]] || packages+=("${bench_packages[@]}")

# --- what is missing -------------------------------------------------------------------------------------------------

missing_packages() {
    local present package
    present=$'\n'$(dpkg-query -W -f='${db:Status-Status} ${binary:Package}\n' "${packages[@]}" 2>/dev/null || true)$'\n'
    for package in "${packages[@]}"; do
        # On a machine with several architectures a name may carry its own after a colon.
        [[ $present == *$'\n'"installed $package"$'\n'* || $present == *$'\n'"installed $package:"* ]] || echo "$package"
    done
}

ort_version=$(sed -n 's/^onnxruntime==\([0-9.]*\).*/\1/p' "$repo/deploy/onnxruntime.txt")
ort="$deps/onnxruntime"
ort_library="$ort/lib/libonnxruntime.so.$ort_version"
# Changes with the version, the pins and the machine, so that any of them makes the library be fetched again.
ort_stamp="$machine $(grep -v '^#' "$repo/deploy/onnxruntime.txt" | sha256sum | cut -c1-64)"
ort_ready() { [[ -f $ort_library && -f $ort/stamp && $(<"$ort/stamp") == "$ort_stamp" ]]; }

clip="$deps/clips/vtest.avi"
# Written under its name only after its hash fitted, so that its presence is enough.
clip_ready() { [[ -f $clip ]]; }

cargo_deny_ready() {
    local tool
    for tool in cargo-deny "$deps/cargo/bin/cargo-deny"; do
        [[ $("$tool" --version 2>/dev/null) == "cargo-deny $cargo_deny_version" ]] && return 0
    done
    return 1
}

pip_ready() { python3 -m pip --version >/dev/null 2>&1; }

rust_wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$repo/Cargo.toml")
rust_ready() {
    local found
    found=$(cd "$repo" && rustc --version 2>/dev/null | cut -d' ' -f2) || return 1
    [[ -n $found && $(printf '%s\n' "$rust_wanted" "$found" | sort -V | head -n1) == "$rust_wanted" ]]
}

lacking_packages=()
if [[ $want_packages == yes ]]; then
    command -v dpkg-query >/dev/null || fail "this is no Debian-like system: dpkg-query is not there" \
        "install what these packages hold: ${packages[*]}" "then run this again with --no-packages"
    mapfile -t lacking_packages < <(missing_packages)
    # pip only carries the library here; without it Debian's is taken.
    ort_ready || pip_ready || lacking_packages+=(python3-pip)
fi
need_clip=no
[[ $want_clip == no ]] || clip_ready || need_clip=yes

if [[ $check == yes ]]; then
    lacking=0
    lack() {
        lacking=1
        printf 'missing: %s\n' "$*"
    }
    for package in "${lacking_packages[@]}"; do lack "Debian package $package"; done
    ort_ready || lack "ONNX Runtime $ort_version ($ort_library)"
    [[ $need_clip == no ]] || lack "the demo's clip ($clip)"
    [[ $want_build == no ]] || rust_ready || lack "Rust $rust_wanted or newer"
    [[ $want_ci == no ]] || cargo_deny_ready || lack "cargo-deny $cargo_deny_version"
    [[ $lacking == 1 ]] || say "nothing is missing"
    exit "$lacking"
fi

# --- installing ------------------------------------------------------------------------------------------------------

mkdir -p "$deps" 2>/dev/null && [[ -w $deps ]] || fail "cannot write to $deps" \
    "give yourself that folder, or name another with GRIDWATCH_DEPS"
if [[ $deps != "$repo/.deps" ]]; then
    # The program and the tests look in .deps only.
    [[ ! -e $repo/.deps || -L $repo/.deps ]] ||
        fail "GRIDWATCH_DEPS is $deps, but $repo/.deps is a folder of its own" "remove the one or unset the other"
    ln -sfn "$deps" "$repo/.deps"
fi
# Two at once (two terminals, parallel make) would unpack over each other.
exec 9>"$deps/lock"
flock 9
scratch=$(mktemp -d "$deps/setup.XXXXXX")
policy=
cleanup() {
    rm -rf "$scratch"
    [[ -z $policy ]] || as_root rm -f "$policy"
}
trap cleanup EXIT

as_root() {
    if [[ $(id -u) == 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "root is needed for: $*" "run that as root or install sudo, then run this again"
    fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q -y \
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=600 "$@"
}

lists_fresh=no
refresh_lists() {
    [[ $lists_fresh == no ]] || return 0
    lists_fresh=yes
    say "refreshing the package lists"
    # A foreign source that cannot be reached is none of our business; what is really missing fails by name below.
    apt update || say "some package lists could not be refreshed; going on with those that are there"
}

# Debian starts and enables mosquitto and PostgreSQL on installation. Mosquitto would take port 1883, which gridwatch's own
# broker serves by default; the tests start servers of their own. Whoever had them before keeps them as they were.
install_packages() {
    local service services=()
    [[ " $* " != *" mosquitto "* ]] || services+=(mosquitto)
    [[ " $* " != *" postgresql-15 "* ]] || services+=(postgresql)
    if ((${#services[@]} > 0)) && [[ ! -e /usr/sbin/policy-rc.d ]]; then
        printf '#!/bin/sh\ncase " %s " in *" $1 "*) exit 101 ;; esac\n' "${services[*]}" >"$scratch/policy"
        policy=/usr/sbin/policy-rc.d
        as_root install -m 755 "$scratch/policy" "$policy"
    fi
    apt install --no-install-recommends "$@" || fail "apt-get could not install: $*" \
        "its own words are above; this script is made for Debian 12 and newer"
    if [[ -n $policy ]]; then
        as_root rm -f "$policy"
        policy=
    fi
    for service in "${services[@]}"; do
        if command -v systemctl >/dev/null; then
            as_root systemctl disable --now "$service.service" >/dev/null 2>&1 ||
                as_root systemctl disable "$service.service" >/dev/null 2>&1 ||
                say "could not disable the $service service; it may hold its port after a restart"
        fi
        say "$service is installed for the tests; its service is left off"
    done
}

if ((${#lacking_packages[@]} > 0)); then
    refresh_lists
    say "installing: ${lacking_packages[*]}"
    install_packages "${lacking_packages[@]}"
fi

install_ort() {
    pip_ready || fail "python3 with pip is needed to fetch ONNX Runtime" "install python3-pip, then run this again"
    say "fetching ONNX Runtime $ort_version"
    # The wheel is only unpacked, never installed, so its Python version need not be this machine's.
    python3 -m pip --disable-pip-version-check download --quiet --no-deps --only-binary=:all: --require-hashes \
        --implementation cp --python-version 3.11 --platform "manylinux_2_28_$machine" \
        --retries 5 --dest "$scratch" --requirement "$repo/deploy/onnxruntime.txt" ||
        fail "pip could not fetch ONNX Runtime $ort_version" \
            "its own words are above; behind a proxy or a mirror, set pip's configuration"
    python3 - "$scratch"/onnxruntime-*.whl "$scratch/onnxruntime" "$ort_version" <<'PYTHON'
import pathlib, shutil, sys, zipfile

wheel, target, version = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
members = {
    f"onnxruntime/capi/libonnxruntime.so.{version}": "lib",
    "onnxruntime/capi/libonnxruntime_providers_shared.so": "lib",
    "onnxruntime/LICENSE": ".",
    "onnxruntime/ThirdPartyNotices.txt": ".",
}
with zipfile.ZipFile(wheel) as archive:
    for name, folder in members.items():
        path = target / folder / pathlib.PurePosixPath(name).name
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(name) as source, open(path, "wb") as sink:
            shutil.copyfileobj(source, sink)
PYTHON
    python3 -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$scratch/onnxruntime/lib/libonnxruntime.so.$ort_version" ||
        fail "ONNX Runtime $ort_version does not load on this machine" \
            "it needs glibc 2.28 or newer and libstdc++6; the loader's own words are above"
    printf '%s\n' "$ort_stamp" >"$scratch/onnxruntime/stamp"
    rm -rf "$ort"
    mv "$scratch/onnxruntime" "$ort"
}
# Another run may have done it while this one waited for the lock.
ort_ready || install_ort

# Needs no root; where it has it, it need not become another user who could not write here.
download_package() { (cd "$scratch" && apt-get -q -o Acquire::Retries=3 -o APT::Sandbox::User=root download "$1"); }

install_clip() {
    local package="$scratch/opencv-doc.deb" taken="$scratch/vtest.avi"
    if [[ -f /$clip_path ]]; then
        cp "/$clip_path" "$taken"
    else
        command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
            fail "the demo's clip cannot be fetched without apt-get" "put OpenCV's vtest.avi at $clip"
        apt-cache show opencv-doc >/dev/null 2>&1 || refresh_lists
        say "fetching the demo's clip (out of the package opencv-doc, 96 MB)"
        download_package opencv-doc || { refresh_lists && download_package opencv-doc; } ||
            fail "apt-get could not download opencv-doc" "its own words are above"
        mv "$scratch"/opencv-doc_*.deb "$package"
        dpkg-deb --fsys-tarfile "$package" | tar -x -O -f - "./$clip_path" >"$taken" ||
            fail "the package opencv-doc holds no $clip_path" "put OpenCV's vtest.avi at $clip"
    fi
    echo "$clip_sha256  $taken" | sha256sum --check --quiet ||
        fail "the demo's clip is not the one expected (SHA-256 $clip_sha256)" "put OpenCV's vtest.avi at $clip"
    mkdir -p "$deps/clips"
    chmod 644 "$taken"
    mv "$taken" "$clip"
}
[[ $want_clip == no ]] || clip_ready || install_clip

install_cargo_deny() {
    say "building cargo-deny $cargo_deny_version"
    # Its own release profile optimises for long: that costs more here than the check ever takes.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        cargo install --locked --root "$deps/cargo" "cargo-deny@$cargo_deny_version" ||
        fail "cargo could not build cargo-deny $cargo_deny_version" "its own words are above"
}

if [[ $want_build == yes ]] && ! rust_ready; then
    found=$(cd "$repo" && rustc --version 2>/dev/null) || found=none
    fail "Rust $rust_wanted or newer is needed, found: $found" \
        "all else is installed; install or update the Rust toolchain, then run this again"
fi
[[ $want_ci == no ]] || cargo_deny_ready || install_cargo_deny

say "ready"
