# Aliases for people who look around in a container; read by interactive shells.
# shellcheck shell=sh
alias ll='ls -l --color=auto'
alias la='ls -al --color=auto'
alias l.='ls -d .* --color=auto'
