//! `rbuild completion`: scripts for shells, which ask rbuild itself what may come next.

mod candidates;
mod names;

use std::process::ExitCode;

use super::commands::Global;
use super::{CliError, output};

/// Print a script that completes rbuild's commands in a shell
///
/// bash: `source <(rbuild completion bash)`; zsh: `source <(rbuild completion zsh)`; fish: `rbuild completion fish | source`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// What the scripts call, with the words up to the cursor.
#[derive(Debug, clap::Args)]
pub struct CompleteArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

pub fn run(args: &Args) -> Result<ExitCode, CliError> {
    output::print(match args.shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
    })?;
    Ok(ExitCode::SUCCESS)
}

pub fn complete(args: &CompleteArgs, global: &Global) -> Result<ExitCode, CliError> {
    let command = super::commands::definition();
    let found = candidates::candidates(&command, &args.words);
    let mut lines: Vec<String> = found.words;
    for kind in found.names {
        // A completion that fails says nothing.
        lines.extend(names::names(&kind, global).unwrap_or_default());
    }
    let typed = args.words.last().map_or("", String::as_str);
    lines.retain(|line| line.starts_with(typed));
    let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    if found.files {
        text += ":files\n";
    }
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Colons part words in bash, and image names have some.
const BASH: &str = r#"_rbuild() {
    local words=("${COMP_WORDS[@]:1:COMP_CWORD}") line current
    if declare -F _get_comp_words_by_ref >/dev/null; then
        local whole index
        _get_comp_words_by_ref -n := -w whole -i index
        words=("${whole[@]:1:index}")
    fi
    current="${words[${#words[@]}-1]}"
    COMPREPLY=()
    while IFS= read -r line; do
        if [ "$line" = ":files" ]; then
            while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current")
            compopt -o filenames 2>/dev/null
        else
            COMPREPLY+=("${line%%$'\t'*}")
        fi
    done < <("${COMP_WORDS[0]}" __complete -- "${words[@]}" 2>/dev/null)
    if declare -F __ltrim_colon_completions >/dev/null; then
        __ltrim_colon_completions "$current"
    fi
}
complete -F _rbuild rbuild
"#;

const ZSH: &str = r#"#compdef rbuild
_rbuild() {
    local -a found
    local line files=0
    while IFS= read -r line; do
        if [[ "$line" == ":files" ]]; then
            files=1
        else
            found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
        fi
    done < <("${words[1]}" __complete -- "${(@)words[2,$CURRENT]}" 2>/dev/null)
    (( ${#found} )) && _describe rbuild found
    (( files )) && _files
}
compdef _rbuild rbuild
"#;

const FISH: &str = r#"function __rbuild_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in (rbuild __complete -- $words[2..-1] 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c rbuild -f -a '(__rbuild_complete)'
"#;
