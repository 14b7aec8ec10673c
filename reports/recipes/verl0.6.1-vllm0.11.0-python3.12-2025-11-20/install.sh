#!/usr/bin/env bash
# written by: verlcompat recipe verl0.6.1-vllm0.11.0-python3.12-2025-11-20 --kind install
# lock: sha256 5340d798ac0bb2c0574a1d05ba6c861389362dd8c4a2a6761f65b140cfde922c
# made for: Python 3.12, x86_64-manylinux_2_35, as of 2025-11-20
# verdict: compatible (up to train); The pair as it resolved the week verl 0.6.1 came out, Python
# 3.12
# why: What a resolver picked that week works. uvloop 0.22.1 is among it, which raises where a loop
# is asked for before one is set; verl 0.6.1 asks through a function of its own that makes one.
# evidence: engine_start_vllm passed, record sha256
# 50aadf9e6a9f9da09f807a5c8cbb178de599a4d07e3f737cf369a928a899f28c
# evidence: rollout_agreement passed, record sha256
# 7066dd8625e8704edf06c977bb9efa3967832aee9ef6281e3a26a96a671ea1ca
# evidence: main_ppo_vllm passed, record sha256
# 4db07f8f1b2b7405f19f7604a3787a2c3677433be51a7a2472ed3953be0f2cf2
# usage: bash install.sh [--with uv|pip|conda] [--flash-attn yes|no|VERSION] PREFIX
#
#   PREFIX        folder of the new environment; it must not exist yet
#   --with        what installs; uv where it is there, else pip
#   --flash-attn  build flash-attn last, against the torch that is there; no by default
#
# Your own index is used: uv and pip read their settings (UV_*, PIP_*, uv.toml, pip.conf), and
# nothing here names one. Nothing outside PREFIX is changed, so no --break-system-packages.
set -euo pipefail

readonly PYTHON_MINOR=3.12
readonly ARCHITECTURE=x86_64
readonly GLIBC=2.35
readonly FLASH_ATTN=2.8.1
readonly TORCH=2.8.0
readonly NEEDS_GIB=17

die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

at_least() { # at_least 2.36 2.35: is the first version not lower?
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

with=""
flash_attn="no"
prefix=""
while [ "$#" -gt 0 ]; do
  case "$1" in
    --with) with="${2:?--with needs uv, pip or conda}"; shift 2 ;;
    --flash-attn) flash_attn="${2:?--flash-attn needs yes, no or a version}"; shift 2 ;;
    -h | --help) sed -n '/^# usage:/,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    -*) die "unknown option $1; see --help" ;;
    *) [ -z "$prefix" ] || die "one PREFIX, not also $1"; prefix="$1"; shift ;;
  esac
done
[ -n "$prefix" ] || die "name the folder of the new environment; see --help"
[ ! -e "$prefix" ] || die "$prefix exists; name a folder that does not, or remove it"
[[ "$flash_attn" =~ ^(yes|no|[0-9]+(\.[a-z0-9]+)*)$ ]] || die "--flash-attn $flash_attn is no version"
if [ -z "$with" ]; then
  if command -v uv >/dev/null; then with=uv; else with=pip; fi
fi

# 1. The machine. Wheels of the lock are for one architecture and C library; on another one the
#    installer would say only that a hash does not match.
[ "$(uname -s)" = Linux ] || die "this lock is for Linux"
[ "$(uname -m)" = "$ARCHITECTURE" ] || die "this lock is for $ARCHITECTURE, this machine is $(uname -m)"
libc="$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d ' ' -f 2 || true)"
[ -n "$libc" ] || die "this lock is for glibc $GLIBC or newer, and this machine has another C library"
at_least "$libc" "$GLIBC" || die "this lock is for glibc $GLIBC or newer, this machine has $libc"
free_gib="$(df -Pk "$(dirname -- "$prefix")" | awk 'NR == 2 { print int($4 / 1048576) }')"
[ "$free_gib" -ge "$NEEDS_GIB" ] ||
  printf 'install.sh: %s GiB are free; this takes up to %s GiB where the cache has none of it\n' \
    "$free_gib" "$NEEDS_GIB" >&2

# 2. An environment of its own, with the Python the lock is for.
whole=no
work="$(mktemp -d)"
cleanup() {
  rm -rf -- "$work"
  if [ "$whole" = no ]; then rm -rf -- "$prefix"; fi # half an environment is none
}
trap cleanup EXIT
export PYTHONNOUSERSITE=1 # ~/.local stands before what is installed here
unset PYTHONPATH PIP_USER PIP_TARGET PIP_PREFIX
python="$prefix/bin/python"
case "$with" in
  uv)
    command -v uv >/dev/null || die "uv is not on PATH; use --with pip, or install uv"
    uv venv --no-project --python "${PYTHON:-$PYTHON_MINOR}" "$prefix"
    ;;
  pip)
    base="${PYTHON:-python$PYTHON_MINOR}"
    command -v "$base" >/dev/null ||
      die "there is no $base; install it, name one in PYTHON=..., or use --with uv (which can fetch it)"
    "$base" -m venv "$prefix"
    ;;
  conda)
    command -v conda >/dev/null || die "conda is not on PATH; use --with uv or pip"
    conda create --yes --prefix "$prefix" "python=$PYTHON_MINOR" pip
    ;;
  *) die "--with $with: there are uv, pip and conda" ;;
