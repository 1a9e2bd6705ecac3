# Completion of the command line `shardplan` for bash.

_shardplan() {
  local current=$2 previous=$3
  local verbs="plan" options
  COMPREPLY=()

  case $previous in
    --model)
      options="llama2-7b llama2-13b llama2-70b llama3-8b llama3-70b llama3.1-8b llama3.1-70b llama3.1-405b mistral-7b
        mixtral-8x7b megatron-gpt" ;;
    --hardware) options="trn1 trn1n inf2 trn2 trn3" ;;
    --dialect) options="strict compat" ;;
    --format) options="text json" ;;
    --rank) options="all" ;;
    --set | --vocab-size) return ;;
    --model-config)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return ;;
    *)
      if [[ $current == -* ]]; then
        options="--help --version"
        if ((COMP_CWORD > 1)); then
          options+=" --set --model --model-config --hardware --vocab-size --dialect --warnings-as-errors --rank --format"
        fi
      elif ((COMP_CWORD == 1)); then
        options=$verbs
      else
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -d -- "$current"; compgen -f -X '!*.yaml' -- "$current"
          compgen -f -X '!*.yml' -- "$current")
        return
      fi ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
}
complete -F _shardplan shardplan
