//! The shell scripts. `PROGRAM` is the program's name.

/// bash splits words at `=` and `:`, which options and image names contain: the script rejoins them, and removes from
/// the answers what bash does not replace.
pub(super) const BASH: &str = r#"_rbuild() {
    local rest=${COMP_LINE:0:COMP_POINT} word line current reply strip index last
    local -a words=()
    for ((index = 0; index <= COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        last=$word
        if [[ $index == 0 || $rest == [[:space:]]* ]]; then
            rest=${rest#"${rest%%[![:space:]]*}"}
            ((index == COMP_CWORD)) && word=$rest last=$rest
            words+=("$word")
        else
            ((index == COMP_CWORD)) && word=$rest last=$rest
            words[${#words[@]}-1]+=$word
        fi
        rest=${rest#"$word"}
    done
    current=${words[${#words[@]}-1]}
    [[ $last == [=:] ]] && last=
    strip=${current%"$last"}
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == ":files" ]]; then
            word=$current
            [[ $word == --*=* ]] && word=${word#*=}
            while IFS= read -r reply; do COMPREPLY+=("$reply"); done < <(compgen -f -- "$word")
            compopt -o filenames 2>/dev/null
        else
            reply=${line%%$'\t'*}
            [[ $reply == *[=:/,] ]] && compopt -o nospace 2>/dev/null
            COMPREPLY+=("${reply#"$strip"}")
        fi
    done < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
}
complete -F _rbuild PROGRAM
"#;

pub(super) const ZSH: &str = r#"#compdef PROGRAM
_rbuild() {
    local -a found open
    local line word files=0
    while IFS= read -r line; do
        word="${line%%$'\t'*}"
        if [[ "$line" == ":files" ]]; then
            files=1
        elif [[ "$word" == *[=:/,] ]]; then
            open+=("$word")
        else
            found+=("${word//:/\\:}:${line#*$'\t'}")
        fi
    done < <("${words[1]}" __complete -- "${(@)words[2,$CURRENT]}" 2>/dev/null)
    (( ${#found} )) && _describe rbuild found
    (( ${#open} )) && compadd -S '' -- "${open[@]}"
    if (( files )); then
        [[ "$PREFIX" == --*=* ]] && compset -P '*='
        _files
    fi
}
compdef _rbuild PROGRAM
"#;

pub(super) const FISH: &str = r#"function __rbuild_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] 2>/dev/null)
        if test "$line" = ":files"
            # What comes before the path stays: fish takes only what the word begins with.
            set -l option (string match -r -- '^--[^=]*=' (commandline -ct))
            test -n "$option"; or set option ''
            printf '%s\n' $option(__fish_complete_path (string replace -r -- '^--[^=]*=' '' (commandline -ct)))
        else
            echo $line
        end
    end
end
complete -c PROGRAM -f -a '(__rbuild_complete)'
"#;
