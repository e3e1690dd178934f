#!/bin/sh
# The manual's sample job, to try out an agent with: prints its arguments, one per line, and SUCCESS.
for argument in "$@"; do
    printf '%s\n' "$argument"
done
echo SUCCESS