esac
minor="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
[ "$minor" = "$PYTHON_MINOR" ] || die "this lock is for Python $PYTHON_MINOR, $python is $minor"

# 3. Everything of the lock at once, torch included: one file a distribution, by hash. Nothing is
#    solved again (--no-deps), so the order inside does not matter and nothing can move.
cat >"$work/requirements.txt" <<'LOCK'
absl-py==2.3.1 --hash=sha256:eeecf07f0c2a93ace0772c92e596ace6d3d3996c042b2128459aaae2a76de11d
accelerate==1.11.0 --hash=sha256:a628fa6beb069b8e549460fc449135d5bd8d73e7a11fd09f0bc9fc4ace7f06f1
aiohappyeyeballs==2.6.1 --hash=sha256:f349ba8f4b75cb25c99c5c2d84e997e485204d2902a9597802b0371f09331fb8
aiohttp==3.13.2 --hash=sha256:4356474ad6333e41ccefd39eae869ba15a6c5299c9c01dfdcfdd5c107be4363e
aiohttp-cors==0.8.1 --hash=sha256:3180cf304c5c712d626b9162b195b1db7ddf976a2a25172b35bb2448b890a80d
aiosignal==1.4.0 --hash=sha256:053243f8b92b990551949e63930a839ff0cf0b0ebbe0597b0f3fb19e1a0fe82e
annotated-doc==0.0.4 --hash=sha256:571ac1dc6991c450b25a9c2d84a3705e2ae7a53467b5d111c24fa8baabbed320
annotated-types==0.7.0 --hash=sha256:1f02e8b43a8fbbc3f3e0d4f0f4bfc8131bcb4eebe8849b8e5c773f3a1c582a53
# a source distribution, built on the machine:
antlr4-python3-runtime==4.9.3 --hash=sha256:f224469b4168294902bb1efa80a8bf7855f24c99aef99cbefc1bcd3cce77881b
anyio==4.11.0 --hash=sha256:0287e96f4d26d4149305414d4e3bc32f0dcd0862365a4bddea19d7a1ec38c4fc
astor==0.8.1 --hash=sha256:070a54e890cefb5b3739d19f30f5a5ec840ffc9c50ffa7d23cc9fc1a38ebbfc5
attrs==25.4.0 --hash=sha256:adcf7e2a1fb3b36ac48d97835bb6d8ade15b8dcce26aba8bf1d14847b57a3373
blake3==1.0.8 --hash=sha256:504d1399b7fb91dfe5c25722d2807990493185faa1917456455480c36867adb5
cachetools==6.2.2 --hash=sha256:6c09c98183bf58560c97b2abfcedcbaf6a896a490f534b031b661d3723b45ace
cbor2==5.7.1 --hash=sha256:9fc81da8c0e09beb42923e455e477b36ff14a03b9ca18a8a2e9b462de9a953e8
certifi==2025.11.12 --hash=sha256:97de8790030bbd5c2d96b7ec782fc2f7820ef8dba6db909ccf95449f2d062d4b
cffi==2.0.0 --hash=sha256:3e17ed538242334bf70832644a32a7aae3d83b57567f9fd60a26257e992b79ba
charset-normalizer==3.4.4 --hash=sha256:11d694519d7f29d6cd09f6ac70028dba10f92f6cdd059096db198c283794ac86
click==8.3.1 --hash=sha256:981153a64e25f12d547d3426c367a4857371575ee7ad18df2a6183ab0545b2a6
cloudpickle==3.1.2 --hash=sha256:9acb47f6afd73f60dc1df93bb801b472f05ff42fa6c84167d25cb206be1fbf4a
codetiming==1.4.0 --hash=sha256:3b80f409bef00941a9755c5524071ce2f72eaa4520f4bc35b33869cde024ccbd
colorful==0.5.8 --hash=sha256:a9381fdda3337fbaba5771991020abc69676afa102646650b759927892875992
compressed-tensors==0.11.0 --hash=sha256:e1cbc46e1ae032b7ceea915fe18c8d2de5a54d3a50a607969b6bdfe703b6cb83
cupy-cuda12x==13.6.0 --hash=sha256:79b0cacb5e8b190ef409f9e03f06ac8de1b021b0c0dda47674d446f5557e0eb1
datasets==4.4.1 --hash=sha256:c1163de5211e42546079ab355cc0250c7e6db16eb209ac5ac6252f801f596c44
depyf==0.19.0 --hash=sha256:040b35fc0997d49df024b7d094f2a7836f91e9ed02f49982dd37e70aa3285ad5
dill==0.4.0 --hash=sha256:44f54bf6412c2c8464c14e8243eb163690a9800dbe2c367330883b19c7561049
diskcache==5.6.3 --hash=sha256:5e31b2d5fbad117cc363ebaf6b689474db18a1f6438bc82358b024abd4c2ca19
distlib==0.4.0 --hash=sha256:9659f7d87e46584a30b5780e43ac7a2143098441670ff0a49d5f9034c54a6c16
distro==1.9.0 --hash=sha256:7bffd925d65168f85027d8da9af6bddab658135b840670a223589bc0c8ef02b2
dnspython==2.8.0 --hash=sha256:01d9bbc4a2d76bf0db7c1f729812ded6d912bd318d3b1cf81d30c0f845dbf3af
einops==0.8.1 --hash=sha256:919387eb55330f5757c6bea9165c5ff5cfe63a642682ea788a6d472576d81737
email-validator==2.3.0 --hash=sha256:80f13f623413e6b197ae73bb10bf4eb0908faf509ad8362c5edeb0be7fd450b4
fastapi==0.121.3 --hash=sha256:0c78fc87587fcd910ca1bbf5bc8ba37b80e119b388a7206b39f0ecc95ebf53e9
fastapi-cli==0.0.16 --hash=sha256:addcb6d130b5b9c91adbbf3f2947fe115991495fdb442fe3e51b5fc6327df9f4
fastapi-cloud-cli==0.5.1 --hash=sha256:1a28415b059b27af180a55a835ac2c9e924a66be88412d5649d4f91993d1a698
fastar==0.6.0 --hash=sha256:6939503c37c6137e29fc1a8784be587580f466f3a61365eb7a72b32c289fd8c6
fastrlock==0.8.3 --hash=sha256:5f13ec08f1adb1aa916c384b05ecb7dbebb8df9ea81abd045f60941c6283a670
filelock==3.20.0 --hash=sha256:339b4732ffda5cd79b13f4e2711a31b0365ce445d95d243bb996273d072546a2
frozendict==2.4.7 --hash=sha256:972af65924ea25cf5b4d9326d549e69a9a4918d8a76a9d3a7cd174d98b237550
frozenlist==1.8.0 --hash=sha256:494a5952b1c597ba44e0e78113a7266e656b9794eec897b19ead706bd7074383
fsspec==2025.10.0 --hash=sha256:7c7712353ae7d875407f97715f0e1ffcc21e33d5b24556cb1e090ae9409ec61d
gguf==0.17.1 --hash=sha256:7bc5aa7eeb1931f7d39b48fdc5b38fda6b294b9dca75cf607ac69557840a3943
gitdb==4.0.12 --hash=sha256:67073e15955400952c6565cc3e707c554a4eea2e428946f7a4c162fab9bd9bcf
gitpython==3.1.45 --hash=sha256:8908cb2e02fb3b93b7eb0f2827125cb699869470432cc885f019b8fd0fccff77
google-api-core==2.28.1 --hash=sha256:4021b0f8ceb77a6fb4de6fde4502cecab45062e66ff4f2895169e0b35bc9466c
google-auth==2.43.0 --hash=sha256:af628ba6fa493f75c7e9dbe9373d148ca9f4399b5ea29976519e0a3848eddd16
googleapis-common-protos==1.72.0 --hash=sha256:4299c5a82d5ae1a9702ada957347726b167f9f8d1fc352477702a1e851ff4038
grpcio==1.76.0 --hash=sha256:980a846182ce88c4f2f7e2c22c56aefd515daeb36149d1c897f83cf57999e0b6
h11==0.16.0 --hash=sha256:63cf8bbe7522de3bf65932fda1d9c2772064ffb3dae62d55932da54b31cb6c86
hf-xet==1.2.0 --hash=sha256:3651fd5bfe0281951b988c0facbe726aa5e347b103a675f49a3fa8144c7968fd
httpcore==1.0.9 --hash=sha256:2d400746a40668fc9dec9810239072b40b4484b640a8c38fd654a024c7a1bf55
httptools==0.7.1 --hash=sha256:2c15f37ef679ab9ecc06bfc4e6e8628c32a8e4b305459de7cf6785acd57e4d03
httpx==0.28.1 --hash=sha256:d909fcccc110f8c7faf814ca82a9a4d816bc5a6dbfea25d6591d6985b8ba59ad
huggingface-hub==0.36.0 --hash=sha256:7bcc9ad17d5b3f07b57c78e79d527102d08313caa278a641993acddcb894548d
hydra-core==1.3.2 --hash=sha256:fa0238a9e31df3373b35b0bfb672c34cc92718d21f81311d8996a16de1141d8b
idna==3.11 --hash=sha256:771a87f49d9defaf64091e6e6fe9c18d4833f140bd19464795bc32d966ca37ea
importlib-metadata==8.7.0 --hash=sha256:e5dd1551894c77868a30651cef00984d50e1002d06942a7101d34870c5f02afd
interegular==0.3.3 --hash=sha256:b0c07007d48c89d6d19f7204972d369b2a77222722e126b6aa63aa721dc3b19c
jinja2==3.1.6 --hash=sha256:85ece4451f492d0c13c5dd7c13a64681a86afae63a5f347908daf103ce6d2f67
jiter==0.12.0 --hash=sha256:4321e8a3d868919bcb1abb1db550d41f2b5b326f72df29e53b2df8b006eb9403
jsonschema==4.25.1 --hash=sha256:3fba0169e345c7175110351d456342c364814cfcf3b964ba4587f22915230a63
jsonschema-specifications==2025.9.1 --hash=sha256:98802fee3a11ee76ecaca44429fda8a41bff98b00a0f2838151b113f210cc6fe
lark==1.2.2 --hash=sha256:c2276486b02f0f1b90be155f2c8ba4a8e194d42775786db622faccd652d8e80c
llguidance==0.7.30 --hash=sha256:9edc409b9decd6cffba5f5bf3b4fbd7541f95daa8cbc9510cbf96c6ab1ffc153
llvmlite==0.44.0 --hash=sha256:c0143a5ef336da14deaa8ec26c5449ad5b6a2b564df82fcef4be040b9cacfea9
lm-format-enforcer==0.11.3 --hash=sha256:cf586350875def1ae7a8fba84fcbbfc8371424b6c9d05c1fcba70aa233fbf06f
markdown==3.10 --hash=sha256:b5b99d6951e2e4948d939255596523444c0e677c669700b1d17aa4a8a464cb7c
markdown-it-py==4.0.0 --hash=sha256:87327c59b172c5011896038353a81343b6754500a08cd7a4973bb48c6d578147
markupsafe==3.0.3 --hash=sha256:d6dd0be5b5b189d31db7cda48b91d7e0a9795f31430b7f271219ab30f1d3ac9d
mdurl==0.1.2 --hash=sha256:84008a41e51615a49fc9966191ff91509e3c40b939176e643fd50a5c2196b8f8
mistral-common==1.8.5 --hash=sha256:f3cf87b61958a00485e603f3fe0530eb509d7e9b2f7178329dcd260e307eced1
mpmath==1.3.0 --hash=sha256:a0b2b9fe80bbcd81a6647ff13108738cfb482d481d826cc0e02f5b35e5c88d2c
msgpack==1.1.2 --hash=sha256:372839311ccf6bdaf39b00b61288e0557916c3729529b301c52c2d88842add42
msgspec==0.19.0 --hash=sha256:d911c442571605e17658ca2b416fd8579c5050ac9adc5e00c2cb3126c97f73bc
multidict==6.7.0 --hash=sha256:123e2a72e20537add2f33a79e605f6191fba2afda4cbb876e35c1a7074298a7d
multiprocess==0.70.18 --hash=sha256:9b78f8e5024b573730bfb654783a13800c2c0f2dfc0c25e70b40d184d64adaa2
networkx==3.5 --hash=sha256:0030d386a9a06dee3565298b4a734b68589749a544acbb6c412dc9e2489ec6ec
ninja==1.13.0 --hash=sha256:fb46acf6b93b8dd0322adc3a4945452a4e774b75b91293bafcc7b7f8e6517dfa
numba==0.61.2 --hash=sha256:5b1bb509d01f23d70325d3a5a0e237cbc9544dd50e50588bc581ba860c213546
numpy==1.26.4 --hash=sha256:675d61ffbfa78604709862923189bad94014bef562cc35cf61d3a07bba02a7ed
nvidia-cublas-cu12==12.8.4.1 --hash=sha256:8ac4e771d5a348c551b2a426eda6193c19aa630236b418086020df5ba9667142
nvidia-cuda-cupti-cu12==12.8.90 --hash=sha256:ea0cb07ebda26bb9b29ba82cda34849e73c166c18162d3913575b0c9db9a6182
nvidia-cuda-nvrtc-cu12==12.8.93 --hash=sha256:a7756528852ef889772a84c6cd89d41dfa74667e24cca16bb31f8f061e3e9994
nvidia-cuda-runtime-cu12==12.8.90 --hash=sha256:adade8dcbd0edf427b7204d480d6066d33902cab2a4707dcfc48a2d0fd44ab90
nvidia-cudnn-cu12==9.10.2.21 --hash=sha256:949452be657fa16687d0930933f032835951ef0892b37d2d53824d1a84dc97a8
nvidia-cufft-cu12==11.3.3.83 --hash=sha256:4d2dd21ec0b88cf61b62e6b43564355e5222e4a3fb394cac0db101f2dd0d4f74
nvidia-cufile-cu12==1.13.1.3 --hash=sha256:1d069003be650e131b21c932ec3d8969c1715379251f8d23a1860554b1cb24fc
nvidia-curand-cu12==10.3.9.90 --hash=sha256:b32331d4f4df5d6eefa0554c565b626c7216f87a06a4f56fab27c3b68a830ec9
nvidia-cusolver-cu12==11.7.3.90 --hash=sha256:4376c11ad263152bd50ea295c05370360776f8c3427b30991df774f9fb26c450
nvidia-cusparse-cu12==12.5.8.93 --hash=sha256:1ec05d76bbbd8b61b06a80e1eaf8cf4959c3d4ce8e711b65ebd0443bb0ebb13b
nvidia-cusparselt-cu12==0.7.1 --hash=sha256:f1bb701d6b930d5a7cea44c19ceb973311500847f81b634d802b7b539dc55623
nvidia-nccl-cu12==2.27.3 --hash=sha256:adf27ccf4238253e0b826bce3ff5fa532d65fc42322c8bfdfaf28024c0fbe039
nvidia-nvjitlink-cu12==12.8.93 --hash=sha256:81ff63371a7ebd6e6451970684f916be2eab07321b73c9d244dc2b4da7f73b88
nvidia-nvtx-cu12==12.8.90 --hash=sha256:5b17e2001cc0d751a5bc2c6ec6d26ad95913324a4adb86788c944f8ce9ba441f
omegaconf==2.3.0 --hash=sha256:7b4df175cdb08ba400f45cae3bdcae7ba8365db4d165fc65fd04b050ab63b46b
openai==2.8.1 --hash=sha256:c6c3b5a04994734386e8dad3c00a393f56d3b68a27cd2e8acae91a59e4122463
openai-harmony==0.0.8 --hash=sha256:c007d277218a50db8839e599ed78e0fffe5130f614c3f6d93ae257f282071a29
opencensus==0.11.4 --hash=sha256:a18487ce68bc19900336e0ff4655c5a116daf10c1b3685ece8d971bddad6a864
opencensus-context==0.1.3 --hash=sha256:073bb0590007af276853009fac7e4bab1d523c3f03baf4cb4511ca38967c6039
opencv-python-headless==4.11.0.86 --hash=sha256:0e0a27c19dd1f40ddff94976cfe43066fbbe9dfbb2ec1907d66c19caef42a57b
opentelemetry-api==1.38.0 --hash=sha256:2891b0197f47124454ab9f0cf58f3be33faca394457ac3e09daba13ff50aa582
opentelemetry-exporter-prometheus==0.59b0 --hash=sha256:71ced23207abd15b30d1fe4e7e910dcaa7c2ff1f24a6ffccbd4fdded676f541b
opentelemetry-proto==1.38.0 --hash=sha256:b6ebe54d3217c42e45462e2a1ae28c3e2bf2ec5a5645236a490f55f45f1a0a18
opentelemetry-sdk==1.38.0 --hash=sha256:1c66af6564ecc1553d72d811a01df063ff097cdc82ce188da9951f93b8d10f6b
opentelemetry-semantic-conventions==0.59b0 --hash=sha256:35d3b8833ef97d614136e253c1da9342b4c3c083bbaf29ce31d572a1c3825eed
orjson==3.11.4 --hash=sha256:97eb5942c7395a171cbfecc4ef6701fc3c403e762194683772df4c54cfbb2210
outlines-core==0.2.11 --hash=sha256:86df9740368866295077346440d911df4972da2b3f1f54b8125e6f329e8a8891
packaging==25.0 --hash=sha256:29572ef2b1f17581046b3a2227d5c611fb25ec70ca1ba8554b24b0e69331a484
pandas==2.3.3 --hash=sha256:b3d11d2fda7eb164ef27ffc14b4fcab16a80e1ce67e9f57e19ec0afaf715ba89
partial-json-parser==0.2.1.1.post7 --hash=sha256:145119e5eabcf80cbb13844a6b50a85c68bf99d376f8ed771e2a3c3b03e653ae
peft==0.18.0 --hash=sha256:624f69ca6393b765ccc6734adda7ca57d80b238f0900a42c357d8b67a03d62ff
pillow==12.0.0 --hash=sha256:b87843e225e74576437fd5b6a4c2205d422754f84a06942cfaf1dc32243e45a8
platformdirs==4.5.0 --hash=sha256:e578a81bb873cbb89a41fcc904c7ef523cc18284b7e3b3ccf06aca1403b7ebd3
prometheus-client==0.23.1 --hash=sha256:dd1913e6e76b59cfe44e7a4b83e01afc9873c1bdfd2ed8739f1e76aeca115f99
prometheus-fastapi-instrumentator==7.1.0 --hash=sha256:978130f3c0bb7b8ebcc90d35516a6fe13e02d2eb358c8f83887cdef7020c31e9
propcache==0.4.1 --hash=sha256:15932ab57837c3368b024473a525e25d316d8353016e7cc0e5ba9eb343fbb1cf
proto-plus==1.26.1 --hash=sha256:13285478c2dcf2abb829db158e1047e2f1e8d63a077d94263c2b88b043c75a66
protobuf==6.33.1 --hash=sha256:8fd7d5e0eb08cd5b87fd3df49bc193f5cfd778701f47e11d127d0afc6c39f1d1
psutil==7.1.3 --hash=sha256:3bb428f9f05c1225a558f53e30ccbad9930b11c3fc206836242de1091d3e7dd3
py-cpuinfo==9.0.0 --hash=sha256:859625bc251f64e21f077d099d4162689c762b5d6a4c3c97553d56241c9674d5
py-spy==0.4.1 --hash=sha256:6a80ec05eb8a6883863a367c6a4d4f2d57de68466f7956b6367d4edd5c61bb29
pyarrow==22.0.0 --hash=sha256:c6c791b09c57ed76a18b03f2631753a4960eefbbca80f846da8baefc6491fcfe
pyasn1==0.6.1 --hash=sha256:0d632f46f2ba09143da3a8afe9e33fb6f92fa2320ab7e886e2d0f7672af84629
pyasn1-modules==0.4.2 --hash=sha256:29253a9207ce32b64c3ac6600edc75368f98473906e8fd1043bd6b5b1de2c14a
pybase64==1.4.2 --hash=sha256:ace8b23093a6bb862477080d9059b784096ab2f97541e8bfc40d42f062875149
pybind11==3.0.1 --hash=sha256:aa8f0aa6e0a94d3b64adfc38f560f33f15e589be2175e103c0a33c6bce55ee89
pycountry==24.6.1 --hash=sha256:f1a4fb391cd7214f8eefd39556d740adcc233c778a27f8942c8dca351d6ce06f
pycparser==2.23 --hash=sha256:e5c6e8d3fbad53479cab09ac03729e0a9faf2bee3db8208a550daf5af81a5934
pydantic==2.12.4 --hash=sha256:92d3d202a745d46f9be6df459ac5a064fdaa3c1c4cd8adcfa332ccf3c05f871e
pydantic-core==2.41.5 --hash=sha256:eceb81a8d74f9267ef4081e246ffd6d129da5d87e37a77c9bde550cb04870c1c
pydantic-extra-types==2.10.6 --hash=sha256:6106c448316d30abf721b5b9fecc65e983ef2614399a24142d689c7546cc246a
pygments==2.19.2 --hash=sha256:86540386c03d588bb81d44bc3928634ff26449851e99741617ecb9037ee5ec0b
# a source distribution, built on the machine:
pylatexenc==2.10 --hash=sha256:3dd8fd84eb46dc30bee1e23eaab8d8fb5a7f507347b23e5f38ad9675c84f40d3
python-dateutil==2.9.0.post0 --hash=sha256:a8b2bc7bffae282281c8140a97d3aa9c14da0b136dfe83f850eea9a5f7470427
python-dotenv==1.2.1 --hash=sha256:b81ee9561e9ca4004139c6cbba3a238c32b03e4894671e181b671e8cb8425d61
python-json-logger==4.0.0 --hash=sha256:af09c9daf6a813aa4cc7180395f50f2a9e5fa056034c9953aec92e381c5ba1e2
python-multipart==0.0.20 --hash=sha256:8a62d3a8335e06589fe01f2a3e178cdcc632f3fbe0d492ad9ee0ec35aab1f104
pytz==2025.2 --hash=sha256:5ddf76296dd8c44c26eb8f4b6f35488f3ccbf6fbbd7adee0b7262d43f0ec2f00
pyvers==0.1.0 --hash=sha256:065249805ae537ddf9a2d1a8dffc6d0a12474a347d2eaa2f35ebdae92c0c8199
pyyaml==6.0.3 --hash=sha256:ba1cc08a7ccde2d2ec775841541641e4548226580ab850948cbfda66a1befcdc
pyzmq==27.1.0 --hash=sha256:43ad9a73e3da1fab5b0e7e13402f0b2fb934ae1c876c51d0afff0e7c052eca31
ray==2.51.1 --hash=sha256:4e786da7862cf73664977d0212a505d6d5a585beadf63e7dc1e1c129259bee20
referencing==0.37.0 --hash=sha256:381329a9f99628c9069361716891d34ad94af76e461dcb0335825aecc7692231
regex==2025.11.3 --hash=sha256:a12ab1f5c29b4e93db518f5e3872116b7e9b1646c9f9f426f777b50d44a09e8c
requests==2.32.5 --hash=sha256:2462f94637a34fd532264295e186976db0f5d453d1cdd31473c85a6a161affb6
rich==14.2.0 --hash=sha256:76bc51fe2e57d2b1be1f96c524b890b816e334ab4c1e45888799bfaab0021edd
rich-toolkit==0.16.0 --hash=sha256:3f4307f678c5c1e22c36d89ac05f1cd145ed7174f19c1ce5a4d3664ba77c0f9e
rignore==0.7.6 --hash=sha256:d24321efac92140b7ec910ac7c53ab0f0c86a41133d2bb4b0e6a7c94967f44dd
rpds-py==0.29.0 --hash=sha256:ad7bd570be92695d89285a4b373006930715b78d96449f686af422debb4d3949
rsa==4.9.1 --hash=sha256:68635866661c6836b8d39430f97a996acbd61bfa49406748ea243539fe239762
safetensors==0.7.0 --hash=sha256:dac7252938f0696ddea46f5e855dd3138444e82236e3be475f54929f0c510d48
scipy==1.16.3 --hash=sha256:72d1717fd3b5e6ec747327ce9bda32d5463f472c9dce9f54499e81fbd50245a1
sentencepiece==0.2.1 --hash=sha256:0cdfecef430d985f1c2bcbfff3defd1d95dae876fbd0173376012d2d7d24044b
sentry-sdk==2.45.0 --hash=sha256:86c8ab05dc3e8666aece77a5c747b45b25aa1d5f35f06cde250608f495d50f23
setproctitle==1.3.7 --hash=sha256:2906b6c7959cdb75f46159bf0acd8cc9906cf1361c9e1ded0d065fe8f9039629
setuptools==79.0.1 --hash=sha256:e147c0549f27767ba362f9da434eab9c5dc0045d5304feb602a0af001089fc51
shellingham==1.5.4 --hash=sha256:7ecfff8f2fd72616f7481040475a65b2bf8af90a56c89140852d1120324e8686
six==1.17.0 --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274
smart-open==7.5.0 --hash=sha256:87e695c5148bbb988f15cec00971602765874163be85acb1c9fb8abc012e6599
smmap==5.0.2 --hash=sha256:b30115f0def7d7531d22a0fb6502488d879e75b260a9db4d0819cfb25403af5e
sniffio==1.3.1 --hash=sha256:2f6da418d1f1e0fddd844478f41680e794e6051915791a034ff65e5f100525a2
soundfile==0.13.1 --hash=sha256:03267c4e493315294834a0870f31dbb3b28a95561b80b134f0bd3cf2d5f0e618
soxr==1.0.0 --hash=sha256:e8f2a69686f2856d37823bbb7b78c3d44904f311fe70ba49b893af11d6b6047b
starlette==0.50.0 --hash=sha256:9e5391843ec9b6e472eed1365a78c8098cfceb7a74bfd4d6b1c0c0095efb3bca
sympy==1.14.0 --hash=sha256:e091cc3e99d2141a0ba2847328f5479b05d94a6635cb96148ccb3f34671bd8f5
tensorboard==2.20.0 --hash=sha256:9dc9f978cb84c0723acf9a345d96c184f0293d18f166bb8d59ee098e6cfaaba6
tensorboard-data-server==0.7.2 --hash=sha256:ef687163c24185ae9754ed5650eb5bc4d84ff257aabdc33f0cc6f74d8ba54530
tensordict==0.10.0 --hash=sha256:6f0a52524c7c46778bf250444f1cd508f055735667b8d596a1a7e2fb38824e8c
tiktoken==0.12.0 --hash=sha256:edde1ec917dfd21c1f2f8046b86348b0f54a2c0547f68149d8600859598769ad
tokenizers==0.22.1 --hash=sha256:e2ef6063d7a84994129732b47e7915e8710f27f99f3a3260b8a38fc7ccd083f4
torch==2.8.0 --hash=sha256:b2aca0939fb7e4d842561febbd4ffda67a8e958ff725c1c27e244e85e982173c
torchaudio==2.8.0 --hash=sha256:93a8583f280fe83ba021aa713319381ea71362cc87b67ee38e97a43cb2254aee
torchdata==0.11.0 --hash=sha256:52b940fbbe0e00fb21cabddf528449d1bec5bfb0d0823b7487b15f951658ee33
torchvision==0.23.0 --hash=sha256:4e7d31c43bc7cbecbb1a5652ac0106b436aa66e26437585fc2c4b2cf04d6014c
tqdm==4.67.1 --hash=sha256:26445eca388f82e72884e0d580d5464cd801a3ea01e63e5601bdff9ba6a48de2
transformers==4.57.1 --hash=sha256:b10d05da8fa67dc41644dbbf9bc45a44cb86ae33da6f9295f5fbf5b7890bd267
triton==3.4.0 --hash=sha256:31c1d84a5c0ec2c0f8e8a072d7fd150cab84a9c239eaddc6706c081bfae4eb04
typer==0.20.0 --hash=sha256:5b463df6793ec1dca6213a3cf4c0f03bc6e322ac5e16e13ddd622a889489784a
typing-extensions==4.15.0 --hash=sha256:f0fa19c6845758ab08074a0cfa8b7aecb71c999ca73d62883bc25cc018c4e548
typing-inspection==0.4.2 --hash=sha256:4ed1cacbdc298c220f1bd249ed5287caa16f34d44ef4e9c3d0cbad5b521545e7
tzdata==2025.2 --hash=sha256:1a403fada01ff9221ca8044d701868fa132215d84beb92242d9acd2147f667a8
urllib3==2.5.0 --hash=sha256:e6b01673c0fa6a13e374b50871808eb3bf7046c4b125b216f6bf1cc604cff0dc
uvicorn==0.38.0 --hash=sha256:48c0afd214ceb59340075b4a052ea1ee91c16fbc2a9b1469cca0e54566977b02
uvloop==0.22.1 --hash=sha256:7b5b1ac819a3f946d3b2ee07f09149578ae76066d70b44df3fa990add49a82e4
verl==0.6.1 --hash=sha256:a67dd50fb99b402db0c990d4c92710be9a728cb18607515daa0f1e8552e47983
virtualenv==20.35.4 --hash=sha256:c21c9cede36c9753eeade68ba7d523529f228a403463376cf821eaae2b650f1b
vllm==0.11.0 --hash=sha256:3861c75ff2b12e24f6d179ff5c084d791b42ded8675d76c8706697c79f68cd62
wandb==0.23.0 --hash=sha256:6e5847f98cbb3175caf5291932374410141f5bb3b7c25f9c5e562c1988ce0bf5
watchfiles==1.1.1 --hash=sha256:1db5d7ae38ff20153d542460752ff397fcf5c96090c1230803713cf3147a6803
websockets==15.0.1 --hash=sha256:64dee438fed052b52e4f98f76c5790513235efaa1ef7f3f2192c392cd7c91b65
werkzeug==3.1.3 --hash=sha256:54b78bf3716d19a65be4fceccc0d1d7b89e608834989dfae50ea87564639213e
wrapt==2.0.1 --hash=sha256:7b219cb2182f230676308cdcacd428fa837987b89e4b7c5c9025088b8a6c9faf
xformers==0.0.32.post1 --hash=sha256:5f245b5555188da112070d8fefb6b7ae1ae47422856521d66c837e9d2352fbe4
xgrammar==0.1.25 --hash=sha256:47fdbfc6007df47de2142613220292023e88e4a570546b39591f053e4d9ec33f
xxhash==3.6.0 --hash=sha256:49e03e6fe2cac4a1bc64952dd250cf0dbc5ef4ebb7b8d96bce82e2de163c82a2
yarl==1.22.0 --hash=sha256:50678a3b71c751d58d7908edc96d332af328839eea883bb554a43f539101277a
zipp==3.23.0 --hash=sha256:071652d6115ed432f5ce1d34c336c0adfd6a884660d1e9712a256d3d3bd4b14e
LOCK
if [ "$with" = uv ]; then
  uv pip install --python "$python" --no-deps --require-hashes -r "$work/requirements.txt"
