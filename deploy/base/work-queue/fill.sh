#!/bin/sh
# Puts the items of a list into a queue folder, once: a second run finds the queue filled and changes nothing.
#
# Workers wait for the mark `.filled`, so none of them takes a queue that is still being filled for an empty one,
# and a run that was cut off can be repeated from its beginning. A queue folder is for one batch: the next gets another one.
set -eu
queue=${QUEUE_DIR:?is the folder of this batch, on the shared volume}
items=${1:?is the file with one item a line}

mkdir -p "$queue/ready" "$queue/claimed" "$queue/done" "$queue/failed"
count=0
while IFS= read -r line || [ -n "$line" ]; do
    case $line in '' | '#'*) continue ;; esac
    item=${line%% *}
    case $item in
    .* | -* | *[!A-Za-z0-9._-]*)
        echo "fill: no name for an item: $item" >&2
        exit 64
        ;;
    esac
    if [ -e "$queue/.filled" ]; then
        echo "fill: $queue is filled already"
        exit 0
    fi
    # Written aside and renamed: nobody ever sees half an item.
    printf '%s\n' "$line" >"$queue/.new-$item"
    mv "$queue/.new-$item" "$queue/ready/$item"
    count=$((count + 1))
done <"$items"
: >"$queue/.filled"
echo "fill: $count items in $queue"
