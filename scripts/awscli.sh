#!/usr/bin/env bash
# Runs every subcommand of `aws kms` once against the endpoint that the environment names, and checks each answer:
#
#   trent serve &
#   eval "$(trent env)"; scripts/awscli.sh
#
# It needs the AWS CLI (AWS_CLI names another one than `aws`), openssl and a trent binary (TRENT, default ./bin/trent) for
# the list of operations. Keys that it made are scheduled for deletion at its end. A subcommand that this version of Trent
# does not answer is reported as missing; one that the CLI does not have, as unknown to it. Custom key stores are tried
# against what the server has behind them: a server without a declared backend must refuse them by the service's own
# errors; with AWSCLI_STORE=1 it must have the CloudHSM cluster AWSCLI_CLUSTER (default cluster-2222222abcd) declared under
# custom_key_store_backends in its config file. Exit codes: 0 all passed, 1 something failed or is missing, 2 the environment
# is not there.
set -uo pipefail

aws=${AWS_CLI:-aws}
trent=${TRENT:-./bin/trent}
: "${AWS_ENDPOINT_URL_KMS:=${AWS_ENDPOINT_URL:-}}"
[ -n "$AWS_ENDPOINT_URL_KMS" ] || { echo 'awscli: no endpoint: eval "$(trent env)" first' >&2; exit 2; }
"$aws" --version >/dev/null 2>&1 || { echo 'awscli: no AWS CLI; set AWS_CLI' >&2; exit 2; }
export AWS_PAGER= AWS_MAX_ATTEMPTS=1

tmp=$(mktemp -d)
made=()
passed=0 failed=0 missing=0 unknown=0
store=
declare -A tried

finish() {
  if [ -n "$store" ]; then
    kms disconnect-custom-key-store --custom-key-store-id "$store" >/dev/null 2>&1
    kms delete-custom-key-store --custom-key-store-id "$store" >/dev/null 2>&1
  fi
  for id in "${made[@]}"; do
    kms schedule-key-deletion --key-id "$id" --pending-window-in-days 7 >/dev/null 2>&1
  done
  rm -rf "$tmp"
}
trap finish EXIT

# kms runs a subcommand. The endpoint is given besides the environment: older CLIs do not read it there.
kms() { "$aws" --endpoint-url "$AWS_ENDPOINT_URL_KMS" kms "$@"; }

# try SUBCOMMAND PATTERN ARGUMENTS… runs it and looks for the pattern (grep -E) in its answer: what it prints, or with a
# pattern that begins with "error:" the error. An empty pattern is an empty answer. The answer stays in $tmp/out.
try() {
  local name=$1 pattern=$2
  shift 2
  tried[$name]=1
  kms "$name" --output json "$@" >"$tmp/out" 2>"$tmp/err"
  local code=$?
  if grep -q 'is not supported by this version' "$tmp/err"; then
    missing=$((missing + 1))
    printf 'missing  %s\n' "$name"
    return 1
  fi
  if grep -Eq 'Invalid choice|Unknown options' "$tmp/err"; then
    unknown=$((unknown + 1))
    printf 'unknown  %s\n' "$name"
    return 1
  fi
  if [[ $pattern == error:* ]]; then
    if [ $code -ne 0 ] && grep -Eq "${pattern#error:}" "$tmp/err"; then
      report "$name" "refused as it must be"
      return 0
    fi
  elif [ $code -eq 0 ] && answers "$pattern"; then
    report "$name"
    return 0
  fi
  failed=$((failed + 1))
  printf 'FAILED   %s %s\n         want %s\n' "$name" "$*" "${pattern:-an empty answer}"
  sed 's/^/         /' "$tmp/out" "$tmp/err"
  return 1
}

# answers compares the last answer with a pattern; an empty one is an empty answer.
answers() {
  if [ -z "$1" ]; then
    [ ! -s "$tmp/out" ]
  else
    [[ $(tr -d '\n' <"$tmp/out") =~ $1 ]]
  fi
}

report() {
  passed=$((passed + 1))
  printf 'ok       %s%s\n' "$1" "${2:+ ($2)}"
}

# get QUERY prints one member of the last answer.
get() { sed -n "s/^.*\"$1\": \"\\([^\"]*\\)\".*$/\\1/p" "$tmp/out" | head -1; }
blob() { get "$1" | base64 -d >"$tmp/$2"; }

# key ARGUMENTS… makes a key and leaves its id in $id. Only the first is counted.
key() {
  id=$(kms create-key --query KeyMetadata.KeyId --output text "$@" 2>"$tmp/err") || { sed 's/^/         /' "$tmp/err"; id=none; return 1; }
  made+=("$id")
}

printf hello >"$tmp/hello"
uuid='[0-9a-f-]{36}'
account=${AWS_ACCOUNT_ID:-000000000000}
alias=alias/awscli-$$

