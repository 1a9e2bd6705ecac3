# Completion of the command line `shardplan` for bash. Verbs, options and the values that an option lists are those of
# the program that is being typed: its help is asked for them.

_shardplan() {
  local program=${COMP_WORDS[0]} current=$2 previous=$3 words= verb= help
  COMPREPLY=()
  if ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[1]} != -* ]]; then verb=${COMP_WORDS[1]}; fi
  help=$("$program" $verb --help 2> /dev/null) || return

  if [[ $previous == -* ]]; then
    case $previous in
      --model | --model-from | --model-to)
        words="llama2-7b llama2-13b llama2-70b llama3-8b llama3-70b llama3.1-8b llama3.1-70b llama3.1-405b mistral-7b
          mixtral-8x7b megatron-gpt" ;;
      --hardware*) words="trn1 trn1n inf2 trn2 trn3" ;;
      --model-config* | --own-model* | --from | --to | --env | -o | --output)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return ;;
      *)
        # `--format text|json` has its values; a value that is only named has none to offer, a flag takes none.
        local value
        value=$(sed -nE "s/^ +(-[a-z],)?$previous +([^ ]+).*/\2/p" <<< "$help" | head -n 1)
        if [[ $value == *"|"* ]]; then
          words=$(tr '|' '\n' <<< "$value" | grep -v '^[A-Z]')
        elif [[ $value == [A-Z]* && $value != *[a-z]* ]]; then
          return
        else
          previous=
        fi ;;
    esac
  fi
  if [[ -z $words ]]; then
    if [[ $current == -* ]]; then
      words=$(sed -nE 's/^ +(-[a-z],)?(--[-a-z0-9]+).*/\2/p' <<< "$help")
    elif [[ -z $verb ]] || ((COMP_CWORD == 1)); then
      words=$(sed -nE 's/^  ([a-z]+) +[A-Z].*/\1/p' <<< "$help")
    else
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -d -- "$current"; compgen -f -X '!*.yaml' -- "$current"
        compgen -f -X '!*.yml' -- "$current")
      return
    fi
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _shardplan shardplan
