#!/bin/sh
# Takes items from a queue folder until every one is done or has failed for good, then ends: with 0, or with 3 if any failed.
#
# An item is a file, and its state is the folder it is in. It changes by rename, which only one of several workers can
# win, also over NFS:
#
#   ready/ITEM[,FAILED-TRIES]  ->  claimed/ITEM,FAILED-TRIES,WORKER  ->  done/ITEM
#            ^--- after a failure, with a pause that grows ---'   `---->  failed/ITEM   after QUEUE_TRIES
#
# A claim is a lease: its worker touches it while it works. One that nobody has touched for QUEUE_LEASE belonged to a worker that is
# gone, and is put back; that counts as a try, or an item that kills its worker would kill them all. A worker that only seemed
# to be gone may still be at it, so an item can be worked on twice: at least once, never "perhaps".
#
# SIGTERM: the item in hand is finished, then the end is 143, "not done", so that Kubernetes replaces this worker.
set -u
queue=${QUEUE_DIR:?is the folder of this batch, on the shared volume}
work=${QUEUE_COMMAND:?is the program that is called with the name of an item and the path of its file}
tries=${QUEUE_TRIES:-3}
lease=${QUEUE_LEASE:-300}          # seconds; over NFS not below 180, as clients see times up to a minute late
backoff=${QUEUE_BACKOFF:-30}       # seconds before the second try, twice that before the third; above 0
limit=${QUEUE_ITEM_TIMEOUT:-540}   # seconds for an item
pause=${QUEUE_PAUSE:-5}            # seconds between looks at a queue in which all is claimed
me=${POD_NAME:?is a name that no other worker has}

stopping=
trap 'stopping=1' TERM INT

say() {
    echo "worker: $*"
}

stop_if_asked() {
    if [ -n "$stopping" ]; then
        say "stopped as asked"
        exit 143
    fi
}

# Seconds since a file was touched, by the file server's clock on both sides: clocks of nodes differ.
age() {
    touched=$(stat -c %Y "$1" 2>/dev/null) || return 1
    touch "$queue/.clock-$me" && now=$(stat -c %Y "$queue/.clock-$me") || return 1
    echo $((now - touched))
}

holds_files() {
    for entry in "$1"/*; do
        [ ! -e "$entry" ] || return 0
    done
    return 1
}

# Whether nothing is left to do. `ready` is looked at twice, as an item may go back there from `claimed` between two looks.
is_empty() {
    ! holds_files "$queue/ready" && ! holds_files "$queue/claimed" && ! holds_files "$queue/ready"
}

# The parts of a file's name: $item, $failed (tries so far).
parse() {
    name=${1##*/}
    item=${name%%,*}
    failed=${name#"$item"}
    failed=${failed#,}
    failed=${failed%%,*}
    failed=${failed:-0}
}

# A try came to nothing: back to `ready`, or to `failed` if it was the last. Touched first: from then on the pause counts.
give_back() {
    parse "$1"
    failed=$((failed + 1))
    if [ "$failed" -ge "$tries" ]; then
        mv "$1" "$queue/failed/$item" 2>/dev/null && say "item $item failed for good after $failed tries"
    else
        touch -c "$1"
        mv "$1" "$queue/ready/$item,$failed" 2>/dev/null && say "item $item goes back, failed tries: $failed"
    fi
}

put_back_what_the_dead_held() {
    for claim in "$queue"/claimed/*; do
        since=$(age "$claim") || continue
        if [ "$since" -gt "$lease" ]; then
            say "nobody has worked on ${claim##*/} for $since s"
            give_back "$claim"
        fi
    done
}

# Takes an item that is due: its file is then $claim.
take() {
    for file in "$queue"/ready/*; do
        [ -e "$file" ] || continue
        parse "$file"
        if [ "$failed" -gt 0 ]; then
            since=$(age "$file") || continue
            [ "$since" -ge $((backoff * failed)) ] || continue
        fi
        claim=$queue/claimed/$item,$failed,$me
        # The lease begins before the claim is there, or it could be taken for an old one.
        touch -c "$file"
        # Over NFS a rename whose answer got lost is repeated and then fails: what counts is where the file is.
        if mv "$file" "$claim" 2>/dev/null || [ -e "$claim" ]; then return 0; fi
    done
    return 1
}

# Works on $claim while renewing its lease.
work_on_it() {
    parse "$claim"
    say "item $item begins, failed tries: $failed"
    timeout -k 10 "$limit" "$work" "$item" "$claim" &
    worker=$!
    while kill -0 $$ 2>/dev/null; do
        sleep $((lease / 10 + 1))
        touch -c "$claim"
    done &
    heart=$!
    code=0
    wait "$worker" || code=$?
    # A signal ends `wait` early; the item's own end is what counts.
    while kill -0 "$worker" 2>/dev/null; do
        code=0
        wait "$worker" || code=$?
    done
    kill "$heart" 2>/dev/null
    wait "$heart" 2>/dev/null
    if [ "$code" != 0 ]; then
        say "item $item ended with $code"
        give_back "$claim"
    elif mv "$claim" "$queue/done/$item" 2>/dev/null || [ -e "$queue/done/$item" ]; then
        say "item $item is done"
    else
        say "item $item is done, but its lease was lost meanwhile: another worker may do it again"
    fi
}

until [ -e "$queue/.filled" ]; do
    stop_if_asked
    say "waiting for $queue to be filled"
    sleep "$pause"
done
until is_empty; do
    stop_if_asked
    put_back_what_the_dead_held
    if take; then work_on_it; else sleep "$pause"; fi
done
rm -f "$queue/.clock-$me"
if holds_files "$queue/failed"; then
    say "the queue is empty; failed for good: $(cd "$queue/failed" && echo *)"
    exit 3
fi
say "the queue is empty"