# Keys and their names.
try create-key '"KeyState": "Enabled"' --description awscli --tags TagKey=a,TagValue=b
k=$(get KeyId)
arn=$(get Arn)
made+=("$k")
region=$(cut -d: -f4 <<<"$arn")
key; other=$id
try describe-key "\"Description\": \"awscli\"" --key-id "$arn"
try list-keys "\"KeyId\": \"$uuid\"" --max-items 5
try update-key-description '' --key-id "$k" --description changed
try create-alias '' --alias-name "$alias" --target-key-id "$k"
try list-aliases "$alias" --key-id "$k"
try update-alias '' --alias-name "$alias" --target-key-id "$other"
kms update-alias --alias-name "$alias" --target-key-id "$k"
try tag-resource '' --key-id "$k" --tags TagKey=c,TagValue=d
try list-resource-tags '"TagKey": "c"' --key-id "$k"
try untag-resource '' --key-id "$k" --tag-keys c
try get-key-policy 'Allow' --key-id "$k" --policy-name default
kms get-key-policy --key-id "$k" --policy-name default --query Policy --output text >"$tmp/policy"
try put-key-policy '' --key-id "$k" --policy-name default --policy "file://$tmp/policy"
try list-key-policies 'default' --key-id "$k"

# Symmetric cryptography.
try encrypt "\"KeyId\": \"$arn\"" --key-id "$alias" --plaintext "fileb://$tmp/hello" --encryption-context a=b
blob CiphertextBlob sealed
try decrypt '"Plaintext": "aGVsbG8="' --ciphertext-blob "fileb://$tmp/sealed" --encryption-context a=b
try re-encrypt '"SourceKeyId"' --ciphertext-blob "fileb://$tmp/sealed" --source-encryption-context a=b --destination-key-id "$other"
try generate-data-key '"Plaintext"' --key-id "$k" --key-spec AES_256
try generate-data-key-without-plaintext '"CiphertextBlob"' --key-id "$k" --number-of-bytes 32
try generate-data-key-pair '"PrivateKeyPlaintext"' --key-id "$k" --key-pair-spec ECC_NIST_P256
try generate-data-key-pair-without-plaintext '"PrivateKeyCiphertextBlob"' --key-id "$k" --key-pair-spec RSA_2048
try generate-random '"Plaintext": "[A-Za-z0-9+/]{43}="' --number-of-bytes 32
try get-key-last-usage "$k|KeyLastUsage|Operation" --key-id "$k"

# MACs, signatures, agreement.
key --key-spec HMAC_256 --key-usage GENERATE_VERIFY_MAC && m=$id
try generate-mac '"Mac"' --key-id "$m" --message "fileb://$tmp/hello" --mac-algorithm HMAC_SHA_256
blob Mac mac
try verify-mac '"MacValid": true' --key-id "$m" --message "fileb://$tmp/hello" --mac-algorithm HMAC_SHA_256 --mac "fileb://$tmp/mac"
key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY && s=$id
try sign '"Signature"' --key-id "$s" --message "fileb://$tmp/hello" --signing-algorithm ECDSA_SHA_256
blob Signature signature
try verify '"SignatureValid": true' --key-id "$s" --message "fileb://$tmp/hello" --signing-algorithm ECDSA_SHA_256 --signature "fileb://$tmp/signature"
try get-public-key '"SigningAlgorithms"' --key-id "$s" && {
  blob PublicKey public
  openssl dgst -sha256 -verify "$tmp/public" -keyform DER -signature "$tmp/signature" "$tmp/hello" >/dev/null ||
    { failed=$((failed + 1)); echo 'FAILED   openssl does not verify the signature'; }
}
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -outform PEM -out "$tmp/peer" 2>/dev/null
openssl pkey -in "$tmp/peer" -pubout -outform DER -out "$tmp/peer.pub" 2>/dev/null
key --key-spec ECC_NIST_P256 --key-usage KEY_AGREEMENT && d=$id
try derive-shared-secret '"SharedSecret": "[A-Za-z0-9+/]{43}="' --key-id "${d:-$k}" --key-agreement-algorithm ECDH --public-key "fileb://$tmp/peer.pub"

# Rotation.
period=180
try enable-key-rotation '' --key-id "$k" --rotation-period-in-days $period || {
  period='365|"KeyRotationEnabled": true' # a CLI from before rotation periods
  try enable-key-rotation '' --key-id "$k"
}
try get-key-rotation-status "\"RotationPeriodInDays\": $period" --key-id "$k"
try rotate-key-on-demand "\"KeyId\": \"" --key-id "$k" && {
  kms decrypt --ciphertext-blob "fileb://$tmp/sealed" --encryption-context a=b --query Plaintext --output text | grep -q aGVsbG8= ||
    { failed=$((failed + 1)); echo 'FAILED   what was encrypted before the rotation does not decrypt'; }
}
try list-key-rotations '"Rotations": \[' --key-id "$k"
try disable-key-rotation '' --key-id "$k"

