# Sourced by quickstart.sh and check.sh.

# step LABEL COMMAND...: one line with the duration; what the command says is shown only when it fails, and kept in
# $step_output otherwise.
step() {
  local label=$1 start=$SECONDS status=0
  shift
  printf '%s ... ' "$label" >&2
  step_output=$("$@" 2>&1 </dev/null) || status=$?
  if ((status == 0)); then
    printf '%d s\n' $((SECONDS - start)) >&2
  else
    printf 'failed after %d s\n%s\n' $((SECONDS - start)) "$step_output" >&2
  fi
  return "$status"
}

# install_packages PACKAGE...: those of them that this Debian machine lacks; silent when it lacks none.
install_packages() {
  local package missing=()
  if ! command -v apt-get dpkg-query >/dev/null; then
    printf 'This script installs Debian packages, and here is no apt-get. With what is like them installed,\n' >&2
    printf 'cmake --workflow --preset release does the rest:\n  %s\n' "$*" >&2
    return 1
  fi
  for package; do
    dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  ((${#missing[@]} > 0)) || return 0

  if ((EUID != 0)); then
    printf 'Some packages are missing, and only root can install them:\n  apt-get install %s\n' "${missing[*]}" >&2
    return 1
  fi
  # Another apt on a fresh machine may be at work for a while; a mirror may stumble.
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  step "update the package lists" "${apt[@]}" update
  step "install ${missing[*]}" "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
}
