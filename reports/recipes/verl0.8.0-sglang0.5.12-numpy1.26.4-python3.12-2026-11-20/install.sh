#!/usr/bin/env bash
# written by: verlcompat recipe verl0.8.0-sglang0.5.12-numpy1.26.4-python3.12-2026-11-20 --kind
# install
# lock: sha256 feb100cd017565a739bb1883ae20bab5cda459a6c94df2edb4eff0304eb9ef4f
# made for: Python 3.12, x86_64-manylinux_2_35, as of 2026-11-20
# verdict: incompatible (up to gpu); verl 0.8.0 with the SGLang that shares torch 2.11 with vLLM
# 0.24, repaired
# condition: multi-turn data are tokenized otherwise than the whole conversation (sft, Qwen3-like,
# one call: token 329: '\n<|im_start|>assistant\nLet me see.\n' instead of
# '\n<|im_start|>assistant\n<think>\nA su'); supervised training goes on with
# data.ignore_input_ids_mismatch=True
# DOES NOT WORK: main_ppo_sglang failed. What does: verlcompat recommend
# why: SGLang 0.5.12 is on torch 2.11.0 and pins transformers 5.6.0, which verl 0.9 leaves out. The
# bare pair does not import: kernels from 0.15 on breaks that transformers, verl 0.8.0 imports
# cachetools, which nothing asks for, and pyarrow 26 refuses the numpy 1 that verl 0.8.0 asks for.
# With the three mended it runs on CPU, and on an H200 the engine starts, sleeps, takes weights and
# agrees with the trainer. The trainer itself asks for flash-attn 2, which no wheel of the index
# has.
# evidence: driver_runtime passed, record sha256
# 0e4df0adda018eeb19d5957e6d42bc86490c2d606826aaff3250d712e1686eca
# evidence: engine_start_sglang passed, record sha256
# 9766419a5cf5357e762abafe440806ce261341f26d6654082637aa391ff1b9e7
# evidence: flash_attention_numbers passed, record sha256
# 830d5510005428cb08713dbbfd217fe929873d0d392a49212f7426d084514777
# evidence: rollout_agreement passed, record sha256
# ea08cf4d3352ef2c7b0a14f4e360465595a55c83e32867e1799f5b324448075a
# evidence: sleep_wake_weights passed, record sha256
# f7213fc89a116d179fba183c00ebd901907c2b4c8b779d08afff2431c97c0489
# evidence: tiny_grpo_gpu passed, record sha256
# 9cf20886dc9a98d003508abad62bb0e047be6d53676f0724f7c324037ca5a327
# evidence: main_ppo_sglang failed, record sha256
# d4e7df27ed2b5bf2d1175ea4c6fc25e60d0f55c0c0e102f6993e5b2566183921
# evidence: sft_trainer_gpu passed, record sha256
# bd916fa67daec0cfba7e2347fcabdf65b72423c98d447aa7af6806ffea258ddd
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
readonly FLASH_ATTN=2.8.3
readonly TORCH=2.11.0
readonly NEEDS_GIB=19

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
absl-py==2.5.1 --hash=sha256:721200f2f0e9960f2ca9dc3a2a706b201f5f75d812c158f059cbbe29eeafbdb8
accelerate==1.15.0 --hash=sha256:97eacca0b73e45cb867dbf8c5d5d4dc32219544300e0c8992c7334dc2ef33cec
aiohappyeyeballs==2.7.1 --hash=sha256:9243213661e29250eb41368e5daa826fc017156c3b8a11440826b2e3ed376472
aiohttp==3.14.5 --hash=sha256:20f085697d7e911f1f73c43ed03fafbed1e7121797e2eb5428efa80398060584
aiohttp-cors==0.8.1 --hash=sha256:3180cf304c5c712d626b9162b195b1db7ddf976a2a25172b35bb2448b890a80d
aiosignal==1.4.0 --hash=sha256:053243f8b92b990551949e63930a839ff0cf0b0ebbe0597b0f3fb19e1a0fe82e
airportsdata==20261103 --hash=sha256:a55a2a33785d722d57c67010e055f3c229e1281a5326b9d4810863f4ee2367d2
annotated-doc==0.0.7 --hash=sha256:6bc31bbbec6dfaaedc1676dbc11dbda96fe22a2b5c400e9ebad113fec44a9dc6
annotated-types==0.8.0 --hash=sha256:f072f4d804ea359e4eaf198b1af7a8b0943881a87f31bb764f8bf219bb9419e0
anthropic==2.11.0 --hash=sha256:9ee1e89ef947b2cedddcbe44694f3d58b3463473bdc7bb98e84942459ad4fefb
# a source distribution, built on the machine:
antlr4-python3-runtime==4.9.3 --hash=sha256:f224469b4168294902bb1efa80a8bf7855f24c99aef99cbefc1bcd3cce77881b
anyio==4.16.0 --hash=sha256:c66ae634e0b8228396b801741beb3294326d4b6102f7bba4041c0dfb58c29026
apache-tvm-ffi==0.1.9 --hash=sha256:f45eb43499acac45ff6c93564f0ff2d3ca27b69656d540fd56ce59d51c0b4c65
asttokens==3.0.2 --hash=sha256:9da13157f5b28becde0bd374fc677dcd3c290614264eff096f167c469cd9f933
attrs==26.1.0 --hash=sha256:c647aa4a12dfbad9333ca4e71fe62ddc36f4e63b2d260a37a8b83d2f043ac309
blobfile==3.0.0 --hash=sha256:48ecc3307e622804bd8fe13bf6f40e6463c4439eba7a1f9ad49fd78aa63cc658
build==1.6.1 --hash=sha256:ecd351a4be9d35a9eaaba244a7687143c9c7d4aea6ac964e7e7ddab20cbcf4e7
cachetools==8.0.0 --hash=sha256:5af562e5078f0086771a1e3832a9c3dbf5d336b6e2794a2c12a64680a4c9087d
certifi==2026.10.18 --hash=sha256:73191c47aaa79da394e8fee2dbc2ec827432cab56311122c9e47abf79e390f62
cffi==2.1.1 --hash=sha256:c1453022f490d2459a11819d83ad1d586e9ff65a12ac3e705ffebd46d3685dcf
charset-normalizer==3.5.2 --hash=sha256:3d31298449090ab8d47b7b1b2a555ff73cac7ed438a08b7ac160980c7ebed649
click==8.5.1 --hash=sha256:8bb5376d2006950386f8c6427613334a2acadc5f559cb80e638d00b4df957e37
cloudpickle==3.1.2 --hash=sha256:9acb47f6afd73f60dc1df93bb801b472f05ff42fa6c84167d25cb206be1fbf4a
codetiming==1.4.0 --hash=sha256:3b80f409bef00941a9755c5524071ce2f72eaa4520f4bc35b33869cde024ccbd
colorful==0.5.8 --hash=sha256:a9381fdda3337fbaba5771991020abc69676afa102646650b759927892875992
compressed-tensors==0.20.0 --hash=sha256:fd18911b3fb818eb11976d2a19134a58b5262b265b375c8d4a6a7282e80b7513
cryptography==50.0.2 --hash=sha256:9dab55f57c74c3cad24c323bacbbd04be4705ba6eb0d92e920b1fc4837ed5079
cuda-bindings==13.4.4 --hash=sha256:433efa31e33c2868621b5f6036bd3bf5de9c45c5546cb1361a5f6ff3415b8bb5
cuda-core==1.2.2 --hash=sha256:0b299eee52edece08b77428cfc22b33b29be1bc69c42878d2e6114031eac17e6
cuda-pathfinder==1.9.0 --hash=sha256:622df7440f7702f36b7a02a1699aa0b084fe04034d9939188fee9b16d0c36366
cuda-python==13.4.4 --hash=sha256:2a4a35c7f102e3c51b9e18e65b34a24b82d7363893b6e2f228978c18bafa1957
cuda-tile==1.7.0 --hash=sha256:f886e84a7b54de5e26598eb9a828387a4c87e6ab5b986838cd8a5277a9ffab40
cuda-toolkit==13.0.2 --hash=sha256:b198824cf2f54003f50d64ada3a0f184b42ca0846c1c94192fa269ecd97a66eb
cwevals==0.0.1b1 --hash=sha256:6936baf0ccdc5d9092abd5c2ab628cedcdae9bb72edfdf730f7aaac19118855a
datasets==5.2.0 --hash=sha256:4be9e2882caaf5db13eadc39e93f3da2a995187b99acebac1595bf6c58dfa927
dill==0.4.1 --hash=sha256:1e1ce33e978ae97fcfcff5638477032b801c46c7c65cf717f95fbc2248f79a9d
diskcache==5.6.3 --hash=sha256:5e31b2d5fbad117cc363ebaf6b689474db18a1f6438bc82358b024abd4c2ca19
distlib==0.4.4 --hash=sha256:cf09d55b1e85a89576b036aeb71550bfd68320f3f21761ca329eadadad918638
distro==1.9.0 --hash=sha256:7bffd925d65168f85027d8da9af6bddab658135b840670a223589bc0c8ef02b2
docstring-parser==0.18.0 --hash=sha256:b3fcbed555c47d8479be0796ef7e19c2670d428d72e96da63f3a40122860374b
easydict==1.14 --hash=sha256:5c39cce9403961b4d281767cbc7f048271d4ee7a703b40505e728807f9264082
einops==0.8.2 --hash=sha256:54058201ac7087911181bfec4af6091bb59380360f069276601256a76af08193
executing==2.3.0 --hash=sha256:736e859c9f8701f11fcf516856f26f562e04776387824b43a35a1dfe21c84122
fastapi==0.165.0 --hash=sha256:896f48462042bb4f162147eb8fac7e858753dc1f486765709baf105d70e4fc5b
filelock==4.2.11 --hash=sha256:020e229e4bb9d410fc799c07ddf45fa217cba970278f40b30751d94f309b69e2
flash-attn-4==4.0.0b15 --hash=sha256:30ad1f66d251938808d2fe68cca664a3e5c0143359c27079d848617a29b00076
flashinfer-cubin==0.6.11.post1 --hash=sha256:1eb801fc80b5576760d356e31eb452d05ab240f44185f539331bd5f2236e504a
flashinfer-python==0.6.11.post1 --hash=sha256:52c6dbd1262ff0d46dce0253996108e0c55e86faa7c25a1bed7072b31d23551a
frozenlist==1.8.0 --hash=sha256:494a5952b1c597ba44e0e78113a7266e656b9794eec897b19ead706bd7074383
fsspec==2026.9.0 --hash=sha256:8dd6e646e99ea382bd85f97a45e6b526a442d79423a7dc673f1e2756d05fcb5f
gguf==0.19.0 --hash=sha256:70bcd10edfe697fb2dad6e40af2234b9d8ece9a41a99761405121ebda1c3c1cd
google-api-core==2.44.0 --hash=sha256:8cb9ad8af28de9bc75121686d69b697ce0937e21fad2ad80c9a7e89f22b26e1f
google-auth==2.62.2 --hash=sha256:e9bcdb0679b6a4369ac327c5c59f06d92f7b4cd2624e7100294c14632f55a36b
googleapis-common-protos==1.76.0 --hash=sha256:59e13344a9f3651aa201a03e2bee815a3bf43a4baf1f9ff8a9b62a840ce25fac
grpcio==1.85.1 --hash=sha256:a1a72d19c0ab84b4b73b6c47eeaade76d84b1973a51593ff1160a73df33d03d9
grpcio-health-checking==1.85.1 --hash=sha256:05e1cb0cc69706f89e884d219c9b2b9da4f561c1c610e9987ee4492b9c826ad1
grpcio-reflection==1.85.1 --hash=sha256:476f98ec652a5d69f837781ef44c9ff65ebc116e58a6c1dc7712526ac071262a
h11==0.16.0 --hash=sha256:63cf8bbe7522de3bf65932fda1d9c2772064ffb3dae62d55932da54b31cb6c86
hf-xet==1.8.0 --hash=sha256:29dab7c904cd1914a0439c6e1306c12c7497c8bd32290fbe563ebf51ca4b6d6d
httpcore==1.0.9 --hash=sha256:2d400746a40668fc9dec9810239072b40b4484b640a8c38fd654a024c7a1bf55
httpcore2==2.16.2 --hash=sha256:16051ae2a42f776007543f32de9349a317b23d2cbb4e1456b4bac0e88b87419a
httpx==0.28.1 --hash=sha256:d909fcccc110f8c7faf814ca82a9a4d816bc5a6dbfea25d6591d6985b8ba59ad
httpx2==2.16.2 --hash=sha256:f05c13aade4c45dbf1c9060647a1058f0acad62398fad96e741269edb33d46f5
huggingface-hub==1.33.0 --hash=sha256:04e434b06e100eddbce9a6e817d72693a7884b10a79bd67ab48080d5c07eb899
hydra-core==1.3.8 --hash=sha256:d5f184c291691cba835c7f04bc4e36270ad88b1d7e394a3712f5af084c30b394
idna==3.20 --hash=sha256:ab7ae7122974553370f0bdb919e1a960b2cd1bc1ef0276416d896db81c14582c
importlib-metadata==10.2.0 --hash=sha256:c7a4bf1c7479601f6b8e437cfc14f4f77028ba62a8f34ae95cd93d9774dfba51
interegular==0.3.3 --hash=sha256:b0c07007d48c89d6d19f7204972d369b2a77222722e126b6aa63aa721dc3b19c
ipython==9.18.1 --hash=sha256:997ce9140d374531a61069c70c0f9ef299d6dd3559ea0f94b8af589726e3c1d5
ipython-pygments-lexers==1.1.1 --hash=sha256:a9462224a505ade19a605f71f8fa63c2048833ce50abc86768a0d81d876dc81c
jedi==0.20.1 --hash=sha256:0fb16d86c4a4c73c37ba518c77419975e30fcc620658a8d14fbb5720cdd34142
jinja2==3.1.6 --hash=sha256:85ece4451f492d0c13c5dd7c13a64681a86afae63a5f347908daf103ce6d2f67
jiter==0.19.0 --hash=sha256:0956b5f58b804221dfb929c120e6d4032138fed20c1cc0ef683a2d1326255e46
jsonschema==4.26.0 --hash=sha256:d489f15263b8d200f8387e64b4c3a75f06629559fb73deb8fdfb525f2dab50ce
jsonschema-specifications==2025.9.1 --hash=sha256:98802fee3a11ee76ecaca44429fda8a41bff98b00a0f2838151b113f210cc6fe
kernels==0.14.1 --hash=sha256:be1a91116e14be1e012fc8f47afb51173ee052586a570fba3d594ef0d1b38920
kernels-data==0.16.2 --hash=sha256:9526362517c7b128f7baec080301890875cc3f5284a0f125b082c19737e5c1d5
lark==1.3.1 --hash=sha256:c629b661023a014c37da873b4ff58a817398d12635d3bbb2c5a03be7fe5d1e12
lazy-importer==0.1.0 --hash=sha256:bd93fab7bef18e842eea02b839410954d37889140dc64ca4d9680aec6880c739
llguidance==0.7.30 --hash=sha256:9edc409b9decd6cffba5f5bf3b4fbd7541f95daa8cbc9510cbf96c6ab1ffc153
loguru==0.7.3 --hash=sha256:31a33c10c8e1e10422bfd431aeb5d351c7cf7fa671e3c4df004162264b28220c
lxml==6.1.3 --hash=sha256:909f4e927bb051f7740d6367285fc60cdcfdaf0258c2dba4ff5ba7eadadc250c
markdown==3.11.3 --hash=sha256:e1a31a112232504d753e5c01bb8c2de90d3f0ba986b063e10770cf7695b09e73
markdown-it-py==4.3.0 --hash=sha256:7aa1511a46c39138de78d9eba92ce47e63124d8003fc98b3a351909e04239efa
markupsafe==3.0.4 --hash=sha256:8e124f974786f831d6043728e38296969d3579db8896fe004682f5758e613581
matplotlib-inline==0.2.2 --hash=sha256:3c821cf1c209f59fb2d2d64abbf5b23b67bcb2210d663f9918dd851c6da1fcf6
mdurl==0.1.2 --hash=sha256:84008a41e51615a49fc9966191ff91509e3c40b939176e643fd50a5c2196b8f8
mistral-common==1.13.1 --hash=sha256:98b4d0755b8d90bf4691fa8f1b70cb3b4a8cd4dc1653c4ed08ef3d1c7d2c29af
ml-dtypes==0.5.4 --hash=sha256:9ad459e99793fa6e13bd5b7e6792c8f9190b4e5a1b45c63aba14a4d0a7f1d5ff
modelscope==1.40.2 --hash=sha256:ea03e0ec4a73398a488d3d240cda4f0c5b62390377a134756d4074a3036cb909
modelscope-hub==0.5.1 --hash=sha256:4df7508c17359017cd85a5fb15155c048d29ade64790322acb64134a299c53b1
mpmath==1.3.0 --hash=sha256:a0b2b9fe80bbcd81a6647ff13108738cfb482d481d826cc0e02f5b35e5c88d2c
msgpack==1.2.4 --hash=sha256:c4d5bbdbea8f5669b3a734d6c226772804fb120848f99cbe63a0ddee63b049c9
msgspec==0.22.0 --hash=sha256:99c401861c5bb3a57f7d6423ea7ed4352cd57aa3f04f4fbe9f3e3e4564a10f08
multidict==7.2.1 --hash=sha256:1fb8c1a3480c130c3a6422d5f16f3cad6552bf08c2089dd288ba7134649183b5
multiprocess==0.70.19 --hash=sha256:3a56c0e85dd5025161bac5ce138dcac1e49174c7d8e74596537e729fd5c53c28
nest-asyncio==1.6.0 --hash=sha256:87af6efd6b5e897c81050477ef65c62e2b2f35d51703cae01aff2905b1852e1c
networkx==3.7 --hash=sha256:e3fd2c13a7814cee3746340d8d7f8598a67f16a58bf47fb7f8793fab6efca1b0
ninja==1.13.2 --hash=sha256:65a24341b5ac09fcadcc37082660be40a94174e51a937fabf6e2cae26225fa2c
numpy==1.26.4 --hash=sha256:675d61ffbfa78604709862923189bad94014bef562cc35cf61d3a07bba02a7ed
nvidia-cublas==13.1.0.3 --hash=sha256:ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171
nvidia-cuda-cupti==13.0.85 --hash=sha256:4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8
nvidia-cuda-nvrtc==13.0.88 --hash=sha256:ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575
nvidia-cuda-runtime==13.0.96 --hash=sha256:7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548
nvidia-cudnn-cu13==9.19.0.56 --hash=sha256:d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf
nvidia-cudnn-frontend==1.28.0 --hash=sha256:335c916be758a8d5533104e04fc4a15f9c30a419b103ecd2b6fd0d23e1d532e4
nvidia-cufft==12.0.0.61 --hash=sha256:6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3
nvidia-cufile==1.15.1.6 --hash=sha256:08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44
nvidia-curand==10.4.0.35 --hash=sha256:1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc
nvidia-cusolver==12.0.4.66 --hash=sha256:0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112
nvidia-cusparse==12.6.3.3 --hash=sha256:2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b
nvidia-cusparselt-cu13==0.8.0 --hash=sha256:25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd
nvidia-cutlass-dsl==4.5.0 --hash=sha256:3b051fe02ca69422ab840e64d9865667aba288a3984a7ca4ccd038a82aef1344
nvidia-cutlass-dsl-libs-base==4.5.0 --hash=sha256:bd18322d9247f8c033a10ed4e519c4985ca6b4fb578ade382e5a264422ebd915
nvidia-ml-py==13.615.71 --hash=sha256:959bf4adf6fe1308e4bd739e722236b0d1ec8392e2cefad33ff70c311380b9b6
nvidia-nccl-cu13==2.28.9 --hash=sha256:e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42
nvidia-nvjitlink==13.0.88 --hash=sha256:13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b
nvidia-nvshmem-cu13==3.4.5 --hash=sha256:290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80
nvidia-nvtx==13.0.85 --hash=sha256:4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4
omegaconf==2.3.1 --hash=sha256:3d701d14e9a8828f1edd28bb70b725908b34277cdd72cf7d6a83f94dadc6b6a0
openai==2.6.1 --hash=sha256:904e4b5254a8416746a2f05649594fa41b19d799843cd134dac86167e094edef
openai-harmony==0.0.4 --hash=sha256:31e9bcac0902a309e2fc688e52f247eec7fffcd00d17e958b9a83a8fea6519c2
opencensus==0.11.4 --hash=sha256:a18487ce68bc19900336e0ff4655c5a116daf10c1b3685ece8d971bddad6a864
opencensus-context==0.1.3 --hash=sha256:073bb0590007af276853009fac7e4bab1d523c3f03baf4cb4511ca38967c6039
opentelemetry-api==1.45.2 --hash=sha256:2cbd737377e710ee740d261c94e93fa0f08e6d037c18f17513cc0a2d94479a34
opentelemetry-exporter-http-transport==0.66b2 --hash=sha256:fd5f5b490c099acda1cd7b909d5e8981436bf18cc8c6098d302d114c271720e9
opentelemetry-exporter-otlp-common==0.66b2 --hash=sha256:ace86efb75489f925f1ef809856ae5f0c7db534e4afdc624530222228b1236a5
opentelemetry-exporter-otlp-proto-common==1.45.2 --hash=sha256:af483b24217028892f017096731b794b196b785025d2e6808874720fd0b05a80
opentelemetry-exporter-otlp-proto-http==1.45.2 --hash=sha256:6e4d025138829d0ee57946930c2ccad6491ad4d92a958e9c7eea69278fe60cfc
opentelemetry-exporter-prometheus==0.66b2 --hash=sha256:b73998788aa30bec3bfe20fae312650878adb59f6563ed8bf37c188cb450a189
opentelemetry-proto==1.45.2 --hash=sha256:03a7ca1b43f89fd5b965d5975902bb2515c0c86e2428b456836e9a6149c6235a
opentelemetry-sdk==1.45.2 --hash=sha256:ff974ea70ee4f1d51e2ec152db37c2b626c7bf82bb3f7d86114fd8704e7199c6
opentelemetry-semantic-conventions==0.66b2 --hash=sha256:4cbe61e5f9275d57ab31708446e7938ef4291ebbe6a7fca6f7a629c5acae87d8
orjson==3.13.0 --hash=sha256:bceadfd314bd238f584fc229a4bbaf0e573597e7a026dec5429fbf29fd66c641
outlines==0.1.11 --hash=sha256:f5a5f2242ed9802d3aab7a92789bf4008d734c576be9258cc0a297f690124727
outlines-core==0.1.26 --hash=sha256:e86a1bb46adc5cbf6dfd7a7fe4105e0e2a4c6e041732a053126b41c521a1f223
packaging==25.0 --hash=sha256:29572ef2b1f17581046b3a2227d5c611fb25ec70ca1ba8554b24b0e69331a484
pandas==3.0.6 --hash=sha256:0704044b676496b8350e023b09f174a26772456c974a2b11c36bebb558c9490d
parso==0.8.7 --hash=sha256:a8926eb2a1b915486941fdbd31e86a4baf88fe8c210f25f2f35ecec5b574ca1c
partial-json-parser==0.2.1.1.post7 --hash=sha256:145119e5eabcf80cbb13844a6b50a85c68bf99d376f8ed771e2a3c3b03e653ae
peft==0.21.2 --hash=sha256:106ab6077ff72c54d21577f9af5970e34bac7582cb14209f7b2b511e322a4eae
pexpect==4.9.0 --hash=sha256:7236d1e080e4936be2dc3e326cec0af72acf9212a7e1d060210e70a47e253523
pillow==13.0.0 --hash=sha256:42d63be3af4f9b951b199b0a9d23365d37ab14687e6d77b74940432c8515c4ca
platformdirs==4.14.5 --hash=sha256:8e778c6fa421516f4d3369449f8df3b0e1b72c0e0005fe88e3ec772d0a14e750
prometheus-client==0.26.0 --hash=sha256:fa93d06737aa02bacd05794768508bb97d2fbee28cb3bca04eaae92f0ca953d6
prompt-toolkit==3.0.53 --hash=sha256:01c0891d7f9237d5e339f7d3e42cdae80b7534abb1c7c0e3352efba6231492f2
propcache==0.5.4 --hash=sha256:2814ecd8e818f487bee4b0f921bc4d1c176cc5fc71ac0f072d0fa67eda4ac14b
proto-plus==1.29.0 --hash=sha256:8acd070469a7aaf43f440b022ef9757c8cac1a9f866e933f59ae98669ddc6c8b
protobuf==7.36.2 --hash=sha256:89f23aa53c24553a2416fd4fd1ec06f74fa42b14b546d8883128813f775bbfd2
psutil==7.2.2 --hash=sha256:076a2d2f923fd4821644f5ba89f059523da90dc9014e85f8e45a5774ca5bc6f9
ptyprocess==0.7.0 --hash=sha256:4b41f3967fce3af57cc7e94b888626c18bf37a083e3651ca8feeb66d492fef35
pure-eval==0.2.4 --hash=sha256:96cae060a313cfaad51bb761278bfb0e62dc0248d9315a81173752dc546cd37a
py-spy==0.4.3 --hash=sha256:8a4277225f470d394a85cca0cdd944bef87f0097b6f20150a6dd3ac2e92806b8
pyarrow==25.0.1 --hash=sha256:5389cdf79447ed1515c9e31620e6e1e2302249564d603f2ad727d4f6d313e4c3
pyasn1==0.6.5 --hash=sha256:4017b0fce125096b8573b39c989fdb1a4b19cf761e683398184550fea0e66587
pyasn1-modules==0.4.2 --hash=sha256:29253a9207ce32b64c3ac6600edc75368f98473906e8fd1043bd6b5b1de2c14a
pybase64==1.5.1 --hash=sha256:c212d02fd072c5845d39b4699eb65efa827b79a5cf7fecc9f468f8cad2b8540f
pybind11==3.1.0 --hash=sha256:b8488090f8acffbcb6b5d6a85571a6827a0a2981ffb75e5a0b27b87c4a6b7dd0
pycountry==26.2.16 --hash=sha256:115c4baf7cceaa30f59a4694d79483c9167dbce7a9de4d3d571c5f3ea77c305a
pycparser==3.12 --hash=sha256:a076f3f489b39b43ed13563a1dafe42447445bec2e294154ec5c57fcdda4c85e
pycryptodomex==3.24.2 --hash=sha256:e340408a601003f235b50117cd16f87b2a5b4760765aafe93340eeaadeb0414d
pydantic==2.14.3 --hash=sha256:3f7b347782ab7e4cf4c798496ae3a82787d9f21ec12676a9c564355eeef8daa8
pydantic-core==2.50.4 --hash=sha256:c81d98e27d9d9261909dcccab1ba5d6ea1c98b0bb9470e368604614fd1d36ddd
pydantic-extra-types==2.11.1 --hash=sha256:1722ea2bddae5628ace25f2aa685b69978ef533123e5638cfbddb999e0100ec1
pygments==2.21.0 --hash=sha256:2363c69b61c4a97c838da3b130dcd6468f4848992b21a82f2a63ec34377137d9
pylatexenc==2.11 --hash=sha256:e78e7391d6c104f1ed150e21cfaa58016cdb50aa54406a2eecb793649ffdfdd0
pyproject-hooks==1.3.3 --hash=sha256:5fc53fdac9f7bd63fbcdc868fb5f90b4784d78a53a3d3388cd738b807441a20b
python-dateutil==4.0.0 --hash=sha256:a5e246f79eb80475e691bf93862cead98decd8a498cf53ba0516fcdc0f50dc1c
python-discovery==1.9.5 --hash=sha256:a1fae8fca11e4bc61e38491c2aafff29e430b3c5e272d51ae52fb895bc4c0fac
python-multipart==0.0.34 --hash=sha256:ebacd224bd686eee2f9aa1066a657affe07435a185834e05e5235e2e59173e91
pyvers==0.1.0 --hash=sha256:065249805ae537ddf9a2d1a8dffc6d0a12474a347d2eaa2f35ebdae92c0c8199
pyyaml==6.0.3 --hash=sha256:ba1cc08a7ccde2d2ec775841541641e4548226580ab850948cbfda66a1befcdc
pyzmq==27.3.0 --hash=sha256:858fe25231e0fd8612da142efde019faa5ef63fa150a821a27870e791b38c798
quack-kernels==0.4.1 --hash=sha256:c1c8df2935bf5156ec47d2c5384ac08b411fd0ee702d80ae916dbf6d6f5ae813
ray==2.60.0 --hash=sha256:b951b40965947a63615830916be04f26440d234de1e9a29dbf2155d03fa9ad2a
referencing==0.37.0 --hash=sha256:381329a9f99628c9069361716891d34ad94af76e461dcb0335825aecc7692231
regex==2026.11.15 --hash=sha256:f3758c3b1689ab778f3e1ae0f9aa4d22b8e4efc362e2e4cfdbbc5a208fed0bc1
requests==2.34.2 --hash=sha256:2a0d60c172f83ac6ab31e4554906c0f3b3588d37b5cb939b1c061f4907e278e0
rich==15.0.0 --hash=sha256:33bd4ef74232fb73fe9279a257718407f169c09b78a87ad3d296f548e27de0bb
rpds-py==2026.9.1 --hash=sha256:addeda51556dac7c1a2f14cda62db8b621cd12afba3091d03a96c72932387eab
safetensors==0.8.0 --hash=sha256:fd6f3f93c9a0a7cc2788ee63fb763353d4bd2e89b0751bc78fcf7dda00bea774
scipy==1.17.1 --hash=sha256:02ae3b274fde71c5e92ac4d54bc06c42d80e399fec704383dcd99b301df37458
sentencepiece==0.2.3 --hash=sha256:cc3189b79c1ffda767f71b04238c27ac746f3b7abc263eab9a41c4cf46aee49e
setproctitle==1.3.8 --hash=sha256:4a765e0c80a2453480be27c4fc22ba1c0771867040c5f91e4221940d78a4abfb
setuptools==81.0.0 --hash=sha256:fdd925d5c5d9f62e4b74b30d6dd7828ce236fd6ed998a08d81de62ce5a6310d6
sgl-deep-gemm==0.1.0 --hash=sha256:6f75113c1dbc6a15b6e7714135b52464015dae4497440b4dd05676f346a15724
sglang==0.5.12 --hash=sha256:d3fc7ecb61ad3e533ebe1ae9b4109fbb62ecbf2d17453b62770c8a7ec49d539a
sglang-kernel==0.4.2.post2 --hash=sha256:f275ce01010933c4ea655e832a05442b766ab8f23dcfd6ff678b15e295d42203
shellingham==1.5.4 --hash=sha256:7ecfff8f2fd72616f7481040475a65b2bf8af90a56c89140852d1120324e8686
six==1.17.0 --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274
smart-open==9.0.2 --hash=sha256:945216f3360166fdb42fdee0e19b37f032caaf9429d5797bc06b01d2c75a71a4
smg-grpc-proto==0.4.28 --hash=sha256:970dec0a8c0e78b42758c7690cc7b8bbf0416f680fdad448a4f5c9b8c3e68afb
smg-grpc-servicer==0.14.1 --hash=sha256:0d78a7e38b7cf5f7f1b044051f6795b3ca1b289ef0b44eaf1945b0b13703e2e8
sniffio==1.3.1 --hash=sha256:2f6da418d1f1e0fddd844478f41680e794e6051915791a034ff65e5f100525a2
soundfile==0.13.1 --hash=sha256:03267c4e493315294834a0870f31dbb3b28a95561b80b134f0bd3cf2d5f0e618
stack-data==0.6.3 --hash=sha256:d5558e0c25a4cb0853cddad3d77da9891a08cb85dd9f9f91b9f8cd66e511e695
starlette==1.10.0 --hash=sha256:478c0ab3b4ced6e82719849c118fa406f0278a3499c1a898cd15cd31bdc38ce4
sympy==1.14.0 --hash=sha256:e091cc3e99d2141a0ba2847328f5479b05d94a6635cb96148ccb3f34671bd8f5
tabulate==0.10.0 --hash=sha256:f0b0622e567335c8fabaaa659f1b33bcb6ddfe2e496071b743aa113f8774f2d3
tensorboard==2.21.0 --hash=sha256:7279316dcb6bd5bc391d623dea841531299cde1887310e8133bc34a996d32255
tensorboard-data-server==0.7.2 --hash=sha256:ef687163c24185ae9754ed5650eb5bc4d84ff257aabdc33f0cc6f74d8ba54530
tensordict==0.10.0 --hash=sha256:6f0a52524c7c46778bf250444f1cd508f055735667b8d596a1a7e2fb38824e8c
tiktoken==0.14.0 --hash=sha256:7896eea257fe497a2b7134474d909156c6744ce8da35bce88011a960e008aa0d
tilelang==0.1.8 --hash=sha256:5a4018e581f55c852d98a42d3b4acf2dbcfb8b7d8b9156ba7c6b0ab61600a10c
timm==1.0.16 --hash=sha256:a640e58f4ae41e0445517d1133b34be75bb2bd49cdb830d739925ce1fb7d2526
tokenizers==0.22.2 --hash=sha256:369cc9fc8cc10cb24143873a0d95438bb8ee257bb80c71989e3ee290e8d72c67
tokenspeed-mla==0.1.1 --hash=sha256:9effe6f6a4b23c41c975e98f89849c371479ae667d582dcef077001d859f3429
tokenspeed-triton==3.9.10.post20261028 --hash=sha256:67f520af474d3e8afce38155c73b2b9a42864100ee220e2ee775f8706f1c5cc9
tomlkit==0.15.2 --hash=sha256:05562412163a3037b94497385fb7f9204c637bc605af7a48199e41cf2272f437
torch==2.11.0 --hash=sha256:0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756
torch-c-dlpack-ext==0.1.5 --hash=sha256:e6f9da4bb9af70e27facc777458be62e10dbbbddda7672d16138db0553c5a524
torch-memory-saver==0.0.10 --hash=sha256:786e18755a9af255ae692b0e19a62ff06861dbf55a19fa8545e62a100ab5a28f
torchao==0.17.0 --hash=sha256:87a418ce0ec064a821ceab83c921b501acef0ce9a6ccd1be358fcd16c3ae8c58
torchaudio==2.11.0 --hash=sha256:6503c0bdb29daf2e6281bb70ea2dfe2c3553b782b619eb5d73bdadd8a3f7cecf
torchcodec==0.11.1 --hash=sha256:6c26e90e7aa982302644d0af8cb706318682bb390f48a80ecbfeab03499acd04
torchdata==0.11.0 --hash=sha256:52b940fbbe0e00fb21cabddf528449d1bec5bfb0d0823b7487b15f951658ee33
torchvision==0.26.0 --hash=sha256:d61a5abb6b42a0c0c311996c2ac4b83a94418a97182c83b055a2a4ae985e05aa
tqdm==4.70.1 --hash=sha256:c293e525e6fef9c20e8728fd4612df02a0aa31bb5fe91ecd93e123b1b7bffa73
traitlets==5.16.1 --hash=sha256:f775618166caa0396c8e337099240f2bd3e5e917d203b2e6fbe21a58d3cb1f6b
transformers==5.6.0 --hash=sha256:def5aac47b28e2f1386fa64f2f458a5474ba7733ab74c1765e7c67a79d1f1cbd
triton==3.6.0 --hash=sha256:74caf5e34b66d9f3a429af689c1c7128daba1d8208df60e81106b115c00d6fca
truststore==0.10.5 --hash=sha256:9aaaedaefaf06d8b206278cf8b5012bc897f485a874503501e12d776df78951c
typer==0.29.2 --hash=sha256:f30731f8ca758368b836b3714872e58e395cef8fcaff918c853b1969ed5274e7
typing-extensions==4.16.0 --hash=sha256:481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8
typing-inspection==0.4.5 --hash=sha256:bc210535442b39e1bf2805e0c7a17dfd6a4ace760c84c7f7d16245d23a6b1c39
tzdata==2026.6 --hash=sha256:0a10eec6e13ef16b627fabed9a5f2ba61a62b1c67f327305f4e7e412a70b4aec
urllib3==2.8.0 --hash=sha256:0cf3cae568d36aa9576b28dfb35f11328f1cb974ca7647d9475ebb86c75ac6e3
uvicorn==0.54.0 --hash=sha256:505bdb0f318731d45f1f712071fc781a8981f6847a31c902c9f5e652d4f67faf
uvloop==0.23.0 --hash=sha256:090865d8ce7a03986755a3ce711b7dd0d4b44eb14ab74368b717f3fad1180208
verl==0.8.0 --hash=sha256:4e32830aae80771ee3b5f0d26a2b794d793f3bcece67aff07c2a7c62e948714f
virtualenv==21.14.5 --hash=sha256:b0651e0174982bba17cc6f0aaa2ef496730cb85a3f35eb5d1119d1c904f7d1da
wandb==0.31.0 --hash=sha256:009bcf370598d5e7a3d3bb66e33510f78c17fcc0505f8aa7ecf51dbc4378f979
watchfiles==1.3.0 --hash=sha256:b5768b49e426fd5b550b012c866db347cdf15c398ef98dc557b6e6b72fa74cd1
wcwidth==0.9.4 --hash=sha256:b185c8b927b23af2721be1783499d1cfa5c028b098b0858951b4ae224477f1c2
werkzeug==3.1.9 --hash=sha256:6392e50c78460ba618e5b21f08a71f59c99ce99cdc6cf6e3dd7e6ccca8754fab
wrapt==2.5.2 --hash=sha256:092472b7b1494deef40dac5e9f6295013a9d51b112b5fbc4350f64dc2574e46a
xgrammar==0.2.0 --hash=sha256:a36c744d24d93e178c138486aa02b390a80326b64ff11e222e063a028dd65849
xxhash==4.1.0 --hash=sha256:34b86625dc36b54403b525e1d7b74a64343d9b65cee6e94872c6bd70722267ac
yarl==1.25.1 --hash=sha256:c6f117789d22dce188e5754e8bc65b7e6ebf8cb73963b9fa761f672a5883769d
z3-solver==4.15.4.0 --hash=sha256:7e103a6f203f505b8b8b8e5c931cc407c95b61556512d4921c1ddc0b3f41b08e
zipp==4.1.2 --hash=sha256:b30cb6cd253122169c47de245ca24a86bac2a5d3802ba15bf7ba6414eb9e144d
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