# Grants.
try create-grant '"GrantToken"' --key-id "$k" --grantee-principal "arn:aws:iam::$account:root" --retiring-principal "arn:aws:iam::$account:root" --operations Decrypt
grant=$(get GrantId)
try list-grants "\"GrantId\": \"${grant:-none}\"" --key-id "$k"
try list-retirable-grants "\"GrantId\": \"${grant:-none}\"" --retiring-principal "arn:aws:iam::$account:root"
try retire-grant '' --key-id "$arn" --grant-id "${grant:-none}"
grant=$(kms create-grant --key-id "$k" --grantee-principal "arn:aws:iam::$account:root" --operations Encrypt --query GrantId --output text 2>/dev/null)
try revoke-grant '' --key-id "$k" --grant-id "${grant:-none}"

# Imported material.
key --origin EXTERNAL && e=$id
try get-parameters-for-import '"ImportToken"' --key-id "$e" --wrapping-algorithm RSAES_OAEP_SHA_256 --wrapping-key-spec RSA_2048
blob ImportToken token
blob PublicKey wrapping
openssl rand 32 >"$tmp/material"
openssl pkeyutl -encrypt -pubin -keyform DER -inkey "$tmp/wrapping" -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 \
  -in "$tmp/material" -out "$tmp/wrapped" 2>/dev/null || cp "$tmp/hello" "$tmp/wrapped"
[ -s "$tmp/token" ] || cp "$tmp/hello" "$tmp/token"
try import-key-material "^\$|\"KeyMaterialId\"|\"KeyId\"" --key-id "$e" --import-token "fileb://$tmp/token" --encrypted-key-material "fileb://$tmp/wrapped" --expiration-model KEY_MATERIAL_DOES_NOT_EXPIRE
try delete-imported-key-material "^\$|\"KeyId\"" --key-id "$e"

# Multi-Region keys.
key --multi-region && r=$id
replica=eu-west-1
[ "$region" = "$replica" ] && replica=us-east-1
try replicate-key '"KeyState": "Creating"' --key-id "$r" --replica-region "$replica"
for _ in $(seq 50); do
  [ "$(kms describe-key --key-id "$r" --region "$replica" --query KeyMetadata.KeyState --output text 2>/dev/null)" = Enabled ] && break
  sleep 0.1
done
try update-primary-region '' --key-id "$r" --primary-region "$replica"

# Custom key stores: what lies behind them is the server's.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=awscli -out "$tmp/anchor" 2>/dev/null
behind='error:CloudHsmCluster|XksProxy'
[ -n "${AWSCLI_STORE:-}" ] && behind='"CustomKeyStoreId": "cks-[0-9a-f]{17}"'
if try create-custom-key-store "$behind" --custom-key-store-name "awscli-$$" \
  --cloud-hsm-cluster-id "${AWSCLI_CLUSTER:-cluster-2222222abcd}" --trust-anchor-certificate "file://$tmp/anchor" --key-store-password kmspswd-awscli && [ -n "$(get CustomKeyStoreId)" ]; then
  store=$(get CustomKeyStoreId)
  try describe-custom-key-stores "\"CustomKeyStoreId\": \"$store\"" --custom-key-store-id "$store"
  try update-custom-key-store '' --custom-key-store-id "$store" --new-custom-key-store-name "awscli-$$-b"
  try connect-custom-key-store '' --custom-key-store-id "$store"
  for _ in $(seq 50); do
    kms describe-custom-key-stores --custom-key-store-id "$store" --query 'CustomKeyStores[0].ConnectionState' --output text | grep -q ING || break
    sleep 0.1
  done
  try disconnect-custom-key-store '' --custom-key-store-id "$store"
  for _ in $(seq 50); do
    kms describe-custom-key-stores --custom-key-store-id "$store" --query 'CustomKeyStores[0].ConnectionState' --output text | grep -q ING || break
    sleep 0.1
  done
  try delete-custom-key-store '' --custom-key-store-id "$store" && store=
else
  try describe-custom-key-stores '"CustomKeyStores": \[' --limit 5
  for name in update connect disconnect delete; do
    try "$name-custom-key-store" error:CustomKeyStoreNotFoundException --custom-key-store-id cks-0123456789abcdef0 
  done
fi

# The end of keys.
try disable-key '' --key-id "$k"
try enable-key '' --key-id "$k"
try delete-alias '' --alias-name "$alias"
try schedule-key-deletion '"KeyState": "PendingDeletion"' --key-id "$k" --pending-window-in-days 7
try cancel-key-deletion "\"KeyId\": \"$arn\"" --key-id "$k"

# Nothing may be left out.
for op in $("$trent" ops | awk '$2 == "yes" || $2 == "no" {print $1}'); do
  name=$(sed -E 's/([a-z])([A-Z])/\1-\2/g' <<<"$op" | tr '[:upper:]' '[:lower:]')
  [ -n "${tried[$name]:-}" ] && continue
  if kms "$name" help >/dev/null 2>&1; then
    failed=$((failed + 1))
    printf 'FAILED   %s is not tried\n' "$name"
  else
    unknown=$((unknown + 1))
    printf 'unknown  %s\n' "$name"
  fi
done

printf '%d passed, %d failed, %d missing, %d unknown to %s\n' $passed $failed $missing $unknown "$("$aws" --version 2>&1 | cut -d' ' -f1)"
[ $failed -eq 0 ] && [ $missing -eq 0 ]