else
  "$python" -m pip install --no-input --no-deps --require-hashes -r "$work/requirements.txt"
fi

# 4. flash-attn last: its build imports the torch that is there, and is only good for that one.
#    Each compiler takes about 8 GiB, so jobs are bounded by memory as well as by cores.
if [ "$flash_attn" != no ]; then
  [ "$flash_attn" != yes ] || flash_attn="$FLASH_ATTN"
  [ -n "$flash_attn" ] || die "no flash-attn is known for torch $TORCH; name a version"
  there="$("$python" -c 'import torch; print(torch.__version__.partition("+")[0])')" ||
    die "torch does not import, so flash-attn cannot be built against it"
  [ "$there" = "$TORCH" ] || die "torch $there is installed, the lock has $TORCH"
  command -v "${CUDA_HOME:+$CUDA_HOME/bin/}nvcc" >/dev/null ||
    die "there is no nvcc to build flash-attn with; install the CUDA toolkit, or use --flash-attn no"
  memory_gib="$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)"
  for limit in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    bytes="$(cat "$limit" 2>/dev/null || true)"
    if [[ "$bytes" =~ ^[0-9]{1,15}$ ]] && [ "$((bytes >> 30))" -lt "$memory_gib" ]; then
      memory_gib="$((bytes >> 30))"
    fi
  done
  jobs="$((memory_gib / 8))"
  [ "$jobs" -le "$(nproc)" ] || jobs="$(nproc)"
  [ "$jobs" -ge 1 ] || jobs=1
  export MAX_JOBS="${MAX_JOBS:-$jobs}" NVCC_THREADS="${NVCC_THREADS:-1}"
  printf 'install.sh: building flash-attn %s with %s jobs\n' "$flash_attn" "$MAX_JOBS" >&2
  sed -n 's/^\([^# ]*\) .*/\1/p' "$work/requirements.txt" >"$work/constraints.txt"
  tools=(-c "$work/constraints.txt" ninja packaging psutil setuptools wheel) # isolation brings none
  if [ "$with" = uv ]; then
    uv pip install --python "$python" "${tools[@]}"
    uv pip install --python "$python" --no-deps --no-build-isolation "flash-attn==$flash_attn"
  else
    "$python" -m pip install --no-input "${tools[@]}"
    "$python" -m pip install --no-input --no-deps --no-build-isolation "flash-attn==$flash_attn"
  fi
fi

# 5. Is what is installed what the lock says? Read from metadata; nothing of the stack is imported.
"$python" - "$work/requirements.txt" <<'CHECK'
import importlib.metadata, sys

wrong = []
for line in open(sys.argv[1], encoding="utf-8"):
    pin = line.split()[0] if line.strip() and not line.startswith("#") else ""
    name, _, wanted = pin.partition("==")
    try:
        found = importlib.metadata.version(name) if name else wanted
    except importlib.metadata.PackageNotFoundError:
        found = "nothing"
    if found != wanted and found.partition("+")[0] != wanted:
        wrong.append(f"{name}: locked {wanted}, installed {found}")
sys.exit("\n".join(wrong) or 0)
CHECK
whole=yes
if [ "$with" = uv ]; then
  uv pip check --python "$python" || complained=yes
else
  "$python" -m pip check || complained=yes
fi
if [ "${complained:-no}" = yes ]; then
  printf 'install.sh: the lock is clean, so something above is not of the lock\n' >&2
fi
printf 'install.sh: done. Before Ray is started: . ./env.sh; then use %s\n' "$python"
